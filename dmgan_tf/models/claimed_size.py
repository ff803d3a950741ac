"""How large a network its configuration claims, told before any memory is taken for it.

A configuration is a few numbers in a text file. One digit too many, or a file that somebody made to
harm, and building the network would take terabytes; so the numbers are first held against the
weights that lie beside them.
"""

import itertools
import numbers
from collections.abc import Mapping

from dmgan_tf.errors import InputError

_LARGEST_IMAGE = 8192  # pixels a side; the paper's have 256
_DEFAULTS = {
    "Generator": {
        "channels": 64,
        "noise_dim": 100,
        "condition_dim": 100,
        "word_dim": 256,
        "memory_dim": 1,
        "num_residual_blocks": 2,
        "base_size": 64,
        "num_stages": 3,
    },
    "Discriminator": {"image_size": 64, "channels": 32, "sentence_dim": 256},
    "TextEncoder": {"vocabulary_size": 1, "word_dim": 256, "embedding_dim": 300},
    "ImageEncoder": {"embedding_dim": 256, "channels": 32, "input_size": 299},
    "InceptionV3": {"num_classes": 0},
}
_MAY_BE_ZERO = ("num_residual_blocks", "num_classes")


def least_values(kind: str, config: Mapping) -> int:
    """How many weights a network has at least, by its configuration.

    Args:
        kind: The name of the network's class.
        config: The arguments of its constructor, as JSON gives them; what is missing has the
            constructor's default.

    Returns:
        A number that the count of the network's weights reaches or exceeds.

    Raises:
        InputError: If a size is no whole number in its range, or images of no use are asked for.
    """
    sizes = {}
    for name, default in _DEFAULTS[kind].items():
        value = config.get(name)
        value = default if value is None else value
        lowest = 0 if name in _MAY_BE_ZERO else 1
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < lowest:
            raise InputError(
                f"Expected {name} of a {kind} to be a whole number from {lowest} up. Received: "
                f"{str(value)[:40]}."
            )
        sizes[name] = value
    if _largest_side(sizes) > _LARGEST_IMAGE:
        raise InputError(
            f"Expected a {kind} for images of at most {_LARGEST_IMAGE} pixels. Received: a "
            "configuration for larger ones."
        )
    if kind == "Generator" and config.get("refinement") == "attention":
        sizes["memory_dim"] = 0
    if kind == "ImageEncoder" and config.get("backbone", "inception_v3") != "small_cnn":
        sizes["channels"] = 0  # that of Inception-v3 is fixed
    return _LEAST[kind](**sizes)


def _largest_side(sizes) -> int:
    side = max(sizes.get(name, 1) for name in ("base_size", "image_size", "input_size"))
    stages = sizes.get("num_stages", 1)
    return side * 2 ** min(stages - 1, 20)


# Of each network, the arrays that grow with the product of two sizes: never more than it has.


def _least_of_generator(
    *,
    channels,
    noise_dim,
    condition_dim,
    word_dim,
    memory_dim,
    num_residual_blocks,
    base_size,
    num_stages,
):
    doublings = max(base_size.bit_length() - 3, 0)
    widths = [channels * 2 ** (doublings - i) for i in range(doublings + 1)]
    initial = 32 * widths[0] * (noise_dim + condition_dim)
    initial += sum(9 * width**2 for width in widths[:-1])
    a_refinement = (108 * num_residual_blocks + 36) * channels**2
    if memory_dim:
        a_refinement += memory_dim * (word_dim + 2 * channels)
    else:
        a_refinement += channels * word_dim
    return initial + 4 * word_dim * condition_dim + (num_stages - 1) * a_refinement


def _least_of_discriminator(image_size, channels, sentence_dim):
    widths = [channels * 2**i for i in range(max(image_size.bit_length() - 3, 1))]
    strided = sum(16 * width * wider for width, wider in itertools.pairwise(widths))
    return 48 * channels + strided + 9 * channels * sentence_dim


def _least_of_text_encoder(vocabulary_size, word_dim, embedding_dim):
    units = word_dim // 2
    return vocabulary_size * embedding_dim + 8 * units * (embedding_dim + units)


def _least_of_image_encoder(embedding_dim, channels, input_size):
    projected = 12 * channels if channels else 2816
    return embedding_dim * projected + 27 * channels + 990 * channels**2


def _least_of_inception(num_classes):
    return 2048 * num_classes


_LEAST = {
    "Generator": _least_of_generator,
    "Discriminator": _least_of_discriminator,
    "TextEncoder": _least_of_text_encoder,
    "ImageEncoder": _least_of_image_encoder,
    "InceptionV3": _least_of_inception,
}
