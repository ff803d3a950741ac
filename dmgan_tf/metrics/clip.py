"""CLIP score, and images at CLIP's size."""

import keras
import numpy as np
from keras import ops

from dmgan_tf.errors import InputError


def clip_score(image_codes: np.ndarray, text_codes: np.ndarray) -> np.ndarray:
    """Returns the CLIP score of each pair, `100 * max(cosine, 0)`.

    The scale is the one in common use (torchmetrics); Hessel et al. write `2.5 * max(cosine, 0)`,
    which is this divided by 40, and set a prompt, "A photo depicts", before each caption.

    Reference: Hessel et al. 2021, "CLIPScore: A Reference-free Evaluation Metric for Image
    Captioning", section 3.

    Args:
        image_codes: `(pairs, dim)`, of any length.
        text_codes: `(pairs, dim)`; row i belongs to image i.

    Returns:
        Float64 array `(pairs,)`, in [0, 100].

    Raises:
        InputError: If the shapes differ.
    """
    image_codes, text_codes = np.float64(image_codes), np.float64(text_codes)
    if image_codes.shape != text_codes.shape or image_codes.ndim != 2:
        raise InputError(
            "Expected an image code and a text code for each pair, of one CLIP. Received: shapes "
            f"{image_codes.shape} and {text_codes.shape}. Encode as many captions as images."
        )
    lengths = np.linalg.norm(image_codes, axis=1) * np.linalg.norm(text_codes, axis=1)
    cosines = np.sum(image_codes * text_codes, axis=1) / np.maximum(lengths, 1e-12)
    return 100 * np.clip(cosines, 0, 1)


def resize_for_clip(images: np.ndarray, size: int) -> keras.KerasTensor:
    """Resizes images to CLIP's size, as the original does with PIL.

    Antialiased bicubic interpolation of the shorter side to `size`, then the middle square. The
    width is resized first, and both passes round to whole levels, so that 99 in a hundred pixels
    equal PIL's, and the others differ by one level. keras-hub's converters for CLIP do not
    antialias, which changes the codes much.

    Reference: Radford et al. 2021, the authors' release, `clip/clip.py`.

    Args:
        images: Uint8 array `(images, height, width, 3)`.
        size: Side of the result in pixels.

    Returns:
        Float32 tensor `(images, size, size, 3)` of whole numbers in [0, 255].
    """
    height, width = images.shape[1:3]
    short = min(height, width)
    new_height, new_width = height * size // short, width * size // short
    pixels = ops.cast(images, "float32")
    for target in ((height, new_width), (new_height, new_width)):
        pixels = ops.image.resize(pixels, target, interpolation="bicubic", antialias=True)
        pixels = ops.clip(ops.floor(pixels + 0.5), 0, 255)
    top, left = (new_height - size) // 2, (new_width - size) // 2
    return pixels[:, top : top + size, left : left + size]
