"""Whether a vocabulary is that of the data set it is used with.

Ids of one vocabulary looked up in the embedding of another give fluent nonsense, so this is asked
before 80,000 images are prepared.
"""

import collections
import logging
import os
import pathlib
from collections.abc import Mapping, Sequence

from dmgan_tf.data.sources.image_folder import CaptionedImage
from dmgan_tf.data.sources.release_metadata import (
    CAPTIONS_PICKLE,
    SPLITS,
    PublishedSource,
    kind_of,
    load_pickle,
)
from dmgan_tf.errors import InputError
from dmgan_tf.files import restricted_pickle
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import split_words

_logger = logging.getLogger(__name__)
_DIFFERING_CAPTIONS = 0.01  # the fraction that may be due to another version of Unicode, or an edit
_UNKNOWN_WORDS = 0.05  # the fraction that names and slips of the pen may make up


def is_pickle(path: str | os.PathLike) -> bool:
    """Whether a vocabulary's file is a `captions.pickle`, and no text."""
    with open(path, "rb") as file:
        return restricted_pickle.begins_like_pickle(file.read(1))


def check_captions_pickle(
    path: str | os.PathLike,
    source: PublishedSource,
    vocabulary: Vocabulary,
    *,
    given: bool = False,
) -> None:
    """Raises an error if a `captions.pickle` is that of another data set.

    It holds the captions that it was made from, so these are compared, word for word, where the
    source comes in the same order. Else most words of the source must be known.

    Args:
        path: The `captions.pickle`.
        source: The data set, its captions as `with_released_words` gives them.
        vocabulary: The vocabulary in the pickle.
        given: Whether the file was chosen by `--vocabulary` and not found; for the advice.

    Raises:
        InputError: If they do not belong together.
    """
    path = pathlib.Path(path)
    held = dict(zip(SPLITS, load_pickle(path)[:2], strict=True))
    if not any(held.values()) or not source.in_release_order:
        unknown = _unknown_words(source.splits, vocabulary)
        if unknown is not None:
            raise _another_data_set(path, unknown, given)
        return
    for split, images in source.splits.items():
        count = sum(len(image.captions) for image in images)
        if type(held[split]) is not list or len(held[split]) != count:
            what = f"{kind_of(held[split])} for {split}, where {source.origin} gives {count}"
            raise _another_data_set(path, what, given)
        _check_same_captions(path, held[split], images, vocabulary, given)


def warn_of_unknown_words(
    path: str | os.PathLike,
    splits: Mapping[str, Sequence[CaptionedImage]],
    vocabulary: Vocabulary,
) -> None:
    """Logs a warning if a vocabulary lacks many of the words of a data set.

    It may be that of another one. It may also be chosen on purpose, so this is no error.

    Args:
        path: The vocabulary's file.
        splits: The images of each split.
        vocabulary: The vocabulary in it.
    """
    unknown = _unknown_words(splits, vocabulary)
    if unknown is not None:
        _logger.warning(
            "The vocabulary %s may be that of another data set: %s. Such words are left out.",
            *(path, unknown),
        )


def _check_same_captions(path, held, images, vocabulary, given) -> None:
    ours = ((image, caption) for image in images for caption in image.captions)
    differing, first = 0, None
    for ids, (image, caption) in zip(held, ours, strict=True):
        if ids != [vocabulary.id_of(word) for word in split_words(caption)]:
            differing += 1
            first = first or f"that of {image.file_name}, {caption[:80]!r}"
    if differing > _DIFFERING_CAPTIONS * len(held):
        what = f"other words in {differing} of {len(held)} captions, the first {first}"
        raise _another_data_set(path, what, given)
    if differing:
        _logger.warning(
            "%s has other words in %d of %d captions, the first %s; those of the source are used.",
            *(path, differing, len(held), first),
        )


def _unknown_words(splits, vocabulary) -> str | None:
    """Says how many of the captions' words are unknown, if that is more than a few."""
    counts = collections.Counter(
        word
        for images in splits.values()
        for image in images
        for caption in image.captions
        for word in split_words(caption)
    )
    unknown = [(count, word) for word, count in counts.items() if vocabulary.id_of(word) is None]
    fraction = sum(count for count, _ in unknown) / max(counts.total(), 1)
    if fraction <= _UNKNOWN_WORDS:
        return None
    return f"{fraction:.0%} of the captions' words are not in it, such as {max(unknown)[1]!r}"


def _another_data_set(path, what: str, given: bool) -> InputError:
    if given:
        advice = (
            "Choose with --vocabulary the one in the archive of the images' lists, or the "
            "vocabulary.txt of an encoder; or leave the flag out."
        )
    else:
        advice = (
            "Take it from the archive of the images' lists, move it away to collect a vocabulary "
            "from the captions, or give --vocabulary=FILE of an encoder."
        )
    return InputError(
        f"Expected the {CAPTIONS_PICKLE} of this very data set in {path}. Received: {what}. "
        f"{advice}"
    )
