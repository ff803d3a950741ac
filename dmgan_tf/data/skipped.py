"""What a preparation skips: named in a file, counted, and an error if too much."""

import collections
import dataclasses
import logging
import pathlib
import re
from collections.abc import Iterable, Sequence

from dmgan_tf.data import records
from dmgan_tf.data.sources.account import FolderAccount
from dmgan_tf.errors import InputError
from dmgan_tf.files import atomic

SKIPPED_FILE = "skipped.txt"
EMPTY_CAPTION = "empty caption"
UNKNOWN_CAPTION = "caption without a known word"
NO_CAPTION = "no caption"
# Depends on the captions and the vocabulary only, so it is unchanged if the fingerprint is.
CAPTION_REASONS = frozenset({EMPTY_CAPTION, UNKNOWN_CAPTION, NO_CAPTION})

_ENTRIES_SHOWN = 20
_SHOWN = 200  # characters of a name or a caption
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_logger = logging.getLogger(__name__)


def lost_images(skipped: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Returns the entries of whole images; others are of single captions."""
    return [entry for entry in skipped if entry[1] not in (EMPTY_CAPTION, UNKNOWN_CAPTION)]


def with_files_of_today(
    finished: records.DatasetInfo, account: FolderAccount | None
) -> records.DatasetInfo:
    """Returns the description of a complete data set, with the other files now in its source."""
    if account is None or finished.files is None:
        return finished
    before = finished.files
    files = account.counts_with(before.images, before.images_skipped)
    skipped = collections.Counter(finished.skipped)
    skipped.subtract(before.others_skipped)
    skipped.update(files.others_skipped)
    return dataclasses.replace(finished, files=files, skipped=dict(sorted((+skipped).items())))


def report_skipped(
    skipped: Sequence[Sequence[str]],
    others: Sequence[tuple[str, str]],
    total: int,
    max_fraction: float,
    output: pathlib.Path,
) -> None:
    """Reports what was skipped, and raises an error if it is too many images.

    Args:
        skipped: Name, reason and detail of each image and caption.
        others: Name and reason of each file of the source that is neither.
        total: How many images the source has.
        max_fraction: The fraction of them that may be skipped.
        output: The directory of the data set.

    Raises:
        InputError: If more are, or all.
    """
    skipped = [[_in_one_line(part) for part in entry] for entry in skipped]
    lines = ["\t".join(entry) for entry in skipped]
    lines += ["\t".join(map(_in_one_line, entry)) for entry in others]
    path = output / SKIPPED_FILE
    if lines:
        atomic.write_text(path, "".join(f"{line}\n" for line in lines))
    else:
        path.unlink(missing_ok=True)  # of a run before the source was repaired
    for entry in skipped[:_ENTRIES_SHOWN]:
        _logger.warning("Skipped %s: %s (%s)", *(part[:_SHOWN] for part in entry))
    if len(skipped) > _ENTRIES_SHOWN:
        _logger.warning("... and %d more; all in %s", len(skipped) - _ENTRIES_SHOWN, path)
    lost = lost_images(skipped)
    if len(lost) == total or len(lost) > max_fraction * total:
        raise InputError(
            f"Expected at most {max_fraction:.1%} of the images to be unusable. Received: "
            f"{len(lost)} of {total}, the first {lost[0][0]} ({lost[0][1]}); all are in {path}. "
            "Repair the source and start again with --overwrite, or raise --max_skipped_fraction."
        )


def _in_one_line(text: str) -> str:
    """Replaces line ends, terminal control characters, and names' bytes that are not UTF-8."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL_CHARACTER.sub(lambda match: repr(match[0])[1:-1], " ".join(text.split()))
