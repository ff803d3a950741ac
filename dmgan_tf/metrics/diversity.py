"""Mean distance between pictures: all of them, or those of one caption."""

import numpy as np

from dmgan_tf.metrics.cosine import unit_rows
from dmgan_tf.metrics.frechet import finite_rows

_BLOCK = 1024


class GroupDiversity:
    """The mean cosine distance between two pictures of one group, over a stream of pictures.

    Only one sum of directions is stored for each group, since the mean cosine of all pairs of `n`
    directions `u` is `(|Σu|² - n) / (n (n - 1))`.

    Args:
        groups: int `(pictures,)`: the group of each picture, from 0 on. A single picture of a group
            is ignored; some group must have two.
        dim: Number of features.

    Attributes:
        num_pictures: How many pictures count.
        num_groups: How many groups they are of.
    """

    def __init__(self, groups: np.ndarray, dim: int):
        sizes = np.bincount(groups)
        counted = sizes > 1
        self._sizes = sizes[counted]
        self._rows = np.where(counted, np.cumsum(counted) - 1, -1)[groups]
        self.num_pictures, self.num_groups = int(self._sizes.sum()), len(self._sizes)
        self._sums = np.zeros((self.num_groups, dim))
        self._count = 0

    def update(self, features: np.ndarray) -> None:
        """Adds the features of the next pictures, float `(number, dim)`.

        Raises:
            InputError: If they are of another width, or not finite.
        """
        features = finite_rows(features, self._sums.shape[1], "features", self._count)
        rows = self._rows[self._count : self._count + len(features)]
        np.add.at(self._sums, rows[rows >= 0], unit_rows(np.float64(features))[rows >= 0])
        self._count += len(features)

    def result(self) -> tuple[float, float | None]:
        """Returns the mean over the groups, each with equal weight, once all pictures have come.

        Returns:
            The mean cosine distance, and its standard error over the groups; None of one group.
        """
        pairs = self._sizes * (self._sizes - 1)
        distances = 1 - (np.square(self._sums).sum(axis=1) - self._sizes) / pairs
        distances = np.maximum(distances, 0)  # below it by rounding only
        error = None
        if self.num_groups > 1:
            error = float(np.std(distances, ddof=1) / np.sqrt(self.num_groups))
        return float(np.mean(distances)), error

    def state(self) -> dict[str, np.ndarray]:
        """Returns the argument of `restore`, as arrays that are not changed later."""
        return {"sums": self._sums.copy(), "count": np.asarray(self._count)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues from what `state` returned."""
        self._sums, self._count = np.array(state["sums"]), int(state["count"])


def group_diversity(features: np.ndarray, groups: np.ndarray) -> GroupDiversity:
    """Returns the `GroupDiversity` of all features at once.

    Args:
        features: Float array `(pictures, dim)`.
        groups: See `GroupDiversity`.
    """
    diversity = GroupDiversity(groups, features.shape[1])
    for start in range(0, len(features), _BLOCK):
        diversity.update(features[start : start + _BLOCK])
    return diversity


def pair_diversity(features: np.ndarray) -> tuple[float, float | None]:
    """Returns the mean cosine distance over all pairs of pictures, and its standard error.

    Reference:
        Hoeffding 1948, "A class of statistics with asymptotically normal distribution", for the
        error: twice that of the mean of each picture's mean distance from the others.

    Args:
        features: Float array `(pictures, dim)`, of two pictures or more.

    Returns:
        The mean; the standard error over the pictures, None of two.
    """
    count = len(features)
    blocks = [features[start : start + _BLOCK] for start in range(0, count, _BLOCK)]
    total = sum(unit_rows(np.float64(block)).sum(axis=0) for block in blocks)
    cosines = np.concatenate([unit_rows(np.float64(block)) @ total for block in blocks])
    from_others = np.maximum(1 - (cosines - 1) / (count - 1), 0)
    error = float(2 * np.std(from_others, ddof=1) / np.sqrt(count)) if count > 2 else None
    return float(np.mean(from_others)), error
