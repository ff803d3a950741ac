"""The Inception Score, from a stream of logits."""

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.frechet import finite_rows


class InceptionScore:
    """How sure a classifier is of each image, and how many classes it sees over all of them.

    The score of a split is exp(mean of KL(p(y|x) || p(y))), where p(y) is the mean of p(y|x) over
    that split. Only sums over each split are kept. Splits are contiguous, so the order of the
    images matters; the published numbers are of images in the generator's order, unshuffled.

    Reference:
        Salimans et al. 2016, "Improved Techniques for Training GANs", section 4.

    Args:
        num_images: How many images there will be.
        num_splits: How many parts they are scored in; split k is of the images from
            `k * num_images // num_splits` on.

    Raises:
        InputError: If a split would be empty.
    """

    def __init__(self, num_images: int, num_splits: int = 10):
        if not 1 <= num_splits <= num_images:
            raise InputError(
                "Expected at least 1 split, and as many images as splits. Received: "
                f"{num_splits} splits of {num_images} images. Score more images."
            )
        self.num_images = num_images
        self.num_splits = num_splits
        self.count = 0
        self._probabilities = None  # a row for each split, its sum of p(y|x)
        self._negative_entropies = np.zeros(num_splits)  # their sums of p log p

    def update(self, logits) -> None:
        """Takes the next images in.

        Args:
            logits: Float array or tensor `(number, classes)`.

        Raises:
            InputError: If it is of another width, not finite, or of more images than announced;
                then nothing is taken in.
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
        while len(logits):
            split, end = self._split_of(self.count)
            taken = logits[: end - self.count]
            self._add(split, taken.astype("float64"))
            self.count += len(taken)
            logits = logits[len(taken) :]

    def result(self) -> tuple[float, float]:
        """The score's mean over the splits, and its standard deviation, divided by their number.

        Raises:
            InputError: If images are still missing.
        """
        if self.count != self.num_images:
            raise InputError(
                f"Expected the logits of {self.num_images} images. Received: those of "
                f"{self.count}. Score the rest."
            )
        ends = np.arange(self.num_splits + 1) * self.num_images // self.num_splits
        sizes = np.diff(ends)
        marginals = self._probabilities / sizes[:, None]
        # A class of no probability adds nothing: p log p goes to 0 there.
        logarithms = np.log(np.where(marginals > 0, marginals, 1.0))
        divergences = self._negative_entropies / sizes - (marginals * logarithms).sum(axis=1)
        scores = np.exp(divergences)
        return float(scores.mean()), float(scores.std())

    def state(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs to go on from here, as arrays that stay as they are."""
        probabilities = self._probabilities
        return {
            "images": np.asarray([self.num_images, self.count], "int64"),
            "probabilities": np.zeros((self.num_splits, 0))
            if probabilities is None
            else probabilities.copy(),
            "negative_entropies": self._negative_entropies.copy(),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Goes back to what `state` was taken of.

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
                "Begin the evaluation again."
            )
        self.count = count
        self._probabilities = probabilities if probabilities.shape[1] else None
        self._negative_entropies = np.array(state["negative_entropies"], "float64")

    def _split_of(self, image):
        """The split that an image is in, and the first image behind that split."""
        split = ((image + 1) * self.num_splits - 1) // self.num_images
        return split, (split + 1) * self.num_images // self.num_splits

    def _add(self, split, logits):
        logits = logits - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        totals = exponentials.sum(axis=1, keepdims=True)
        probabilities = exponentials / totals
        self._probabilities[split] += probabilities.sum(axis=0)
        self._negative_entropies[split] += (probabilities * (logits - np.log(totals))).sum()
