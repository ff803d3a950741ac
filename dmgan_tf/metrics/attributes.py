"""How many of the attributes that captions name were drawn."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Share:
    """A fraction of named attributes, with its standard error.

    Args:
        value: In [0, 1].
        standard_error: Over images, whose attributes are not independent.
        count: The number of named attributes.
    """

    value: float
    standard_error: float
    count: int


def share_right(hits: np.ndarray, asked: np.ndarray) -> Share:
    """Returns the fraction of named attributes that were drawn right.

    It is the ratio of two sums over images; its error is that of a ratio of means (Cochran,
    Sampling Techniques, section 6.4).

    Args:
        hits: bool `(images, attributes)`: what was drawn right.
        asked: bool `(images, attributes)`: what the captions name; NaN if nothing.
    """
    right = np.sum(hits & asked, axis=1).astype("float64")
    named = np.sum(asked, axis=1).astype("float64")
    total = named.sum()
    if total == 0:
        return Share(float("nan"), float("nan"), 0)
    value = right.sum() / total
    error = np.sqrt(np.sum((right - value * named) ** 2)) / total
    return Share(float(value), float(error), int(total))


def dealt_rows(groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """Assigns to every image the row of another image of its group, for the score of chance.

    Args:
        groups: int `(images,)`: the group of each image.
        seed: Random seed of the order.

    Returns:
        int `(images,)`: a permutation within each group, without a fixed point where it has two.
    """
    rows = np.arange(len(groups))
    random = np.random.default_rng(seed)
    for group in np.unique(groups):
        members = random.permutation(np.flatnonzero(groups == group))
        rows[members] = np.roll(members, 1)
    return rows
