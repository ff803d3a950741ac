"""The Fréchet distance between two sets of feature vectors, and the moments it needs.

On the features of the 2015 Inception this distance is the Fréchet Inception distance (FID).
"""

import dataclasses

import numpy as np

from dmgan_tf.errors import InputError

# Vectors that are merged at a time: a pass over the covariance for each, 16 MiB at 2,048 features.
BLOCK_SIZE = 1024


@dataclasses.dataclass(frozen=True)
class Moments:
    """The mean and the covariance of feature vectors.

    Args:
        mean: float64 `(dim,)`.
        covariance: float64 `(dim, dim)`, unbiased: the sum is divided by `count - 1`.
        count: The number of vectors; None where a file does not have it.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int | None = None


def finite_rows(rows: np.ndarray, dim: int | None, name: str, count: int = 0) -> np.ndarray:
    """Returns `rows` as an array, if it is one of finite numbers and of the right shape.

    Args:
        rows: Array or tensor `(number, dim)`.
        dim: The width that is expected; None for any.
        name: The name of the rows, in the plural, for the message.
        count: How many rows came before these, for the message.

    Returns:
        A NumPy array; `rows` itself if it is one.

    Raises:
        InputError: If the shape is another, or if a value is not a finite number.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or dim not in (None, rows.shape[1]):
        width = "any width" if dim is None else f"{dim} values each"
        raise InputError(
            f"Expected {name} as an array of two axes, rows of {width}. Received: an array of "
            f"shape {rows.shape}. Take every image's from the same network."
        )
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InputError(
            f"Expected finite {name}. Received: NaN or infinity in those of image "
            f"{count + int(np.argmin(finite))}, counted from 0. Check the network's weights, and "
            "run it in float32."
        )
    return rows


