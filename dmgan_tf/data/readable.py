"""Checks before training which records of a prepared data set are readable.

A disk, a copy or a download damages a few records in millions, and must not end a run of days. So
every record is read once: those that fail their checksum, or that training could not use, are
counted, named and skipped. Nothing else changes: an epoch keeps its length.
"""

import collections
import contextlib
import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping

import tensorflow as tf

from dmgan_tf.data import records
from dmgan_tf.data.examination import Examiner, ReadableShard, RecordFacts
from dmgan_tf.errors import InputError
from dmgan_tf.process.progress import progress_bar

_logger = logging.getLogger(__name__)
_FILES_SHOWN = 4
_QUIET_SECONDS = 3  # a scan shorter than that needs no progress bar

# TensorFlow's exceptions for a damaged record, for too few of them, for a file that cannot be read,
# and for the content of records; the last where its message quotes their bytes.
_READING_FAILED = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnknownError,
    tf.errors.InvalidArgumentError,
    UnicodeDecodeError,
)


@dataclasses.dataclass(frozen=True)
class ReadableRecords:
    """The records of a split that can be used.

    Args:
        split: `train`, `validation` or `test`.
        num_listed: How many `dataset.json` lists.
        shards: Every shard, in stored order.
        unreadable: How many records of a file cannot be used, by file name and reason.
        caption_lengths: How many captions there are, by their number of known words.
    """

    split: str
    num_listed: int
    shards: tuple[ReadableShard, ...]
    unreadable: dict[tuple[str, str], int]
    caption_lengths: Mapping[int, int] = dataclasses.field(default_factory=dict)

    @property
    def num_records(self) -> int:
        """How many can be used."""
        return sum(shard.num_records for shard in self.shards)

    @property
    def num_skipped(self) -> int:
        """How many cannot."""
        return self.num_listed - self.num_records

    @property
    def digest(self) -> str:
        """A hash of the usable records: equal if batches are equal, for example on two machines."""
        content = [self.split, self.num_listed, [dataclasses.astuple(s) for s in self.shards]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def summary(self) -> str:
        """Returns one line for a log: the number of records, and why others were skipped."""
        if not self.num_skipped:
            return f"all {self.num_listed} records of {self.split!r} are readable"
        return (
            f"{self.num_skipped} of {self.num_listed} records of {self.split!r} are unreadable and "
            f"skipped: {_listed(self.unreadable)}"
        )


def scan_split(
    info: records.DatasetInfo, split: str, max_skipped_fraction: float = 0.01
) -> ReadableRecords:
    """Reads every record of a split and finds those that training can use.

    A usable record has a right checksum, a JPEG that can be decoded and has a size that
    `prepare_data` writes (headers are checked first, so none allocates too much memory), and
    captions with a known word each. Skipped records are logged in one warning.

    Args:
        info: The data set.
        split: `train`, `validation` or `test`.
        max_skipped_fraction: More skipped records than this fraction of those listed are an error,
            in [0, 1]; 0 for a split that is scored, where each counts.

    Returns:
        The argument `readable` of `pipeline.training_dataset`.

    Raises:
        InputError: If more records are unusable, or all, or if they are not those that
            `dataset.json` describes: a shard may be a copy of another, or of another data set.
    """
    if not 0 <= max_skipped_fraction <= 1:
        raise InputError(
            f"Expected a fraction of skipped records in [0, 1]. Received: {max_skipped_fraction}."
        )
    listed = info.split(split)
    examiner = Examiner(info)
    bar = progress_bar(
        listed.num_images, "record", f"checking {split}", delay=_QUIET_SECONDS, leave=False
    )
    with bar:
        results = [examiner.examine(shard, bar.update) for shard in listed.shards]
    unreadable = {
        (result.readable.file, reason): count
        for result in results
        for reason, count in result.reasons.items()
    }
    shards = tuple(result.readable for result in results)
    facts = [one for result in results for one in result.facts]
    lengths = collections.Counter(number for one in facts for number in one.num_words)
    readable = ReadableRecords(split, listed.num_images, shards, unreadable, lengths)
    skipped = readable.num_skipped
    if skipped == listed.num_images or skipped > max_skipped_fraction * listed.num_images:
        raise InputError(
            f"Expected at most {max_skipped_fraction:.3%} of the records of {split!r} in "
            f"{info.directory} to be unreadable. Received: {skipped} of {listed.num_images}: "
            f"{_listed(readable.unreadable)}. Restore the files, or prepare the data set again "
            "with --overwrite; for a few in a training split, raise --max_skipped_fraction."
        )
    _check_described(info, split, facts, skipped)
    if skipped:
        _logger.warning("%s: %s", info.directory, readable.summary())
    return readable


def find_damage(
    info: records.DatasetInfo, splits: Iterable[str], readable: ReadableRecords | None = None
) -> InputError | None:
    """Finds the shard that made reading fail.

    Args:
        info: The data set.
        splits: Which splits to check, in this order.
        readable: The usable records of one of them when the run began; all of the others had to be.

    Returns:
        An error that names the first shard whose usable records have changed; None if there is
        none.
    """
    examiner = Examiner(info)
    expected = {shard.file: shard for shard in readable.shards} if readable else {}
    for shard in (shard for name in splits for shard in info.splits[name].shards):
        before = expected.get(shard.file, ReadableShard(shard.file, shard.num_images))
        result = examiner.examine(shard)
        if result.readable != before:
            reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(result.reasons.items()))
            problem = f"{result.readable.num_records} of them ({reasons or 'other ones'})"
            return records.damaged_shard(info, shard, before.num_records, problem)
    return None


