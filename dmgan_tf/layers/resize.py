"""Resizes images in each of the ways of published networks and scores."""

import functools
from typing import Any

import numpy as np
from keras import ops

from dmgan_tf.errors import InputError

_SAMPLINGS = ("aligned_corners", "half_pixel", "legacy_tensorflow")
_KERNEL_RADIUS = {"bilinear": 1, "bicubic": 2}
_BYTE_PRECISION = 22  # PIL's: fractional binary digits of a weight
_HALF_PRECISION = 1 << (_BYTE_PRECISION // 2)


@functools.lru_cache(maxsize=64)
def interpolation_matrix(
    source: int,
    target: int,
    sampling: str = "half_pixel",
    antialias: bool = False,
    kernel: str = "bilinear",
) -> np.ndarray:
    """Weights by which a line of `source` pixels becomes one of `target` pixels.

    Args:
        source: Length of the line, at least 1.
        target: Length wanted, at least 1.
        sampling: Position of target pixel i on the source line. `"aligned_corners"`: first and last
            pixels coincide; `"half_pixel"`: pixels are squares that cover the same line;
            `"legacy_tensorflow"`: at i * source / target, as TensorFlow 1 did.
        antialias: Whether the kernel widens when the line shrinks, so that every source pixel
            counts. Only with `"half_pixel"`.
        kernel: `"bilinear"`, a triangle, or `"bicubic"`, Keys' cubic with a = -0.5 as PIL has it,
            which needs `antialias`.

    Returns:
        Float32 `(target, source)`; each row sums to 1.
    """
    if sampling not in _SAMPLINGS:
        raise InputError(f"`sampling` must be one of {_SAMPLINGS}. Received: {sampling!r}.")
    if kernel not in _KERNEL_RADIUS:
        raise InputError(f"`kernel` must be one of {(*_KERNEL_RADIUS,)}. Received: {kernel!r}.")
    if antialias and sampling != "half_pixel":
        raise InputError(f"`antialias` needs sampling='half_pixel'. Received: {sampling!r}.")
    if kernel == "bicubic" and not antialias:
        raise InputError("kernel='bicubic' needs antialias=True. Received: antialias=False.")
    return _weights(source, target, sampling, antialias, kernel).astype("float32")


def _weights(source, target, sampling, antialias, kernel):
    """`interpolation_matrix` in float64."""
    index = np.arange(target, dtype="float64")
    if sampling == "aligned_corners":
        position = index * ((source - 1) / max(target - 1, 1))
    elif sampling == "half_pixel":
        position = (index + 0.5) * (source / target) - 0.5
    else:
        position = index * (source / target)
    if not antialias:  # with antialiasing, the edge is handled by normalising the rows
        position = np.clip(position, 0, source - 1)
    scale = max(1.0, source / target) if antialias else 1.0
    distance = np.abs(position[:, None] - np.arange(source)[None, :]) / scale
    weights = np.maximum(0.0, 1.0 - distance) if kernel == "bilinear" else _keys_cubic(distance)
    return weights / weights.sum(axis=1, keepdims=True)


def _keys_cubic(distance):
    """Keys, Cubic Convolution Interpolation (1981), equation 15."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0.0))


def resize(
    images: Any,
    size: int,
    sampling: str = "half_pixel",
    antialias: bool = False,
    kernel: str = "bilinear",
) -> Any:
    """Resizes images to `size` x `size` by two small matrix products.

    The frameworks' resizing operations differ in their sampling, and none supports all the ways of
    published networks; a matrix is exact, differentiable and the same on every backend. Images of
    that size are returned unchanged.

    Args:
        images: Float tensor `(batch, height, width, channels)`; height and width static.
        size: Height and width wanted, in pixels.
        sampling, antialias, kernel: As for `interpolation_matrix`.

    Returns:
        Float32 `(batch, size, size, channels)`. With a bicubic kernel, values may lie outside the
        images' range.
    """
    images = ops.cast(images, "float32")
    _, height, width, _ = images.shape
    if height != size:
        rows = interpolation_matrix(height, size, sampling, antialias, kernel)
        images = _along_height(images, rows)
    if width != size:
        columns = interpolation_matrix(width, size, sampling, antialias, kernel)
        images = _along_width(images, columns)
    return images


def resize_bytes(images: Any, size: int) -> Any:
    """Resizes 8-bit images bilinearly with antialiasing, bit for bit like PIL.

    PIL rounds to whole levels after each of its two passes, with weights of 22 binary digits. Sums
    of such products do not fit into float32; those of each half of the digits do, exactly, so that
    this also holds where matrix products keep eleven digits of a factor (TF32). Width comes first,
    as in the Pillow of published numbers; Pillow 13 begins with the height of images that shrink
    more in height than in width.

    Reference:
        Pillow, `Image.resize` with `Resampling.BILINEAR`; `scipy.misc.imresize` and torchvision's
        `Resize` of a PIL image are the same.

    Args:
        images: Uint8 `(batch, height, width, channels)`, or whole numbers from 0 to 255 of any
            type; height and width must be known and at most 16 times `size`.
        size: Height and width wanted, in pixels.

    Returns:
        Float32 `(batch, size, size, channels)` of whole numbers from 0 to 255.
    """
    images = ops.cast(images, "float32")
    _, height, width, _ = images.shape
    if width != size:
        sums = _along_width(images, _byte_matrix(width, size))
        images = _rounded(sums[:, :, :size], sums[:, :, size:])
    if height != size:
        sums = _along_height(images, _byte_matrix(height, size))
        images = _rounded(sums[:, :size], sums[:, size:])
    return images


@functools.lru_cache(maxsize=16)
def _byte_matrix(source, target):
    """PIL's weights, (2 * target, source): first their upper eleven digits, then their lower."""
    weights = _weights(source, target, "half_pixel", True, "bilinear")
    whole = np.floor(weights * 2**_BYTE_PRECISION + 0.5)
    return np.concatenate(np.divmod(whole, _HALF_PRECISION)).astype("float32")


def _rounded(upper, lower):
    """The whole number nearest to a sum; one half goes up."""
    carried = upper + ops.floor(lower / _HALF_PRECISION)
    return ops.floor((carried + _HALF_PRECISION / 2) / _HALF_PRECISION)


def _along_height(images, matrix):
    """The product of a matrix with every column of pixels."""
    _, height, width, channels = images.shape
    images = ops.matmul(matrix, ops.reshape(images, (-1, height, width * channels)))
    return ops.reshape(images, (-1, len(matrix), width, channels))


def _along_width(images, matrix):
    """The product of a matrix with every row of pixels."""
    _, height, width, channels = images.shape
    # One large product instead of one for every line: a line has only three channels.
    images = ops.reshape(ops.transpose(images, (0, 1, 3, 2)), (-1, width))
    images = ops.matmul(images, matrix.T)
    images = ops.reshape(images, (-1, height, channels, len(matrix)))
    return ops.transpose(images, (0, 1, 3, 2))
