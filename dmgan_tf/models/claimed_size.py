"""Networks from configurations that somebody else wrote, built with no more memory than is due.

A configuration is a few numbers in a text file. One digit too many, or a file that somebody made to
harm, and building the network would take terabytes. So its weights are counted first, while they
are shapes only, and get memory once they are known to be no more than lie in the file beside it.
"""

import math
from collections.abc import Callable, Mapping

import keras
from keras.src.backend.common import global_state

from dmgan_tf.errors import InputError
from dmgan_tf.layers.initialization import without_initial_values

_LARGEST_IMAGE = 8192  # pixels a side; the paper's have 256


class TooLarge(InputError):
    """A network has more weights than there are values for it."""


def build_within(make: Callable[[], keras.Model], num_values: int) -> keras.Model:
    """Builds a network whose weights are to be loaded, unless it has too many.

    Args:
        make: Gives the network, not built.
        num_values: How many values its weights may have together.

    Returns:
        The network, built; its weights are still to be loaded.

    Raises:
        TooLarge: If its weights have more values.
    """
    with without_initial_values(), keras.StatelessScope():  # its end takes the memory
        try:
            model = make()
            model.build()
            if count_values(model) > num_values:
                raise TooLarge("it has too few values")
        except BaseException:
            # Keras has no public way to forget variables that wait for their memory.
            global_state.set_global_attribute("uninitialized_variables", [])
            raise
    return model


def count_values(model: keras.Model) -> int:
    """Counts the values of all weights, which may be shapes only."""
    return sum(math.prod(weight.shape) for weight in model.weights)


def check_sizes(config: Mapping, num_arrays: int) -> None:
    """Refuses what takes memory and time before a weight shows it: many layers, large images.

    Args:
        config: The arguments of a network's constructor, as JSON gives them.
        num_arrays: How many arrays of weights there are for it.

    Raises:
        TooLarge: If it has more layers than there are arrays.
        InputError: If its images are larger than any in use.
    """
    stages = config.get("num_stages", 1)
    if max(stages, config.get("num_residual_blocks", 1)) > num_arrays:
        raise TooLarge("it has too few values")
    sides = [config.get(name) or 1 for name in ("base_size", "image_size", "input_size")]
    if max(sides) * 2 ** (stages - 1) > _LARGEST_IMAGE:
        raise InputError(
            f"Expected images of at most {_LARGEST_IMAGE} pixels. Received: larger ones."
        )