def _check_described(
    info: records.DatasetInfo, split: str, facts: list[RecordFacts], skipped: int
) -> None:
    """Raises an error for readable records that are not those of this data set."""
    listed = info.split(split)
    captions = sum(one.num_captions for one in facts)
    classes = len({one.class_id for one in facts})
    repeated = len(facts) - len({one.file_name for one in facts})
    too_many = captions > listed.num_captions - skipped or classes > listed.num_classes
    too_few = not skipped and (captions, classes) != (listed.num_captions, listed.num_classes)
    if repeated or too_many or too_few:
        raise InputError(
            f"Expected {listed.num_captions} captions of {listed.num_classes} classes in {split!r} "
            f"of {info.directory}, as {records.INFO_FILE} says, and every image once. Received: "
            f"{captions} of {classes}, {repeated} images twice. A shard is another's copy, or of "
            "another data set. Restore it, or prepare the data set again with --overwrite."
        )


def _listed(unreadable: dict[tuple[str, str], int]) -> str:
    parts = [f"{count} in {file} ({reason})" for (file, reason), count in unreadable.items()]
    others = len(parts) - _FILES_SHOWN
    return ", ".join(parts[:_FILES_SHOWN]) + (f" and {others} more" if others > 0 else "")


@contextlib.contextmanager
def reading(
    info: records.DatasetInfo, readable: ReadableRecords | None = None, split: str | None = None
) -> Iterator[None]:
    """Converts a failure to read a damaged shard to an `InputError` that names it.

    A shard is read long after its data set was built, and TensorFlow's error names neither the file
    nor a solution. Put the loop over the batches, or the `fit`, into this context.

    Args:
        info: The data set whose shards are read.
        readable: The `ReadableRecords` that are read; None if every record is.
        split: The split that is read; None if it may be any.

    Raises:
        InputError: If reading failed and a shard is damaged.
    """
    try:
        yield
    except _READING_FAILED as error:
        is_of_network = "IteratorGetNext" not in str(error)
        if isinstance(error, tf.errors.InvalidArgumentError) and is_of_network:
            raise
        first = readable.split if readable else None
        splits = [split] if split else sorted(info.splits, key=lambda name: name != first)
        damage = find_damage(info, splits, readable)
        if damage is not None:
            raise damage from error
        raise
