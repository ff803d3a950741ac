r"""The base of CUB and COCO: compares words, captions and counts with the release's.

Ids of one vocabulary in the embedding of another are wrong without an error, so a
`captions.pickle` is compared with the captions before 80,000 images are prepared. Words there are
runs of `\w`, of which only ASCII is kept.
"""

import dataclasses
import logging
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dmgan_tf.data.sources.account import FolderAccount
from dmgan_tf.data.sources.release_metadata import UNREADABLE_BYTES, kind_of, load_pickle
from dmgan_tf.data.sources.source import CaptionedImage, Source, unknown_words
from dmgan_tf.errors import InputError
from dmgan_tf.files import restricted_pickle
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import split_words

if TYPE_CHECKING:
    from dmgan_tf.data.records import DatasetInfo  # which imports TensorFlow

CAPTIONS_PICKLE = "captions.pickle"

_logger = logging.getLogger(__name__)
_DIFFERING_CAPTIONS = 0.01  # the fraction that may be due to another version of Unicode, or an edit


class PublishedSource(Source):
    """One of the paper's data sets on disk.

    Args:
        directory: The folder.
        test_fraction: Not used: both have a test split.

    Attributes:
        published_counts: Of each published split, how many images and classes it has; None for a
            data set without classes.
        lists: The file that lists the images of each split.
        in_release_order: Whether images and captions come in the order of `captions.pickle`.
    """

    small_images = "upscale"  # as the release does
    max_skipped_fraction = 0.0
    published_counts: Mapping[str, tuple[int, int | None]] = {}
    lists: Mapping[str, pathlib.Path] = {}
    in_release_order = True

    def account(self, splits: Mapping[str, Sequence[CaptionedImage]]) -> FolderAccount | None:
        """Returns how each file in the folder is used.

        Args:
            splits: The images of each split, as `read` gave them.
        """
        if self.vocabulary_file is not None:
            self.files_read.add(self.vocabulary_file)
        return super().account(splits)

    def fit_vocabulary(
        self,
        splits: Mapping[str, Sequence[CaptionedImage]],
        path: str | os.PathLike,
        vocabulary: Vocabulary,
    ) -> Mapping[str, Sequence[CaptionedImage]]:
        """Returns the images with captions that our tokenizer splits into the released words.

        Args:
            splits: The images of each split.
            path: The vocabulary's file: a `captions.pickle`, or one of ours.
            vocabulary: The vocabulary in it.

        Raises:
            InputError: If the file is the `captions.pickle` of another data set.
        """
        if all(word.isascii() for word in vocabulary.words):  # the release's always are
            splits = with_released_words(splits)
        with open(path, "rb") as file:
            is_pickle = restricted_pickle.begins_like_pickle(file.read(1))
        if not is_pickle:
            return super().fit_vocabulary(splits, path, vocabulary)
        problem = self._difference(splits, pathlib.Path(path), vocabulary)
        if problem is not None:
            raise self._another_data_set(path, problem)
        return splits

    def _difference(self, splits, path: pathlib.Path, vocabulary: Vocabulary) -> str | None:
        """Describes how a `captions.pickle` differs from this data set's; None if it does not.

        It contains the captions that it was made from, so these are compared, word for word, where
        the source has the same order. Else most words of the source must be known.
        """
        held = dict(zip(("train", "test"), load_pickle(path)[:2], strict=True))
        if not any(held.values()) or not self.in_release_order:
            return unknown_words(splits, vocabulary)
        for split, images in splits.items():
            ours = [(image, caption) for image in images for caption in image.captions]
            if type(held[split]) is not list or len(held[split]) != len(ours):
                what = f"{kind_of(held[split])} for {split}"
                return f"{what}, where {self.lists[split]} gives {len(ours)}"
            differing = [
                f"that of {image.file_name}, {caption[:80]!r}"
                for ids, (image, caption) in zip(held[split], ours, strict=True)
                if ids != [vocabulary.id_of(word) for word in vocabulary.split(caption)]
            ]
            what = f"{len(differing)} of {len(ours)} captions, the first {(differing or [''])[0]}"
            if len(differing) > _DIFFERING_CAPTIONS * len(ours):
                return f"other words in {what}"
            if differing:
                _logger.warning(
                    "%s has other words in %s; those of the source are used.", *(path, what)
                )
        return None

    def _another_data_set(self, path: str | os.PathLike, what: str) -> InputError:
        if pathlib.Path(path) != self.vocabulary_file:
            advice = (
                "Choose with --vocabulary the one in the archive of the images' lists, or the "
                "vocabulary.txt of an encoder; or leave the flag out."
            )
        else:
            advice = (
                "Take it from the archive of the images' lists, move it away to collect a "
                "vocabulary from the captions, or give --vocabulary=FILE of an encoder."
            )
        return InputError(
            f"Expected the {CAPTIONS_PICKLE} of this data set in {path}. Received: {what}. {advice}"
        )

    def compare(
        self, splits: Mapping[str, Sequence[CaptionedImage]], info: "DatasetInfo"
    ) -> str | None:
        """Returns how the data set's numbers differ from the published ones, and why.

        Args:
            splits: The images of each split, as `read` gave them.
            info: The `records.DatasetInfo` of what was prepared.
        """
        lines = []
        for split, (num_images, num_classes) in self.published_counts.items():
            # No class is in two of those that a published split became.
            names = ["train", "validation"] if split == "train" else [split]
            parts = {name: info.splits[name] for name in names if name in info.splits}
            stored = sum(part.num_images for part in parts.values())
            classes, listed = sum(part.num_classes for part in parts.values()), len(splits[split])
            reasons = []
            if listed != num_images:
                reasons.append(_explain_listed(listed, num_images, self.lists[split]))
            if stored != listed:
                skipped = f"{listed - stored:,} of the listed were skipped"
                reasons.append(f"{skipped}, and skipped.txt says why")
            if num_classes is not None and classes != num_classes:
                reasons.append(f"{classes:,} classes remain of {num_classes:,}")
            what = "differs: " + "; ".join(reasons) if reasons else "as here"
            lines.append(f"  {' and '.join(parts)}: {num_images:,} images are published; {what}")
        train, test = ({image.class_id for image in splits[name]} for name in ("train", "test"))
        if train & test:
            lines.append(
                f"  {len(train & test)} classes are in both splits, which are disjoint in the "
                "paper: scores will not be comparable"
            )
        return "\n".join(lines)


