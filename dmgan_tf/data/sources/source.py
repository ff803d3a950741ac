"""The base class of sources of captioned images: images by split, and their metadata.

Another kind of source is one class; see docs/extending.md. No module here imports TensorFlow, so
that a command reports wrong flags at once.
"""

import abc
import collections
import dataclasses
import functools
import hashlib
import logging
import os
import pathlib
import stat
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dmgan_tf.data.sources.account import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from dmgan_tf.data.sources.account import FolderAccount, account_for
from dmgan_tf.errors import InputError
from dmgan_tf.files.folder_listing import FolderListing, list_folder
from dmgan_tf.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from dmgan_tf.data.records import DatasetInfo  # which imports TensorFlow

SPLITS = ("train", "validation", "test")
SMALL_IMAGE_CHOICES = ("error", "skip", "upscale")  # how to treat one smaller than requested

_MOST_CLASSES = 2**31  # in training they are 32-bit numbers
_MOST_BYTES = 2**29  # of a file; the most pixels accepted, uncompressed, need less
_UNKNOWN_WORDS = 0.05  # the fraction that may be names and misspellings
_logger = logging.getLogger(__name__)


class Unusable(Exception):
    """Why an image is unusable: it is skipped, counted and named.

    Args:
        reason: One of a few texts, by which images are counted.
        detail: The exact problem.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclasses.dataclass(frozen=True)
class CaptionedImage:
    """One image of a source, a file; a subclass may define another `read`.

    Args:
        path: The path of the image; None where `read` needs no file.
        file_name: Its name for messages and records, relative to the source; unique.
        captions: Its captions as found; possibly empty ones.
        class_id: What the image shows, 0 or more; images of one class match one another's
            captions. None if the source does not say.
        box: The bounding box of what the image shows: left, top, width and height in whole pixels.
            The image is cropped around it. None to keep all of the image.
        attributes: Its visible attributes, as pairs of an attribute and its value, `("hair",
            "long")`; empty if not known.
        named: The names of the attributes that each caption names, in the order of `captions`;
            empty without `attributes`.
    """

    path: pathlib.Path | None
    file_name: str
    captions: tuple[str, ...]
    class_id: int | None
    box: tuple[int, int, int, int] | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    named: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self):
        known = {name for name, _ in self.attributes}
        wrong = sorted({name for names in self.named for name in names} - known)
        wrong += [name for name in sorted(known) if "=" in name or name.split() != [name]]
        if wrong:  # records would hold it in another form
            raise InputError(
                f"Expected attributes without spaces and = in their names, and captions that name "
                f"no others, of {self}. Received: {wrong[0]!r}. Correct the source."
            )

    def __str__(self):
        return str(self.path or self.file_name)

    def read(self) -> bytes:
        """Returns the bytes of an image file, of one of `picture_file.FORMATS`.

        Raises:
            Unusable: If it cannot be read.
        """
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would block
                raise Unusable("broken image", "not a file")
            if status.st_size > _MOST_BYTES:
                raise Unusable("too large a file", f"{status.st_size} bytes")
            return self.path.read_bytes()
        except FileNotFoundError:
            raise Unusable("missing image", "no such file") from None
        except OSError as error:
            raise Unusable("broken image", str(error)) from error

    def version(self) -> Hashable | None:
        """Returns a value that shows changes, without reading the image; None if it is missing.

        A JSON value: here the size of the file in bytes.
        """
        try:
            return self.path.stat().st_size
        except OSError:
            return None


class Source(abc.ABC):
    """Captioned images in a layout of a folder, or drawn: one class for each layout.

    A subclass lists its images. Further arguments of its constructor can be given on the command
    line: `--dataset='module:Class(argument=value)'`; one without a folder leaves `directory` out.

    Args:
        directory: The folder.
        test_fraction: The fraction of classes, or images, that become test images if the source
            has no such split of its own; 0 or more, below 1.

    Attributes:
        small_images: How to treat an image smaller than requested, by default.
        max_skipped_fraction: The fraction of images that may be unusable, by default.
        vocabulary_file: The vocabulary in the source; None if there is none.
        attribution: Sentences that credit the makers of the images.

    Raises:
        InputError: If there is no such folder, or the fraction is out of range.
    """

    small_images = "error"
    max_skipped_fraction = 0.1
    vocabulary_file: pathlib.Path | None = None
    attribution: tuple[str, ...] = ()

    def __init__(self, directory: str | os.PathLike, test_fraction: float = 0.1):
        self.directory = pathlib.Path(directory)
        self.test_fraction = test_fraction
        if not self.directory.is_dir():
            raise InputError(f"Expected a folder of images at {directory}. Received: no folder.")
        check_test_fraction(test_fraction)

    @functools.cached_property
    def files_read(self) -> set[pathlib.Path]:
        """The files of captions and lists that were read; `list_images` adds its own."""
        return set()

    @functools.cached_property
    def reasons(self) -> dict[pathlib.Path, str]:
        """Why a file is not used, where its name does not show it; filled by `list_images`."""
        return {}

    @functools.cached_property
    def listing(self) -> FolderListing:
        """The content of the folder, listed once."""
        return list_folder(self.directory)

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.directory.resolve().name

    @abc.abstractmethod
    def list_images(self) -> dict[str, list[CaptionedImage]]:
        """Returns the images of `train` and, where the source has them, `validation` and `test`.

        Raises:
            InputError: If the source cannot be read.
        """

    def read(self) -> dict[str, list[CaptionedImage]]:
        """Returns the images by split, with a test split and every image with a class.

        Without a test split, a part of `train` is held out, by a hash and so always the same: by
        class if classes are given, so that the test classes are unseen, as in CUB; else by image.
        An image without a class gets a new one.

        Returns:
            The images of `train`, of `validation` if the source has it, and of `test`, in the order
            of the source.

        Raises:
            InputError: If the source cannot be read.
        """
        splits = self.list_images()
        names = collections.Counter(i.file_name for images in splits.values() for i in images)
        name, times = max(names.items(), key=lambda item: item[1], default=("", 0))
        if times > 1:
            raise InputError(
                f"Expected every image of {self.name} once, its captions in one place. Received: "
                f"{name[:80]!r} {times} times. Correct the list, or get it again."
            )
        if "test" not in splits:
            splits |= _divide(splits["train"], self.test_fraction)
        return _with_classes({name: splits[name] for name in SPLITS if name in splits})

    def account(self, splits: Mapping[str, Sequence[CaptionedImage]]) -> FolderAccount | None:
        """Returns how each file in the folder is used; None for a source without one.

        Args:
            splits: The images of each split, as `read` gave them.
        """
        if getattr(self, "directory", None) is None:
            return None
        located = [
            (image.file_name, image.path)
            for images in splits.values()
            for image in images
            if image.path is not None
        ]
        return account_for(self.listing, located, self.files_read, self.reasons)

    def fit_vocabulary(
        self,
        splits: Mapping[str, Sequence[CaptionedImage]],
        path: str | os.PathLike,
        vocabulary: Vocabulary,
    ) -> Mapping[str, Sequence[CaptionedImage]]:
        """Returns the images for a vocabulary that is not collected from their captions.

        It may be that of another data set: where it lacks many words, a warning says so.

        Args:
            splits: The images of each split.
            path: The vocabulary's file.
            vocabulary: The vocabulary in it.

        Raises:
            InputError: If the two do not match.
        """
        unknown = unknown_words(splits, vocabulary)
        if unknown is not None:
            _logger.warning(
                "The vocabulary %s may be that of another data set: %s. Such words are dropped.",
                *(path, unknown),
            )
        return splits

    def compare(
        self, splits: Mapping[str, Sequence[CaptionedImage]], info: "DatasetInfo"
    ) -> str | None:
        """Returns how a prepared data set differs from the published one; None if there is none.

        Args:
            splits: The images of each split, as `read` gave them.
            info: The `records.DatasetInfo` of what was prepared.
        """
        return None


def check_test_fraction(fraction: float) -> None:
    """Raises an `InputError` unless the fraction is in [0, 1)."""
    if not 0 <= fraction < 1:
        raise InputError(f"Expected a test fraction in [0, 1). Received: {fraction}.")


def unknown_words(
    splits: Mapping[str, Sequence[CaptionedImage]], vocabulary: Vocabulary
) -> str | None:
    """Returns a text on the captions' unknown words, if they are more than a few."""
    counts = collections.Counter(
        word
        for images in splits.values()
        for image in images
        for caption in image.captions
        for word in vocabulary.split(caption)
    )
    unknown = [(count, word) for word, count in counts.items() if vocabulary.id_of(word) is None]
    fraction = sum(count for count, _ in unknown) / max(counts.total(), 1)
    if fraction <= _UNKNOWN_WORDS:
        return None
    return f"{fraction:.0%} of the captions' words are not in it, such as {max(unknown)[1]!r}"


