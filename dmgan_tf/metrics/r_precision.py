"""R-precision: how often a generated image finds the caption that it was made from."""

import numpy as np

from dmgan_tf.errors import InputError

_BLOCK = 12_800  # candidates drawn and scored at a time: 13 MB at 256 dimensions


class CaptionRetrieval:
    """Retrieval of each image's own caption among captions of other classes.

    Each image is compared by cosine with its own caption and `num_candidates - 1` different ones of
    other classes. The candidates of an image depend only on the seed and on its row, so an
    evaluation may be interrupted, resumed, and divided into any batches and shards.

    A tie for the first place is decided at random, so that constant codes score chance. The
    authors' release counts it as a hit; its candidates may also repeat.

    Reference: AttnGAN (CVPR 2018), section 4, R-precision with R = 1; the draw by class follows
    the DM-GAN authors' release, `code/trainer.py`.

    Args:
        sentence_codes: `(captions, dim)`, kept as float32; of any length, for cosines ignore it.
        class_ids: `(captions,)` integers; where there are no classes, the number of the caption's
            image.
        num_candidates: Captions per image, including its own; all there are if fewer.
        seed: Random seed of the candidates, 0 or more.

    Raises:
        InputError: If the codes are not finite, or no caption has another of a different class.
    """

    def __init__(
        self,
        sentence_codes: np.ndarray,
        class_ids: np.ndarray,
        num_candidates: int = 100,
        seed: int = 0,
    ):
        self.sentence_codes = _codes(sentence_codes, "sentence codes")
        self.norms = _norms(self.sentence_codes)
        class_ids = np.asarray(class_ids)
        if class_ids.shape != self.norms.shape:
            raise InputError(
                f"Expected a class for each of {len(self.norms)} captions. Received: class_ids "
                f"of shape {class_ids.shape}. Give the classes of these captions."
            )
        if num_candidates < 2:
            raise InputError(
                "Expected 2 candidates or more, an image's own caption and another. Received: "
                f"num_candidates={num_candidates}. The published figures have 100."
            )
        self.num_candidates = num_candidates
        self.seed = seed
        # With the captions in order of class, those of one class are a gap in the row of all.
        self._order = np.argsort(class_ids, kind="stable")
        _, self._class_of, sizes = np.unique(class_ids, return_inverse=True, return_counts=True)
        self._class_sizes = sizes
        self._class_starts = np.cumsum(sizes) - sizes
        if len(sizes) < 2:
            raise InputError(
                "Expected captions of two classes or more, so that images can be told apart by "
                f"theirs. Received: {len(class_ids)} captions of {len(sizes)}. Score a split of "
                "more classes."
            )

    @property
    def chance(self) -> float:
        """Score of guessing: 0.01 for 100 candidates."""
        others = len(self._class_of) - self._class_sizes
        chances = 1.0 / (1 + np.minimum(self.num_candidates - 1, others))
        return float(np.average(chances, weights=self._class_sizes))

    def hits(self, image_codes: np.ndarray, caption_rows: np.ndarray, first_row: int) -> np.ndarray:
        """Returns which images have their own caption as the nearest.

        Args:
            image_codes: `(images, dim)`, of any length.
            caption_rows: `(images,)` integers, each image's own row of `sentence_codes`.
            first_row: Number of the first of these images in the whole evaluation, from 0.

        Returns:
            Bool array `(images,)`.

        Raises:
            InputError: If the codes are not finite or of another size than the sentences', or a
                row is of no caption.
        """
        image_codes = _codes(image_codes, "image codes")
        caption_rows = np.asarray(caption_rows, np.int64)
        num_captions, dim = self.sentence_codes.shape
        if image_codes.shape != (len(caption_rows), dim):
            raise InputError(
                f"Expected {len(caption_rows)} image codes of {dim} numbers, as the sentence "
                f"codes have. Received: shape {image_codes.shape}. Encode both with one DAMSM."
            )
        if np.any((caption_rows < 0) | (caption_rows >= num_captions)):
            raise InputError(
                f"Expected rows of captions from 0 to {num_captions - 1}. Received: "
                f"{caption_rows.min()} to {caption_rows.max()}. Give the captions' own rows."
            )
        found = np.empty(len(image_codes), bool)
        size = max(1, _BLOCK // self.num_candidates)
        for start in range(0, len(image_codes), size):
            block = slice(start, start + size)
            own = caption_rows[block]
            others, guess = self._draw(own, first_row + start)
            share = _first_place_share(
                image_codes[block], self.sentence_codes, self.norms, own, others
            )
            found[block] = guess < share
        return found

    def _draw(self, own, first_row):
        """Rows of other captions `(images, candidates - 1)`, -1 for none, and a number in [0, 1).

        Floyd's sampling without replacement, a step for all images at once: it needs one random
        number per candidate for any number of captions, and repeats none.
        """
        bits = _random_bits(self.seed, first_row, len(own), self.num_candidates)
        size = self._class_sizes[self._class_of[own]]
        start = self._class_starts[self._class_of[own]]
        available = len(self._order) - size
        wanted = self.num_candidates - 1
        chosen = np.full((len(own), wanted), -1, np.int64)
        for step in range(wanted):
            last = available - wanted + step  # negative: fewer captions than wanted
            pick = (bits[:, step] % np.maximum(last + 1, 1).astype(np.uint64)).astype(np.int64)
            taken = np.any(chosen[:, :step] == pick[:, None], axis=1)
            chosen[:, step] = np.where(last < 0, -1, np.where(taken, last, pick))
        beyond_gap = chosen >= start[:, None]
        rows = self._order[chosen + np.where(beyond_gap, size[:, None], 0)]
        return np.where(chosen < 0, -1, rows), (bits[:, wanted] >> np.uint64(11)) * 2.0**-53


def r_precision(
    hits: np.ndarray, num_folds: int = 10, seed: int | None = None
) -> tuple[float, float]:
    """Returns the mean and deviation of the fraction of hits over folds, as published.

    Reference: AttnGAN (CVPR 2018), section 4: 30,000 images in ten folds. The release shuffles
    them first; without it, images in the order of their classes give a larger deviation.

    Args:
        hits: `(images,)`, the result of `CaptionRetrieval.hits` for all images in order.
        num_folds: Number of folds, of sizes as equal as possible.
        seed: Random seed of a shuffle before the images are divided into folds; None keeps their
            order.

    Returns:
        `(mean, deviation)` over the folds, fractions in [0, 1]; the deviation is the population's.

    Raises:
        InputError: If there are fewer images than folds.
    """
    hits = np.asarray(hits, np.float64)
    if not 1 <= num_folds <= len(hits):
        raise InputError(
            f"Expected an image or more in each fold of R-precision. Received: {len(hits)} images "
            f"in {num_folds} folds. Score more images, or use fewer folds."
        )
    if seed is not None:
        hits = np.random.default_rng(seed).permutation(hits)
    cuts = [fold * len(hits) // num_folds for fold in range(1, num_folds)]
    shares = [fold.mean() for fold in np.split(hits, cuts)]
    return float(np.mean(shares)), float(np.std(shares))


def retrieval_accuracy(
    image_codes: np.ndarray,
    sentence_embeddings: np.ndarray,
    class_ids: np.ndarray,
    num_candidates: int = 100,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the fraction of images whose own sentence is nearest among those of other classes.

    For a set small enough for memory, such as the held-out split of a training. Each image is
    compared by cosine with its sentence and `num_candidates - 1` of other classes, drawn by `seed`.
    A tie of n for the first place counts as 1/n, so that a constant code scores chance, not 1.

    Reference: R-precision with R = 1, AttnGAN (CVPR 2018), section 4.

    Args:
        image_codes: `(images, dim)`.
        sentence_embeddings: `(images, dim)`; row i belongs to image i.
        class_ids: `(images,)` integers.
        num_candidates: Sentences per image, including its own; all there are if fewer.
        seed: Random seed of the candidates.

    Returns:
        `(accuracy, chance)`, both in [0, 1]; NaN where no image has a sentence of another class.
    """
    image_codes = np.asarray(image_codes, np.float64)
    sentence_embeddings = np.asarray(sentence_embeddings, np.float64)
    norms = _norms(sentence_embeddings)
    class_ids = np.asarray(class_ids)
    # One generator for all images, in order: the published figures use this draw.
    generator = np.random.default_rng(seed)
    hits, chances = [], []
    for own, class_id in enumerate(class_ids):
        others = np.flatnonzero(class_ids != class_id)
        if not len(others):
            continue
        chosen = generator.choice(others, min(num_candidates - 1, len(others)), replace=False)
        hits += _first_place_share(
            image_codes[[own]], sentence_embeddings, norms, np.array([own]), chosen[None]
        ).tolist()
        chances.append(1.0 / (1 + len(chosen)))
    if not hits:
        return float("nan"), float("nan")
    return float(np.mean(hits)), float(np.mean(chances))


def _first_place_share(image_codes, sentence_codes, norms, own, others):
    """1 where an image's own sentence is nearest, 1/n where it ties with n - 1, else 0.

    The image's length scales all its cosines alike, so they are compared without it.
    """
    rows = np.concatenate([own[:, None], others], axis=1)
    # All sentences are summed in the same order, so that a copy of the true one ties exactly.
    scores = np.einsum("ikd,id->ik", sentence_codes[rows], image_codes) / norms[rows]
    scores[rows < 0] = -np.inf
    tied = np.sum(scores == scores[:, :1], axis=1)
    return np.where(scores[:, 0] == scores.max(axis=1), 1.0 / np.maximum(tied, 1), 0.0)


def _random_bits(seed, first_row, num_rows, count):
    """Uint64 `(rows, count or more)`; a row's numbers depend on the seed and its number only.

    Philox is counter-based, so a later row needs no earlier ones, and its numbers are fixed by its
    definition, not by a version of NumPy.
    """
    blocks = -(-count // 4)  # Philox gives four numbers at each count
    generator = np.random.Philox(key=seed, counter=int(first_row) * blocks)
    return generator.random_raw(num_rows * blocks * 4).reshape(num_rows, blocks * 4)


def _codes(codes, name):
    codes = np.ascontiguousarray(codes, np.float32)
    if codes.ndim != 2 or not np.all(np.isfinite(codes)):
        received = f"shape {codes.shape}" if codes.ndim != 2 else "values that are not finite"
        raise InputError(
            f"Expected {name} of shape (number, dim), all finite. Received: {received}. Has the "
            "training that made the weights diverged?"
        )
    return codes


def _norms(codes):
    return np.maximum(np.sqrt(np.einsum("cd,cd->c", codes, codes)), 1e-12)
