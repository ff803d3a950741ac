"""The Inception Score, from a stream of logits."""

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.frechet import finite_rows


class InceptionScore:
    """The confidence of a classifier on each image, and the diversity of classes over all images.

    The score of a split is exp(mean of KL(p(y|x) || p(y))), where p(y) is the mean of p(y|x) over
    that split. Only sums over each split are kept.

    Reference:
        Salimans et al. 2016, "Improved Techniques for Training GANs", section 4.

    Args:
        num_images: How many images there will be.
        num_splits: The number of splits; split k has the images from `k * num_images // num_splits`
            on, in their order or a shuffled one.
        shuffle_seed: Seed of NumPy's `RandomState` for the shuffled order; None to keep the order.
            The original code keeps it; torch-fidelity shuffles, by default with 2020, as StackGAN's
            code for birds does. Only the split of an image depends on it.

    Raises:
        InputError: If a split would be empty.
    """

    def __init__(self, num_images: int, num_splits: int = 10, shuffle_seed: int | None = None):
        if not 1 <= num_splits <= num_images:
            raise InputError(
                "Expected at least 1 split, and at least as many images. Received: "
                f"{num_splits} splits of {num_images} images. Score more images."
            )
        self.num_images = num_images
        self.num_splits = num_splits
        self.count = 0
        self._sizes = np.diff(np.arange(num_splits + 1) * num_images // num_splits)
        self._splits = np.repeat(np.arange(num_splits), self._sizes)  # of each image
        if shuffle_seed is not None:
            order = np.random.RandomState(shuffle_seed).permutation(num_images)
            self._splits[order] = self._splits.copy()
        self._probabilities = None  # a row for each split, its sum of p(y|x)
        self._negative_entropies = np.zeros(num_splits)  # their sums of p log p

    def update(self, logits: np.ndarray) -> None:
        """Adds the next images.

        Args:
            logits: Float array or tensor `(number, classes)`.

        Raises:
            InputError: If it has another width, is not finite, or has more images than expected;
                then nothing is added.
        """
        classes = None if self._probabilities is None else self._probabilities.shape[1]
        logits = finite_rows(logits, classes, "logits", self.count)
        if self.count + len(logits) > self.num_images:
            raise InputError(
                f"Expected the logits of {self.num_images} images. Received: those of "
                f"{self.count + len(logits)}. Say how many there are."
            )
        if classes is None:
            self._probabilities = np.zeros((self.num_splits, logits.shape[1]))
        splits = self._splits[self.count : self.count + len(logits)]
        for split in np.unique(splits):
            self._add(split, logits[splits == split].astype("float64"))
        self.count += len(logits)

    def result(self) -> tuple[float, float]:
        """Returns the score's mean over the splits, and its deviation, divided by their number.

        Raises:
            InputError: If images are still missing.
        """
        if self.count != self.num_images:
            raise InputError(
                f"Expected the logits of {self.num_images} images. Received: those of "
                f"{self.count}. Score the rest."
            )
        marginals = self._probabilities / self._sizes[:, None]
        # A class of no probability adds nothing: p log p goes to 0 there.
        logarithms = np.log(np.where(marginals > 0, marginals, 1.0))
        divergences = self._negative_entropies / self._sizes - (marginals * logarithms).sum(axis=1)
        scores = np.exp(divergences)
        return float(scores.mean()), float(scores.std())

    def state(self) -> dict[str, np.ndarray]:
        """Returns the argument of `restore`, as arrays that are not changed later."""
        probabilities = self._probabilities
        return {
            "images": np.asarray([self.num_images, self.count], "int64"),
            "probabilities": np.zeros((self.num_splits, 0))
            if probabilities is None
            else probabilities.copy(),
            "negative_entropies": self._negative_entropies.copy(),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Restores a state.

        Args:
            state: What `state()` returned, perhaps in another process.

        Raises:
            InputError: If it is of another number of images or splits.
        """
        num_images, count = (int(number) for number in state["images"])
        probabilities = np.array(state["probabilities"], "float64")
        if (num_images, len(probabilities)) != (self.num_images, self.num_splits):
            raise InputError(
                f"Expected the saved score of {self.num_images} images in {self.num_splits} "
                f"splits. Received: {num_images} in {len(probabilities)}. "
                "Start the evaluation again."
            )
        self.count = count
        self._probabilities = probabilities if probabilities.shape[1] else None
        self._negative_entropies = np.array(state["negative_entropies"], "float64")

    def _add(self, split, logits):
        logits = logits - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        totals = exponentials.sum(axis=1, keepdims=True)
        probabilities = exponentials / totals
        self._probabilities[split] += probabilities.sum(axis=0)
        self._negative_entropies[split] += (probabilities * (logits - np.log(totals))).sum()
