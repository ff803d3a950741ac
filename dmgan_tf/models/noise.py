"""Noise by seed and conversion to pixels, in NumPy only, for readers of exports."""

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from dmgan_tf.errors import InputError


def check_whole_number(name: str, value: object, lowest: int = 0) -> None:
    """Raises an `InputError` for a value that is no whole number from `lowest` to 2**32 - 1."""
    if not isinstance(value, numbers.Integral) or not lowest <= value < 2**32:
        raise InputError(
            f"Expected {name}, a whole number from {lowest} to {2**32 - 1}. Received: "
            f"{name}={value!r}."
        )


def seeded_noise(
    noise_dim: int, condition_dim: int, seed: int, rows: Iterable[int]
) -> list[np.ndarray]:
    """Draws the noise of some images of a seed, each by its row only.

    Args:
        noise_dim: Size of the noise of a `Generator`.
        condition_dim: Size of its condition.
        seed: From 0 to 2**32 - 1.
        rows: The rows of the images, integers in the same range.

    Returns:
        `noise` and `condition_noise`, float32 `(rows, noise_dim)` and `(rows, condition_dim)`.
    """
    size = noise_dim + condition_dim
    drawn = [np.random.RandomState([seed, row]).standard_normal(size) for row in rows]
    return np.split(np.float32(drawn), [noise_dim], axis=1)


def to_uint8(images: Any) -> np.ndarray:
    """Returns images in [-1, 1] as uint8, rounded."""
    return np.uint8(np.clip(np.rint((images + 1) * 127.5), 0, 255))
