"""The prepared data set on disk: TFRecord shards and the file that describes them."""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Sequence

import tensorflow as tf

from dmgan_tf.data import record_file
from dmgan_tf.data.sources.account import FolderCounts
from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary

FORMAT_VERSION = 1
INFO_FILE = "dataset.json"
VOCABULARY_FILE = "vocabulary.txt"

_FILE_NAME = re.compile(r"[\w-][\w.-]*")  # neither a path nor a parent directory

MAX_PIXELS = 89_478_485  # of one image; from there on Pillow warns of decompression bombs


def shard_name(split: str, index: int, count: int) -> str:
    """Returns the file name of one shard."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def serialize_example(
    jpeg: bytes,
    captions: Sequence[str],
    class_id: int,
    file_name: str,
    attributes: Sequence[tuple[str, str]] = (),
    named: Sequence[Sequence[str]] = (),
) -> bytes:
    """Returns one image with its captions as a serialized `tf.train.Example`.

    Args:
        jpeg: The image.
        captions: Its captions.
        class_id: What it shows.
        file_name: Its name in the source.
        attributes: As in `CaptionedImage`; the record has no such feature if there are none.
        named: The attributes that each caption names.
    """

    def of_bytes(values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def of_texts(texts):
        return of_bytes([text.encode("utf-8") for text in texts])

    features = {
        "image": of_bytes([jpeg]),
        "captions": of_texts(captions),
        "class_id": tf.train.Feature(int64_list=tf.train.Int64List(value=[class_id])),
        "file_name": of_texts([file_name]),
    }
    if attributes:
        features["attributes"] = of_texts(f"{name}={value}" for name, value in attributes)
        features["named"] = of_texts(" ".join(names) for names in named)
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
    """The content of `dataset.json`.

    Args:
        directory: The directory of the data set.
        name: Its name.
        image_size: The largest size, in pixels, that it was prepared for.
        stored_size: The shorter side, in pixels, at which larger images were stored.
        vocabulary_sha256: The hash of `vocabulary.txt`.
        vocabulary_size: Its length, including the padding word.
        splits: By name: `train`, `test` and, if images were held out for it, `validation`.
        skipped: How many images and captions were skipped, by reason.
        fingerprint: The hash of the source's listing and of every setting.
        attribution: Sentences that credit the makers of the images.
        files: What became of everything in the source's folder; None if that is not known.
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
    files: FolderCounts | None = None
    attribution: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The description of the data in a model card, Markdown."""
        text = f"{self.name}, {self.split('train').num_images} training images."
        return "\n".join([text, *(f"- {sentence}" for sentence in self.attribution)])

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
            InputError: If the split is empty.
        """
        return [str(self.directory / shard.file) for shard in self.split(name).shards]

    def check_image_size(self, size: int) -> None:
        """Raises an `InputError` if images of this size, in pixels, would have to be enlarged."""
        if size > self.image_size:
            raise InputError(
                f"Expected a data set prepared for {size} pixels. Received: {self.directory}, "
                f"prepared for {self.image_size}. Prepare it again with --image_size={size}."
            )

    def vocabulary(self) -> Vocabulary:
        """Returns the vocabulary of the training captions.

        Raises:
            InputError: If the file is missing, or is not that of the data set.
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
        if self.files is None:
            del content["files"]
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def load_dataset_info(directory: str | os.PathLike) -> DatasetInfo:
    """Reads `dataset.json`.

    Args:
        directory: What `prepare_data` wrote.

    Returns:
        Its description.

    Raises:
        InputError: If the directory has no prepared data set that this version can read.
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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _no_description(path, repr(error)) from error
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
        content["attribution"] = tuple(content.get("attribution", ()))
        if "files" in content:
            content["files"] = FolderCounts(**content["files"])
        info = DatasetInfo(directory=directory, **content)
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_description(path, str(error)) from error
    _check_description(info, path)
    return info


def _no_description(path: pathlib.Path, problem: str) -> InputError:
    return InputError(
        f"Expected a description of a data set in {path}: {problem}. Restore it, or prepare the "
        "data set again with --overwrite."
    )


def _check_description(info: DatasetInfo, path: pathlib.Path) -> None:
    """Raises an error for values that no preparation writes, before they are used."""
    shards = [shard for split in info.splits.values() for shard in split.shards]
    counts = [
        *(info.image_size, info.stored_size, info.vocabulary_size),
        *(count for split in info.splits.values() for count in dataclasses.astuple(split)[:3]),
        *(shard.num_images for shard in shards),
    ]
    texts = (info.name, info.vocabulary_sha256, info.fingerprint, *info.attribution)
    problems = [
        *(f"{n!r:.80} is not a count" for n in counts if type(n) is not int or not 0 <= n < 2**31),
        *(f"{text!r:.80} is not a text" for text in texts if type(text) is not str),
        *(
            f"{shard.file!r:.80} is not the name of a file in it"
            for shard in shards
            if type(shard.file) is not str or not _FILE_NAME.fullmatch(shard.file)
        ),
    ]
    if problems:
        raise _no_description(path, problems[0])
    for name, split in info.splits.items():
        held = sum(shard.num_images for shard in split.shards)
        if held != split.num_images:
            raise _no_description(
                path, f"{split.num_images} images in {name!r:.80}, {held} in its files"
            )


def damaged_shard(info: DatasetInfo, shard: Shard, count: int, problem: str) -> InputError:
    """Returns the error of a shard that does not have `count` usable records."""
    return InputError(
        f"Expected {count} whole records in {info.directory / shard.file}. Received: {problem}. "
        "Restore it, or prepare the data set again with --overwrite; a run continues with --resume."
    )


def check_headers(info: DatasetInfo, shards: Sequence[Shard]) -> None:
    """Raises an `InputError` for the first shard that is missing, truncated or changed.

    Only headers are read, so data may still be damaged. See `record_file`.
    """
    for shard in shards:
        try:
            starts, is_whole = record_file.find_records(info.directory / shard.file)
        except FileNotFoundError:
            problem = "no file"
        except OSError as error:
            problem = error.strerror
        else:
            if is_whole and len(starts) == shard.num_images:
                continue
            problem = f"{len(starts)} of them" if is_whole else "a damaged file"
        raise damaged_shard(info, shard, shard.num_images, problem)


def open_records(info: DatasetInfo, split: str, start: int = 0) -> tf.data.Dataset:
    """Returns the serialized examples of a split, in stored order, as they are read.

    Iterate within `readable.reading`, which names a shard that is damaged.

    Args:
        info: The data set.
        split: `train`, `validation` or `test`.
        start: The index of the first example, from 0 to their number; earlier shards are not read.

    Raises:
        InputError: If there are fewer, or a shard's headers are damaged.
    """
    held = info.split(split)
    if not 0 <= start <= held.num_images:
        raise InputError(
            f"Expected a first image from 0 to {held.num_images}, the number of images of "
            f"{split!r} in {info.directory}. Received: {start}."
        )
    shards, first = list(held.shards), 0
    while shards and first + shards[0].num_images <= start:
        first += shards.pop(0).num_images
    check_headers(info, shards)
    dataset = tf.data.TFRecordDataset(info.shard_paths(split)[len(held.shards) - len(shards) :])
    count = held.num_images - first
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).skip(start - first)