def _explain_listed(listed: int, published: int, path: pathlib.Path) -> str:
    """Explains why a list may be longer or shorter than the published one, and what to check."""
    if listed < published:
        cause = "it was shortened, is of another split, or its archive leaves images out"
    else:
        cause = "images were added, or it is of another split"
    return (
        f"{path} lists {listed:,}: {cause} (compare it with a fresh copy; scores on another list "
        "are not comparable)"
    )


def split_as_released(caption: str) -> list[str]:
    r"""Splits a caption into words as AttnGAN's and DM-GAN's code does.

    Lower case; runs of `\w` in the Unicode sense; other characters than ASCII are then dropped.
    Joined by spaces, these words are unchanged by our tokenizer.

    Args:
        caption: Any text.

    Returns:
        The words in order; empty if there is none.

    Example:

    >>> split_as_released("A fa\u00e7ade\ufffd\ufffds BIRD.")
    ['a', 'faade', 's', 'bird']
    """
    words = re.findall(r"\w+", caption.replace(UNREADABLE_BYTES, " ").lower())
    kept = (word.encode("ascii", "ignore").decode("ascii") for word in words)
    return [word for word in kept if word]


def with_released_words(
    splits: Mapping[str, Sequence[CaptionedImage]],
) -> dict[str, list[CaptionedImage]]:
    """Replaces captions by their released words, joined by spaces, where ours differ.

    A caption in which our tokenizer finds the released words stays unchanged, for people and for
    other models.
    """

    def released(caption):
        words = split_as_released(caption)
        return caption if split_words(caption) == words else " ".join(words)

    return {
        split: [
            dataclasses.replace(image, captions=tuple(map(released, image.captions)))
            for image in images
        ]
        for split, images in splits.items()
    }