class FeatureStatistics:
    """The mean and covariance of a stream of feature vectors, which itself is not kept.

    Sums of squares lose the covariance where the mean is large. So blocks of vectors are centred
    and then merged, in float64; batches are buffered until a block is full, so that the result does
    not depend on the batch size, and small batches are cheap.

    Reference:
        Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
        variances", Eq. 2.1.

    Args:
        dim: Number of features.
    """

    def __init__(self, dim: int):
        self.dim = dim
        self._merged = 0
        self._mean = np.zeros(dim)
        self._scatter = np.zeros((dim, dim))  # the covariance times the count
        self._block = np.empty((BLOCK_SIZE, dim))
        self._waiting = 0

    @property
    def count(self) -> int:
        """The number of vectors so far."""
        return self._merged + self._waiting

    def update(self, features: np.ndarray) -> None:
        """Adds a batch.

        Args:
            features: Float array or tensor `(number, dim)`.

        Raises:
            InputError: If it has another width, or is not finite; then nothing is added.
        """
        features = finite_rows(features, self.dim, "features", self.count)
        while len(features):
            taken = features[: BLOCK_SIZE - self._waiting]
            self._block[self._waiting : self._waiting + len(taken)] = taken
            self._waiting += len(taken)
            features = features[len(taken) :]
            if self._waiting == BLOCK_SIZE:
                self._mean = _merge(self._merged, self._mean, self._scatter, self._block)
                self._merged += BLOCK_SIZE
                self._waiting = 0

    def moments(self) -> Moments:
        """Returns the mean and covariance of the vectors so far.

        Raises:
            InputError: If there were fewer than two.
        """
        if self.count < 2:
            raise InputError(
                "Expected at least 2 images, whose features have a covariance. "
                f"Received: {self.count}. Score more images."
            )
        mean, scatter = self._mean.copy(), self._scatter.copy()
        if self._waiting:
            mean = _merge(self._merged, mean, scatter, self._block[: self._waiting])
        scatter /= self.count - 1
        return Moments(mean, scatter, self.count)

    def state(self) -> dict[str, np.ndarray]:
        """Returns the argument of `restore`, as arrays that are not changed later."""
        return {
            "merged": np.asarray(self._merged, "int64"),
            "mean": self._mean.copy(),
            "scatter": self._scatter.copy(),
            "waiting": self._block[: self._waiting].copy(),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Restores a state.

        Args:
            state: What `state()` returned, perhaps in another process.

        Raises:
            InputError: If it is of another number of features.
        """
        waiting, scatter = np.asarray(state["waiting"]), np.array(state["scatter"], "float64")
        if scatter.shape != (self.dim, self.dim) or waiting.shape[1:] != (self.dim,):
            raise InputError(
                f"Expected the saved statistics of {self.dim} features. Received: "
                f"{scatter.shape[0]}. Start the evaluation again."
            )
        self._merged = int(state["merged"])
        self._mean = np.array(state["mean"], "float64")
        self._scatter = scatter
        self._waiting = len(waiting)
        self._block[: self._waiting] = waiting


def _merge(count, mean, scatter, rows):
    """Adds `rows` to the mean and the scatter of `count` vectors.

    `scatter` changes in place; the new mean is returned.
    """
    total = count + len(rows)
    mean_of_rows = rows.mean(axis=0)
    shift = mean_of_rows - mean
    # The distance of the means is a further row, so that one product is enough.
    centred = np.empty((len(rows) + 1, rows.shape[1]))
    np.subtract(rows, mean_of_rows, out=centred[:-1])
    centred[-1] = np.sqrt(count * len(rows) / total) * shift
    scatter += centred.T @ centred
    return mean + shift * (len(rows) / total)


def frechet_distance(first: Moments, second: Moments) -> float:
    """Returns the squared Fréchet distance between two Gaussians, as FID is quoted.

    It is `|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½)`. The trace of the root is the sum of the singular
    values of `R1ᵀ R2`, where `C = R Rᵀ` by the eigenvalues of each covariance. Unlike `sqrtm` of
    the product, this never takes the root of a rounding error, so it is also exact with fewer
    images than features.

    Reference:
        Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
        Equilibrium", Eq. 6; Dowson, Landau 1982.

    Args:
        first: Of one set of images.
        second: Of the other, by the same network.

    Returns:
        The distance, 0 or more.

    Raises:
        InputError: If they are of different numbers of features, or not covariances, or so large
            that there is no finite distance.
    """
    if first.mean.shape != second.mean.shape:
        raise InputError(
            "Expected statistics of the same number of features on both sides. Received: "
            f"{len(first.mean)} and {len(second.mean)}. Make both with the same network."
        )
    shift = first.mean - second.mean
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            overlap = np.linalg.svd(_root(first).T @ _root(second), compute_uv=False).sum()
            traces = np.trace(first.covariance) + np.trace(second.covariance)
            distance = float(shift @ shift + traces - 2 * overlap)
    except np.linalg.LinAlgError:  # what infinity becomes
        distance = np.inf
    if not np.isfinite(distance):
        largest = [np.abs(item.mean).max() for item in (first, second)]
        raise InputError(
            "Expected statistics at a finite distance. Received: means of up to "
            f"{largest[0]:.3g} and {largest[1]:.3g}. Check the network's weights, and the file of "
            "statistics if there is one."
        )
    return max(distance, 0.0)  # below 0 by rounding only


def _root(moments):
    """A matrix R of `(dim, rank)` with R Rᵀ the covariance, without rounding errors."""
    values, vectors = np.linalg.eigh(moments.covariance)
    smallest, largest = values[0], values[-1]
    if smallest < -1e-3 * max(largest, 0.0):
        raise InputError(
            "Expected a covariance, which has no negative eigenvalues. Received: one with "
            f"{smallest:.3g} beside {largest:.3g}. Make the statistics again."
        )
    # Negative eigenvalues are rounding errors, and so are positive ones of their size.
    rounding = max(len(values) * np.finfo("float64").eps * largest, -smallest)
    rank = np.count_nonzero(values > rounding)
    if moments.count is not None:
        rank = min(rank, moments.count - 1)
    kept = slice(len(values) - rank, None)  # eigenvalues ascend
    return vectors[:, kept] * np.sqrt(values[kept])
