"""Which captions an evaluation draws, and which it uses as wrong answers."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from dmgan_tf.data.stored import CaptionList


@dataclasses.dataclass(frozen=True)
class CaptionPlan:
    """The captions of a split, and which of them each scored image belongs to.

    Args:
        captions: Every caption of the split; R-precision draws its wrong answers from these.
        class_ids: int `(captions,)`: what the image of each caption shows.
        rows: int `(images,)`: the caption of each scored image, as an index into `captions`.
        source: Where they come from, for the report: a dict of JSON values.
        named: For each caption, the value of each attribute that it names; empty where that is not
            known. Empty if not known for any caption.
    """

    captions: list[str]
    class_ids: np.ndarray
    rows: np.ndarray
    source: dict
    named: Sequence[dict[str, str]] = ()

    def texts(self, start: int, stop: int) -> list[str]:
        """Returns the captions of the images from `start` up to, not including, `stop`."""
        return [self.captions[row] for row in self.rows[start:stop]]

    def sha256(self) -> str:
        """Returns a hash of what is drawn and of the wrong answers."""
        digest = hashlib.sha256()
        for caption in self.captions:
            digest.update(caption.encode("utf-8") + b"\0")
        for numbers in (self.class_ids, self.rows):
            digest.update(np.ascontiguousarray(numbers, "<i8").tobytes())
        return digest.hexdigest()


def choose_captions(
    caption_list: CaptionList, num_images: int, seed: int, source: dict
) -> CaptionPlan:
    """Chooses the captions to draw: one of every image before a second one of any.

    Each round visits the images of the split in a new order, so that every part of the run has all
    classes equally often, and takes each image's next caption. After an image's last caption its
    first follows, with other noise.

    Reference:
        Zhu et al. 2019, section 4: 30,000 images from randomly selected unseen descriptions.

    Args:
        caption_list: The captions of every image.
        num_images: How many to choose.
        seed: Of the orders; the same number gives the same captions.
        source: See `CaptionPlan`.
    """
    first_rows, counts = _rows_of_images(caption_list)
    offsets = np.random.default_rng([seed, 0]).integers(0, counts)
    rounds, drawn = [], 0
    while drawn < num_images:
        order = np.random.default_rng([seed, 1 + len(rounds)]).permutation(len(counts))
        rows = first_rows[order] + (offsets[order] + len(rounds)) % counts[order]
        rounds.append(rows[: num_images - drawn])
        drawn += len(rounds[-1])
    return _plan_of(caption_list, np.concatenate(rounds), source)


def first_captions(
    caption_list: CaptionList, source: dict, num_images: int | None = None
) -> CaptionPlan:
    """Plans a split's own first images, or all: each with its first caption."""
    first_rows, _ = _rows_of_images(caption_list)
    return _plan_of(caption_list, first_rows[:num_images], source)


def _rows_of_images(caption_list):
    """Of each image, the row of its first caption among all, and how many it has."""
    counts = np.array([len(captions) for captions in caption_list.captions])
    return np.cumsum(counts) - counts, counts


def _plan_of(caption_list, rows, source):
    captions = [caption for captions in caption_list.captions for caption in captions]
    _, counts = _rows_of_images(caption_list)
    class_ids = np.repeat(caption_list.class_ids, counts)
    return CaptionPlan(captions, class_ids, rows, source, caption_list.named_values())


def match_captions(
    texts: Sequence[str],
    class_ids: Sequence[int | None],
    pool: CaptionPlan | None,
    source: dict,
) -> CaptionPlan:
    """Plans images that came with one caption each, such as a folder of saved pictures.

    Args:
        texts: The caption of each image.
        class_ids: What each image shows, an int; None where not known. The class is then that of
            the same text in the pool, else a new one, shared by equal texts.
        pool: The plan of the split that the captions are of; its captions are the wrong answers.
            None for those of the images themselves.
        source: See `CaptionPlan`.

    Returns:
        A `CaptionPlan`; captions that the pool lacks are added to it.
    """
    captions = list(pool.captions) if pool else []
    pool_classes = [int(number) for number in pool.class_ids] if pool else []
    given = [class_id for class_id in class_ids if class_id is not None]
    next_class = 1 + max([*pool_classes, *given], default=-1)
    known = {}

    def remember(text, class_id, row):
        known.setdefault((text, class_id), row)
        known.setdefault((text, None), row)

    for row, key in enumerate(zip(captions, pool_classes, strict=True)):
        remember(*key, row)
    rows = []
    for text, class_id in zip(texts, class_ids, strict=True):
        if (text, class_id) not in known:
            pool_classes.append(next_class if class_id is None else class_id)
            next_class += class_id is None
            remember(text, pool_classes[-1], len(captions))
            captions.append(text)
        rows.append(known[text, class_id])
    named = list(pool.named) if pool else []
    if named:
        named += [{}] * (len(captions) - len(named))
    return CaptionPlan(captions, np.array(pool_classes), np.array(rows), source, named)
