"""The kernel distance between two sets of feature vectors, and their storage.

On the features of the 2015 Inception this distance is the Kernel Inception Distance (KID).
"""

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.frechet import finite_rows


class FeatureStore:
    """Feature vectors in memory, because the kernel distance draws subsets of them.

    Memory is allocated at once: 234 MiB for 30,000 vectors of 2,048.

    Args:
        num_images: How many vectors there will be.
        dim: Number of features.
    """

    def __init__(self, num_images: int, dim: int):
        self.count = 0
        self._features = np.empty((num_images, dim), "float32")

    @property
    def features(self) -> np.ndarray:
        """The vectors so far, float32 `(count, dim)`; not a copy."""
        return self._features[: self.count]

    def update(self, features: np.ndarray) -> None:
        """Adds a batch.

        Args:
            features: Float array or tensor `(number, dim)`.

        Raises:
            InputError: If it has another width, is not finite, or exceeds `num_images`; then
                nothing is added.
        """
        room, dim = self._features.shape
        features = finite_rows(features, dim, "features", self.count)
        end = self.count + len(features)
        if end > room:
            raise InputError(
                f"Expected the features of {room} images. Received: those of {end}. "
                "Say how many there are."
            )
        self._features[self.count : end] = features
        self.count = end

    def state(self) -> dict[str, np.ndarray]:
        """Returns the argument of `restore`, as arrays that are not changed later."""
        return {"features": self.features.copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Restores a state.

        Args:
            state: What `state()` returned, perhaps in another process.

        Raises:
            InputError: If it has another number of features, or exceeds `num_images`.
        """
        features = np.asarray(state["features"])
        room, dim = self._features.shape
        if features.ndim != 2 or features.shape[1] != dim or len(features) > room:
            raise InputError(
                f"Expected up to {room} saved vectors of {dim} features. Received: an array of "
                f"shape {features.shape}. Start the evaluation again."
            )
        self.count = len(features)
        self._features[: self.count] = features


def kernel_distance(
    first: np.ndarray,
    second: np.ndarray,
    num_subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> tuple[float, float]:
    """Returns the squared maximum mean discrepancy under a cubic kernel, over random subsets.

    The kernel is `(x·y / dim + 1)³`, and the estimate is unbiased, so that, unlike the Fréchet
    distance, it does not depend on the number of images, and may be slightly negative. Subsets are
    the same as torch-fidelity's; kernels are in float64.

    Reference:
        Bińkowski et al. 2018, "Demystifying MMD GANs", section 4.

    Args:
        first: Float array `(number, dim)`, one row per image.
        second: The same of the other set; the number may differ.
        num_subsets: How many pairs of subsets are drawn.
        subset_size: How many images of either set are in a subset, without repetition.
        seed: Random seed of the subsets, 0 to 2³² - 1.

    Returns:
        The mean over the subsets, and their standard deviation, divided by their number.

    Raises:
        InputError: If a set is smaller than a subset, if their widths differ, or if a value is not
            finite.
    """
    first = finite_rows(first, None, "features")
    second = finite_rows(second, first.shape[1], "features")
    if num_subsets < 1 or subset_size < 2:
        raise InputError(
            "Expected at least 1 subset, of at least 2 images. "
            f"Received: {num_subsets} of {subset_size}. Choose larger numbers."
        )
    if min(len(first), len(second)) < subset_size:
        raise InputError(
            f"Expected at least {subset_size} images on both sides, as many as a subset of the "
            f"kernel distance has. Received: {len(first)} and {len(second)}. Score more images, or "
            "choose a smaller subset."
        )
    random = np.random.RandomState(seed)  # the generator whose draws torch-fidelity published
    distances = np.empty(num_subsets)
    for subset in range(num_subsets):
        of_first = first[random.choice(len(first), subset_size, replace=False)]
        of_second = second[random.choice(len(second), subset_size, replace=False)]
        with np.errstate(over="ignore", invalid="ignore"):
            distances[subset] = _unbiased_distance(
                of_first.astype("float64"), of_second.astype("float64")
            )
    if not np.isfinite(distances).all():
        raise InputError(
            "Expected features at a finite kernel distance. Received: features of up to "
            f"{max(np.abs(first).max(), np.abs(second).max()):.3g}. Check the network's weights."
        )
    return float(distances.mean()), float(distances.std())


def _unbiased_distance(first, second):
    within = _mean_of_pairs(first) + _mean_of_pairs(second)
    return within - 2 * _kernel(first, second).mean()


def _mean_of_pairs(features):
    """The kernel's mean over pairs of two different vectors."""
    kernel = _kernel(features, features)
    return (kernel.sum() - np.trace(kernel)) / (len(features) * (len(features) - 1))


def _kernel(first, second):
    similarity = first @ second.T / first.shape[1] + 1
    return similarity * similarity * similarity  # many times as fast as a power