def class_name(class_id: int) -> str:
    """Returns the name of a class where classes are held out."""
    return f"class {class_id}"


def first_by_hash(names: Iterable[str], count: int) -> set[str]:
    """Returns `count` of the names, independent of their order."""
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def _divide(images: list[CaptionedImage], test_fraction: float) -> dict[str, list[CaptionedImage]]:
    def group_of(image):
        return image.file_name if image.class_id is None else class_name(image.class_id)

    groups = {group_of(image) for image in images}
    count = min(round(len(groups) * test_fraction), len(groups) - 1)
    if test_fraction > 0 and len(groups) > 1:
        count = max(count, 1)
    held_out = first_by_hash(groups, count)
    splits = {"train": [], "test": []}
    for image in images:
        splits["test" if group_of(image) in held_out else "train"].append(image)
    return splits


def _with_classes(splits: dict[str, list[CaptionedImage]]) -> dict[str, list[CaptionedImage]]:
    """Gives every image without a class a new one."""
    given = [image.class_id for images in splits.values() for image in images]
    next_id = max((class_id for class_id in given if class_id is not None), default=-1) + 1
    if next_id + given.count(None) > _MOST_CLASSES:
        raise InputError(
            f"Expected class ids that leave numbers below {_MOST_CLASSES} for the "
            f"{given.count(None)} images without one. Received: {next_id - 1} as the largest. Give "
            "every image a class_id, or smaller ones."
        )
    free = iter(range(next_id, _MOST_CLASSES))
    return {
        name: [
            image if image.class_id is not None else dataclasses.replace(image, class_id=next(free))
            for image in images
        ]
        for name, images in splits.items()
    }
