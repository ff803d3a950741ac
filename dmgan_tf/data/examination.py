"""Checks the records of one file, one by one, as training reads them."""

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from dmgan_tf.data import records
from dmgan_tf.data.augmentation import checked_jpeg, decode_jpeg
from dmgan_tf.data.record_file import find_records, read_runs

# Why a record cannot be used.
NO_FILE = "no file"
MISSING = "missing"
CHECKSUM = "checksum"
EXAMPLE = "no captioned image"
IMAGE = "broken image"
IMAGE_SIZE = "image of another size"
CAPTIONS = "no usable captions"


@dataclasses.dataclass(frozen=True)
class ReadableShard:
    """The records of one file that can be used.

    Args:
        file: Its name.
        num_first: How many from its beginning on, all of them in an undamaged file.
        others: Those after an unusable one, as runs: the byte at which one begins, and how many
            records it has.
    """

    file: str
    num_first: int
    others: tuple[tuple[int, int], ...] = ()

    @property
    def runs(self) -> list[tuple[int, int]]:
        """The argument of `record_file.read_runs`."""
        return [(0, self.num_first), *self.others]

    @property
    def num_records(self) -> int:
        """How many can be used."""
        return sum(count for _, count in self.runs)


@dataclasses.dataclass(frozen=True)
class RecordFacts:
    """What `dataset.json` and the report of a run count in a record."""

    num_words: tuple[int, ...]  # known ones, of each caption
    class_id: int
    file_name: bytes

    @property
    def num_captions(self) -> int:
        """How many captions it has."""
        return len(self.num_words)


@dataclasses.dataclass(frozen=True)
class ShardResult:
    """The result of checking the records of one file.

    Args:
        readable: Those that can be used.
        reasons: Why the others cannot, with their numbers.
        facts: Of each usable record, in order.
    """

    readable: ReadableShard
    reasons: collections.Counter
    facts: list[RecordFacts]


class Examiner:
    """Checks each record of a data set's files.

    A record is usable if its checksum is right, its image has a size that `prepare_data` writes and
    can be decoded, and its captions are text with a known word each. A file ends at a damaged
    header, a record's first twelve bytes: later records are not searched and count as missing.

    Args:
        info: The data set.

    Raises:
        InputError: If its vocabulary cannot be read.
    """

    def __init__(self, info: records.DatasetInfo):
        self._info = info
        self._vocabulary = info.vocabulary()
        self._view = _viewer(info.image_size, info.stored_size)

    def examine(
        self, shard: records.Shard, progress: Callable[[int], object] = lambda count: None
    ) -> ShardResult:
        """Returns the usable records of a shard, and why the others are not usable.

        Args:
            shard: The file, as `dataset.json` lists it.
            progress: Called with the number of records checked since the last call.

        Raises:
            InputError: If the file has more records than listed: it is another one.
        """
        path = self._info.directory / shard.file
        lost = MISSING
        try:
            starts, _ = find_records(path)
        except OSError as error:
            starts = []
            missing = isinstance(error, FileNotFoundError)
            lost = NO_FILE if missing else (error.strerror or str(error)).lower()
        num_listed, num_found = shard.num_images, len(starts)
        if num_found > num_listed:
            raise records.damaged_shard(self._info, shard, num_listed, f"{num_found} of them")
        verdicts = []
        for verdict in self._verdicts(path, starts):
            verdicts.append(verdict)
            progress(1)
        progress(num_listed - num_found)
        reasons = collections.Counter(v for v in verdicts if isinstance(v, str))
        reasons[lost] += num_listed - num_found
        facts = [verdict for verdict in verdicts if not isinstance(verdict, str)]
        return ShardResult(_readable(shard.file, starts, verdicts), +reasons, facts)

    def _verdicts(self, path: pathlib.Path, starts: Sequence[int]) -> Iterator[RecordFacts | str]:
        """Yields the facts of each record, or the reason why it cannot be used."""
        done = 0
        while done < len(starts):
            dataset = read_runs(str(path), [(starts[done], len(starts) - done)])
            dataset = dataset.map(self._view, tf.data.AUTOTUNE, deterministic=True)
            examples, is_reading = dataset.as_numpy_iterator(), True
            while is_reading and done < len(starts):
                try:
                    verdict = self._judged(next(examples))
                except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
                    # The second where TensorFlow's message quotes bytes of the record.
                    verdict = IMAGE if "jpeg" in str(error).lower() else EXAMPLE
                except tf.errors.OpError:
                    verdict, is_reading = CHECKSUM, False  # TensorFlow reads no further
                done += 1
                yield verdict
            # A new data set for every record of a badly damaged file would take hours.
            while done < len(starts) and not _is_sound(path, starts[done]):
                done += 1
                yield CHECKSUM

    def _judged(self, example: dict) -> RecordFacts | str:
        if not 0 <= example["class_id"] < 2**31:
            return EXAMPLE
        if not example["num_values"]:
            return IMAGE_SIZE
        try:
            captions = [caption.decode("utf-8") for caption in example["captions"]]
        except UnicodeDecodeError:
            return CAPTIONS
        num_words = tuple(map(self._num_known_words, captions))
        if not num_words or not all(num_words):
            return CAPTIONS
        return RecordFacts(num_words, int(example["class_id"]), bytes(example["file_name"]))

    def _num_known_words(self, caption: str) -> int:
        ids = map(self._vocabulary.id_of, self._vocabulary.split(caption))
        return sum(id_ is not None for id_ in ids)


@functools.cache
def _viewer(smallest: int, largest: int) -> Callable:
    """Returns a graph that parses an example and decodes its image, if its header is right."""

    def view(serialized):
        example = records.parse_example(serialized)
        jpeg = example.pop("image")
        shorter = tf.reduce_min(tf.io.extract_jpeg_shape(jpeg)[:2])
        fits = (shorter >= smallest) & (shorter <= largest)
        num_values = tf.cond(fits, lambda: tf.size(decode_jpeg(checked_jpeg(jpeg))), lambda: 0)
        return {**example, "num_values": num_values}

    return tf.function(view, input_signature=[tf.TensorSpec([], tf.string)])


def _readable(
    file: str, starts: Sequence[int], verdicts: Sequence[RecordFacts | str]
) -> ReadableShard:
    runs, follows = [(0, 0)], True
    for start, verdict in zip(starts, verdicts, strict=True):
        is_usable = not isinstance(verdict, str)
        if is_usable and not follows:
            runs.append((start, 0))
        if is_usable:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        follows = is_usable
    return ReadableShard(file, runs[0][1], tuple(runs[1:]))


def _is_sound(path: pathlib.Path, start: int) -> bool:
    try:
        _length_of_record(str(path), start)
    except tf.errors.OpError:
        return False
    return True


@tf.function(input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)])
def _length_of_record(path, start):
    return tf.strings.length(next(iter(read_runs(path, [(start, 1)]))))
