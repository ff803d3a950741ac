"""Accounts for every file in the folder of a source, so that none is lost unnoticed.

Each entry of the folder is an image of a split, a file that captions were read from, skipped for a
reason, or ignored; the numbers add up.
"""

import collections
import dataclasses
import logging
import os
import pathlib
from collections.abc import Collection, Iterable, Mapping

from dmgan_tf.files.folder_listing import FolderListing

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}
)
CAPTION_SUFFIXES = (".txt", ".caption")  # of a file beside an image; the first has priority
NOT_LISTED_IMAGE = "image that no list names"
NOT_LISTED_CAPTIONS = "text file of no listed image"
NOT_USED = "neither an image nor captions"
UNREAD_FORMAT = "image of a format that is not read"

_UNREAD_SUFFIXES = frozenset(
    {".heic", ".heif", ".jxl", ".jp2", ".svg", ".tga", ".ico", ".psd", ".dng", ".cr2", ".nef"}
)
_NAMES_SHOWN = 3
_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FolderAccount:
    """The files in the folder of a source, before its images are opened.

    Args:
        images: The names of the images in the folder, relative to the source.
        captions: How many files captions, or lists of images, were read from.
        skipped: The name and the reason of each entry that is not used.
        not_looked_at: How many entries were ignored, by kind.
    """

    images: frozenset[str]
    captions: int
    skipped: tuple[tuple[str, str], ...]
    not_looked_at: Mapping[str, int]

    def warn(self) -> None:
        """Logs the names of unused files, in one warning for each reason."""
        names_of = collections.defaultdict(list)
        for name, reason in self.skipped:
            names_of[reason].append(name)
        for reason, names in sorted(names_of.items()):
            others = len(names) - _NAMES_SHOWN
            more = f" and {others} more" if others > 0 else ""
            shown = ", ".join(map(repr, names[:_NAMES_SHOWN]))
            _logger.warning("Skipped %d, %s: %s%s", *(len(names), reason, shown, more))

    def counts(self, lost: Mapping[str, str]) -> "FolderCounts":
        """Returns the numbers, once the images are opened.

        Args:
            lost: The reason by the name of every image that was not stored.
        """
        reasons = collections.Counter(lost[name] for name in self.images if name in lost)
        return self.counts_with(len(self.images) - reasons.total(), dict(sorted(reasons.items())))

    def counts_with(self, images: int, images_skipped: Mapping[str, int]) -> "FolderCounts":
        """Returns the numbers, with those of images from an earlier run."""
        skipped = collections.Counter(reason for _, reason in self.skipped)
        return FolderCounts(
            images=images,
            images_skipped=dict(images_skipped),
            captions=self.captions,
            others_skipped=dict(sorted(skipped.items())),
            not_looked_at=dict(self.not_looked_at),
        )


@dataclasses.dataclass(frozen=True)
class FolderCounts:
    """The numbers of used, skipped and ignored entries of the source's folder, in `dataset.json`.

    Args:
        images: Those that were stored as images.
        images_skipped: Images of the source that were not stored, by reason.
        captions: Files that captions, or lists of images, were read from.
        others_skipped: All other files that were not used, by reason.
        not_looked_at: Ignored hidden files and leftovers of other programs, by kind.
    """

    images: int
    images_skipped: dict[str, int]
    captions: int
    others_skipped: dict[str, int]
    not_looked_at: dict[str, int]

    @property
    def total(self) -> int:
        """How many entries the folder has; its sub-folders do not count."""
        parts = (self.images_skipped, self.others_skipped, self.not_looked_at)
        return self.images + self.captions + sum(sum(part.values()) for part in parts)

    def __str__(self):
        skipped = sum(self.images_skipped.values()) + sum(self.others_skipped.values())
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.not_looked_at.items())
        return (
            f"{self.total} files: {self.images} images and {self.captions} files of captions used, "
            f"{skipped} skipped, {sum(self.not_looked_at.values())} ignored"
            + (f" ({kinds})" if kinds else "")
        )


def account_for(
    listing: FolderListing,
    images: Iterable[tuple[str, pathlib.Path]],
    captions: Collection[pathlib.Path],
    reasons: Mapping[pathlib.Path, str],
) -> FolderAccount:
    """Returns how each entry of a folder is used.

    Args:
        listing: The entries.
        images: The name and the path of every image that the source lists.
        captions: The files that it has read.
        reasons: Why it does not use a file, where the file's name does not show it.
    """
    name_of = {os.path.abspath(path): name for name, path in images}
    read = {os.path.abspath(path) for path in captions}
    entries = {os.path.abspath(path): path for path in listing}
    skipped = []
    not_looked_at = collections.Counter()
    for location, path in entries.items():
        if location in name_of or location in read:
            continue
        if path in listing.not_looked_at:
            not_looked_at[listing.not_looked_at[path]] += 1
        else:
            reason = listing.refused.get(path) or reasons.get(path) or reason_by_name(path)
            skipped.append((path.relative_to(listing.root).as_posix(), reason))
    used = entries.keys() & name_of.keys()
    return FolderAccount(
        images=frozenset(name_of[location] for location in used),
        captions=len(entries.keys() & read - used),
        skipped=tuple(skipped),
        not_looked_at=dict(sorted(not_looked_at.items())),
    )


def reason_by_name(path: pathlib.Path) -> str:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return NOT_LISTED_IMAGE
    if suffix in CAPTION_SUFFIXES:
        return NOT_LISTED_CAPTIONS
    return UNREAD_FORMAT if suffix in _UNREAD_SUFFIXES else NOT_USED
