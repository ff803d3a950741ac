"""The prepared data set on disk: TFRecord shards and the file that describes them."""

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary

FORMAT_VERSION = 1
INFO_FILE = "dataset.json"
VOCABULARY_FILE = "vocabulary.txt"

# Images are stored larger than they are used, by the ratio that the authors' release crops from.
CROP_MARGIN = 76 / 64

# What TensorFlow raises for a damaged record, for too few of them, and for a file that is gone.
_UNREADABLE = (tf.errors.DataLossError, tf.errors.FailedPreconditionError, tf.errors.NotFoundError)


def stored_size(image_size: int) -> int:
    """Returns the shorter side, in pixels, at which images for `image_size` are stored."""
    return round(image_size * CROP_MARGIN)


def shard_name(split: str, index: int, count: int) -> str:
    """Returns the file name of one shard."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def serialize_example(jpeg: bytes, captions: Sequence[str], class_id: int, file_name: str) -> bytes:
    """Returns one image with its captions as a serialized `tf.train.Example`."""

    def of_bytes(values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    features = {
        "image": of_bytes([jpeg]),
        "captions": of_bytes([caption.encode("utf-8") for caption in captions]),
        "class_id": tf.train.Feature(int64_list=tf.train.Int64List(value=[class_id])),
        "file_name": of_bytes([file_name.encode("utf-8")]),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def parse_example(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Reverses `serialize_example` in a graph.

    Args:
        serialized: string scalar.

    Returns:
        A dict of `image` (string scalar, JPEG), `captions` (string, one dimension), `class_id`
        (int64 scalar) and `file_name` (string scalar).
    """
    return tf.io.parse_single_example(
        serialized,
        {
            "image": tf.io.FixedLenFeature([], tf.string),
            "captions": tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),
            "class_id": tf.io.FixedLenFeature([], tf.int64),
            "file_name": tf.io.FixedLenFeature([], tf.string),
        },
    )


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of records."""

    file: str
    num_images: int


@dataclasses.dataclass(frozen=True)
class Split:
    """The training, the validation or the test images."""

    num_images: int
    num_captions: int
    num_classes: int
    shards: tuple[Shard, ...]


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says of a prepared data set.

    Args:
        directory: Where the data set lies.
        name: What its maker called it.
        image_size: The largest size, in pixels, that it was prepared for.
        stored_size: The shorter side, in pixels, at which larger images were stored.
        vocabulary_sha256: The hash of `vocabulary.txt`.
        vocabulary_size: Its length, the padding word included.
        splits: By name: `train`, `test` and, if images were held out for it, `validation`.
        skipped: How many images and captions were left out, by reason.
        fingerprint: The hash of the source's listing and of every setting.
    """

    directory: pathlib.Path
    name: str
    image_size: int
    stored_size: int
    vocabulary_sha256: str
    vocabulary_size: int
    splits: dict[str, Split]
    skipped: dict[str, int]
    fingerprint: str

    def split(self, name: str) -> Split:
        """Returns a split that has images.

        Raises:
            InputError: If there is none of that name, or it is empty.
        """
        split = self.splits.get(name)
        if split is None or not split.num_images:
            full = [key for key, value in self.splits.items() if value.num_images]
            raise InputError(
                f"Expected images in the split {name!r} of {self.directory}. Received: none; it "
                f"has images in: {', '.join(full)}."
            )
        return split

    def shard_paths(self, name: str) -> list[str]:
        """Returns the paths of a split's shards, in stored order.

        Raises:
            InputError: If the split is empty or a file is missing.
        """
        paths = [self.directory / shard.file for shard in self.split(name).shards]
        for path in paths:
            if not path.is_file():
                raise InputError(
                    f"Expected the file {path}, which {INFO_FILE} lists. Received: no file. "
                    "Prepare the data set again into an empty directory."
                )
        return [str(path) for path in paths]

    def check_image_size(self, size: int) -> None:
        """Raises an `InputError` if images of this size, in pixels, would be enlarged ones."""
        if size > self.image_size:
            raise InputError(
                f"Expected a data set prepared for {size} pixels. Received: {self.directory}, "
                f"prepared for {self.image_size}. Prepare it again with --image_size={size}."
            )

    def vocabulary(self) -> Vocabulary:
        """Returns the vocabulary of the training captions.

        Raises:
            InputError: If the file is missing, or is not the one the data set was made with.
        """
        path = self.directory / VOCABULARY_FILE
        vocabulary = Vocabulary.load(path)
        if vocabulary.sha256 != self.vocabulary_sha256:
            raise InputError(
                f"Expected {path} with the hash {self.vocabulary_sha256[:8]}, as {INFO_FILE} says. "
                f"Received: {vocabulary.sha256[:8]}. Restore it, or prepare the data set again."
            )
        return vocabulary

    def to_json(self) -> str:
        """Returns the text of `dataset.json`."""
        content = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        del content["directory"]
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def load_dataset_info(directory: str | os.PathLike) -> DatasetInfo:
    """Reads `dataset.json`.

    Args:
        directory: What `prepare_data` wrote.

    Returns:
        Its description.

    Raises:
        InputError: If the directory does not hold a prepared data set that this version can read.
    """
    directory = pathlib.Path(directory)
    path = directory / INFO_FILE
    if not path.is_file():
        what = f"no {INFO_FILE} in it" if directory.is_dir() else "no such directory"
        raise InputError(
            f"Expected a prepared data set in {directory}. Received: {what}. "
            "Make one with python -m dmgan_tf.prepare_data."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("format_version")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"Expected a description of a data set in {path}: {error!r}.") from error
    if version != FORMAT_VERSION:
        raise InputError(
            f"Expected format_version {FORMAT_VERSION} in {path}. Received: {version!r}. "
            "Prepare the data set again with this version."
        )
    try:
        content["splits"] = {
            name: Split(**{**split, "shards": tuple(Shard(**shard) for shard in split["shards"])})
            for name, split in content["splits"].items()
        }
        return DatasetInfo(directory=directory, **content)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"Expected a description of a data set in {path}: {error}.") from error


