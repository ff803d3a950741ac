"""Builds networks from untrusted configurations without excessive memory.

A configuration is a few numbers in a text file. With one digit too many, or a malicious file, the
network would need terabytes. So its weights are first counted as shapes only, and allocated once
they are known to be no more than in the weights file.
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
        make: Returns the network, not built.
        num_values: The largest total number of values of its weights.

    Returns:
        The network, built; its weights are still to be loaded.

    Raises:
        TooLarge: If its weights have more values.
    """
    with without_initial_values(), keras.StatelessScope():  # its exit allocates the memory
        try:
            model = make()
            model.build()
            if count_values(model) > num_values:
                raise TooLarge("it has too few values")
        except BaseException:
            # Keras has no public way to discard variables that are not allocated yet.
            global_state.set_global_attribute("uninitialized_variables", [])
            raise
    return model


def count_values(model: keras.Model) -> int:
    """Counts the values of all weights, which may be shapes only."""
    return sum(math.prod(weight.shape) for weight in model.weights)


def check_sizes(config: Mapping, num_arrays: int) -> None:
    """Raises an error for what needs memory and time before weights do: many layers, large images.

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
