"""Whether drawn pictures are nearer to training pictures than real, unseen pictures are."""

from collections.abc import Callable

import numpy as np

from dmgan_tf.metrics.cosine import unit_rows
from dmgan_tf.metrics.frechet import finite_rows

QUANTILE = 0.05  # the fraction of real pictures that are as near to training as a near copy
_RESAMPLES = 200
_BLOCK = 256  # images that are compared with all of training at a time


class NearestNeighbours:
    """The nearest training pictures of every picture of a stream, by cosine distance.

    Args:
        training: Features of the training pictures, float32 `(pictures, dim)`, as many as `number`
            or more.
        number: How many neighbours to keep of each picture.

    Attributes:
        distances: float64 `(pictures so far, number)`: `1 - cos`, nearest first.
        places: int64 `(pictures so far, number)`: which training pictures these are.
    """

    def __init__(self, training: np.ndarray, number: int = 3):
        self._training = unit_rows(training)
        self.distances = np.empty((0, number))
        self.places = np.empty((0, number), "int64")

    def update(self, features: np.ndarray) -> None:
        """Adds the features of the next pictures, float `(number, dim)`.

        Raises:
            InputError: If they are of another width, or not finite.
        """
        features = finite_rows(features, self._training.shape[1], "features", len(self.places))
        for start in range(0, len(features), _BLOCK):
            distances, places = self._nearest(unit_rows(features[start : start + _BLOCK]))
            self.distances = np.concatenate([self.distances, distances])
            self.places = np.concatenate([self.places, places])

    def _nearest(self, directions):
        number = self.places.shape[1]
        cosines = directions @ self._training.T
        places = np.argpartition(-cosines, number - 1, axis=1)[:, :number]
        # Exact in float64, and 0 between equal vectors, which `1 - cos` is not.
        shifts = np.float64(directions[:, None]) - self._training[places]
        distances = 0.5 * np.square(shifts).sum(axis=-1)
        order = np.lexsort((places, distances))
        return np.take_along_axis(distances, order, 1), np.take_along_axis(places, order, 1)

    def state(self) -> dict[str, np.ndarray]:
        """Returns the argument of `restore`."""
        return {"distances": self.distances, "places": self.places}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues from what `state` returned."""
        self.distances, self.places = state["distances"], state["places"]


def nearer_share(drawn: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Returns how often a drawn picture is nearer to training than a real one, with an error.

    It is the probability that a random drawn picture is nearer to its nearest training picture than
    a random real, unseen picture is to its own, ties counting half (the Mann-Whitney statistic). It
    is 0.5 of other real pictures, and 1 of copies.

    Reference:
        Meehan, Chaudhuri, Dasgupta 2020, "A Non-Parametric Test to Detect Data-Copying in
        Generative Models", section 3, of which it is the statistic in a single cell.

    Args:
        drawn: `(drawn pictures,)`: the distance of each to the nearest training picture.
        real: `(real pictures,)`: likewise.

    Returns:
        The share, in [0, 1], and its standard error, by the bootstrap over both sets.
    """
    return _with_error(_share_below, drawn, real)


def near_copies(
    drawn: np.ndarray, real: np.ndarray, quantile: float = QUANTILE
) -> tuple[float, float]:
    """Returns the fraction of drawn pictures nearer to training than all but a few real ones.

    A few copies among many pictures hardly change `nearer_share`, but they change this.

    Args:
        drawn: As of `nearer_share`.
        real: Likewise.
        quantile: How few: the fraction of real pictures that are as near.

    Returns:
        The share, in [0, 1], which is about `quantile` of other real pictures, and its standard
        error, by the bootstrap over both sets.
    """

    def share(drawn, real):
        return np.mean(drawn < np.quantile(real, quantile))

    return _with_error(share, drawn, real)


def _share_below(drawn, real):
    """Over all pairs, the share in which the drawn one is less, and half of the ties."""
    real = np.sort(real)
    not_above = np.searchsorted(real, drawn, "left") + np.searchsorted(real, drawn, "right")
    return 1 - np.mean(not_above) / (2 * len(real))


def _with_error(share: Callable, drawn: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    random = np.random.default_rng(0)
    shares = [
        share(random.choice(drawn, len(drawn)), random.choice(real, len(real)))
        for _ in range(_RESAMPLES)
    ]
    return float(share(drawn, real)), float(np.std(shares, ddof=1))