def read_shard(info: DatasetInfo, shard: Shard) -> list[bytes]:
    """Returns the serialized examples of one shard.

    Raises:
        InputError: If the file is missing or damaged, or holds another number of them than
            `dataset.json` says.
    """
    path = info.directory / shard.file
    try:
        serialized = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        problem = f"{len(serialized)} of them"
    except tf.errors.NotFoundError:
        serialized, problem = None, "no file"
    except tf.errors.DataLossError:
        serialized, problem = None, "a damaged file"
    if serialized is None or len(serialized) != shard.num_images:
        raise InputError(
            f"Expected {shard.num_images} whole records in {path}. Received: {problem}. "
            "Prepare the data set again with --overwrite."
        )
    return serialized


def open_records(paths: str | Sequence[str] | tf.Tensor, count: int | tf.Tensor) -> tf.data.Dataset:
    """Returns the serialized examples of shards, read on the way, in stored order.

    A file cut off between two records reads as a shorter one; here that is an error. Iterate within
    `reading`.

    Args:
        paths: The shards.
        count: How many examples they hold together.
    """
    dataset = tf.data.TFRecordDataset(paths)
    return dataset.apply(tf.data.experimental.assert_cardinality(count))


@contextlib.contextmanager
def reading(info: DatasetInfo) -> Iterator[None]:
    """Turns the failure to read a damaged shard into an `InputError` that names it.

    A shard is read long after its data set was built, where the error of TensorFlow names neither
    file nor remedy. Put the loop over the batches, or the `fit`, into this context.

    Args:
        info: The data set whose shards are read.

    Raises:
        InputError: If reading failed and a shard is damaged.
    """
    try:
        yield
    except _UNREADABLE as error:
        for split in info.splits.values():
            for shard in split.shards:
                try:
                    read_shard(info, shard)
                except InputError as damage:
                    raise damage from error
        raise
