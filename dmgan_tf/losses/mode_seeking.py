"""The loss that keeps a generator from ignoring its noise."""

from typing import Any

from keras import ops

_FAR_ENOUGH = 0.5  # of the distance between images of different captions
_SOFTENING = 1e-3  # keeps value and gradient of equal images finite


def mode_seeking_loss(codes: Any, other_codes: Any, real_distance: Any) -> Any:
    """Returns how alike two generated images of one caption are.

    `-log(r / r_max)`, where `r` is their distance relative to that of two real images, and 0 from
    `r_max` = 0.5 on: what the caption names should not differ. Distances are between codes of an
    image encoder, which, unlike pixels, change with all that captions can name.

    Reference: Mao et al., "Mode Seeking Generative Adversarial Networks" (CVPR 2019), Eq. 3, which
        has the distance between images over that between their noises, without a bound.

    Args:
        codes: `image_code` of an `ImageEncoder` for the generated images, `(batch, dim)`.
        other_codes: The same of images of the same captions with other noise.
        real_distance: The Euclidean distance between the codes of two real images, `(batch,)`.

    Returns:
        One value from 0 to 6.9 an example, float32 of shape `(batch,)`.
    """
    distance = code_distance(codes, other_codes)
    ratio = distance / ops.maximum(ops.cast(real_distance, "float32"), 1e-6)
    share = ops.minimum(ratio / _FAR_ENOUGH, 1.0)
    return -ops.log((share + _SOFTENING) / (1.0 + _SOFTENING))


def code_distance(codes: Any, other_codes: Any) -> Any:
    """Returns the Euclidean distance between image codes, float32 `(batch,)`."""
    difference = ops.cast(codes, "float32") - ops.cast(other_codes, "float32")
    return ops.sqrt(ops.sum(ops.square(difference), axis=-1) + 1e-12)
