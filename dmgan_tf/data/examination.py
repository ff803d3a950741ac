"""Whether the records of one file can be used, looked at one by one as training will."""

import collections
import dataclasses
import functools
from collections.abc import Iterator

import tensorflow as tf

from dmgan_tf.data import record_file, records
from dmgan_tf.data.augmentation import checked_jpeg, decode_jpeg
from dmgan_tf.data.record_file import RecordSpan
from dmgan_tf.text.words import split_words

# Why a record cannot be used.
NO_FILE = "no file"
MISSING = "missing"
CHECKSUM = "checksum"
EXAMPLE = "no captioned image"
IMAGE = "broken image"
IMAGE_SIZE = "image of another size"
CAPTIONS = "no usable captions"

# The second where TensorFlow's message quotes bytes of the record.
_UNUSABLE = (tf.errors.InvalidArgumentError, UnicodeDecodeError)


@dataclasses.dataclass(frozen=True)
class ReadableShard:
    """The records of one file that can be used.

    Args:
        file: Its name.
        num_first: How many from its beginning on, all of them in a whole file.
        others: Where the others lie, behind one that cannot be used.
    """

    file: str
    num_first: int
    others: tuple[RecordSpan, ...] = ()

    @property
    def num_records(self) -> int:
        """How many can be used."""
        return self.num_first + len(self.others)


@dataclasses.dataclass(frozen=True)
class RecordFacts:
    """What `dataset.json` counts of a record."""

    num_captions: int
    class_id: int
    file_name: bytes


@dataclasses.dataclass(frozen=True)
class ShardResult:
    """What became of the records of one file.

    Args:
        readable: Those that can be used.
        reasons: Why the others cannot, with how many.
        surplus: How many there are beyond those listed.
        facts: Of each record that can be used, in order.
    """

    readable: ReadableShard
    reasons: collections.Counter
    surplus: int
    facts: list[RecordFacts]


class Examiner:
    """Looks at the records of a data set's files.

    One can be used whose checksum is right, whose image has a size that `prepare_data` writes and
    can be decoded, and whose captions are text with a known word each.

    Args:
        info: The data set.

    Raises:
        InputError: If its vocabulary cannot be read.
    """

    def __init__(self, info: records.DatasetInfo):
        self._info = info
        self._id_of = info.vocabulary().id_of
        self._view = _viewer(info.image_size, info.stored_size)

    def examine(self, shard: records.Shard, progress=lambda count: None) -> ShardResult:
        """Returns what can be used of a shard, and why the rest cannot.

        Args:
            shard: The file, as `dataset.json` lists it.
            progress: Called with the number of records that were looked at since.
        """
        path = self._info.directory / shard.file
        try:
            spans, num_reachable, _ = record_file.find_records(path)
        except OSError as error:
            progress(shard.num_images)
            lost = collections.Counter({_system_reason(error): shard.num_images})
            return ShardResult(ReadableShard(shard.file, 0), +lost, 0, [])
        surplus = max(len(spans) - shard.num_images, 0)
        spans = spans[: shard.num_images]
        verdicts = []
        for verdict in self._verdicts(path, spans, min(num_reachable, len(spans))):
            verdicts.append(verdict)
            progress(1)
        reasons = collections.Counter(v for v in verdicts if isinstance(v, str))
        reasons[MISSING] += shard.num_images - len(spans)
        progress(shard.num_images - len(spans))
        usable = [not isinstance(verdict, str) for verdict in verdicts]
        num_first = usable.index(False) if False in usable else len(usable)
        num_first = min(num_first, num_reachable)
        others = tuple(span for span, ok in zip(spans, usable, strict=True) if ok)[num_first:]
        facts = [verdict for verdict in verdicts if not isinstance(verdict, str)]
        readable = ReadableShard(shard.file, num_first, others)
        return ShardResult(readable, +reasons, surplus, facts)

    def _verdicts(self, path, spans, num_reachable) -> Iterator[RecordFacts | str]:
        """Yields the facts of each record, or the reason why it cannot be used."""
        done = 0
        dataset = tf.data.TFRecordDataset(str(path)).take(num_reachable)
        dataset = dataset.map(self._view, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        examples = dataset.as_numpy_iterator()
        while done < num_reachable:
            try:
                verdict = self._judged(next(examples))
            except _UNUSABLE as error:
                verdict = _reason_of(error)
            except (tf.errors.OpError, StopIteration):
                break  # TensorFlow gets no further
            done += 1
            yield verdict
        for span in spans[done:]:
            yield self._verdict_of_one(path, span)

    def _verdict_of_one(self, path, span) -> RecordFacts | str:
        try:
            data = record_file.read_record(path, span)
        except OSError as error:
            return _system_reason(error)
        if data is None:
            return CHECKSUM
        try:
            with tf.device("CPU:0"):
                example = self._view(data)
        except _UNUSABLE as error:
            return _reason_of(error)
        return self._judged({name: value.numpy() for name, value in example.items()})

    def _judged(self, example: dict) -> RecordFacts | str:
        if not 0 <= example["class_id"] < 2**31:
            return EXAMPLE
        if not example["num_values"]:
            return IMAGE_SIZE
        try:
            captions = [caption.decode("utf-8") for caption in example["captions"]]
            usable = all(self._has_known_word(caption) for caption in captions)
        except UnicodeDecodeError:
            usable = False
        if not usable or not captions:
            return CAPTIONS
        return RecordFacts(len(captions), int(example["class_id"]), bytes(example["file_name"]))

    def _has_known_word(self, caption: str) -> bool:
        return any(self._id_of(word) is not None for word in split_words(caption))


@functools.cache
def _viewer(smallest: int, largest: int):
    """Returns a graph that parses an example and decodes its image, if it claims a right size."""

    def view(serialized):
        example = records.parse_example(serialized)
        jpeg = example.pop("image")
        shorter = tf.reduce_min(tf.io.extract_jpeg_shape(jpeg)[:2])
        fits = (shorter >= smallest) & (shorter <= largest)
        num_values = tf.cond(fits, lambda: tf.size(decode_jpeg(checked_jpeg(jpeg))), lambda: 0)
        return {**example, "num_values": num_values}

    return tf.function(view, input_signature=[tf.TensorSpec([], tf.string)])


def _reason_of(error: Exception) -> str:
    return IMAGE if "jpeg" in str(error).lower() else EXAMPLE


def _system_reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return NO_FILE
    return (error.strerror or str(error)).lower()
