"""A split of a prepared data set in stored order: every caption, and uint8 images.

Nothing is skipped here, because a score must include all images of the data set. A record that
cannot be read is an error.
"""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dmgan_tf.data import records
from dmgan_tf.data.augmentation import checked_jpeg, crop_and_resize, decode_jpeg
from dmgan_tf.data.readable import reading
from dmgan_tf.errors import InputError

_PARSED_TOGETHER = 256  # records: some 10 MB of photographs


@dataclasses.dataclass(frozen=True)
class CaptionList:
    """The captions of a split's images, in stored order.

    Args:
        captions: All captions of each image, one or more.
        class_ids: int64 (images,), the class of each image.
        file_names: The name of each image in the source.
        attributes: The visible attributes of each image, by name; empty where they are not known.
        named: The attributes that each caption of each image names; empty with `attributes`.
    """

    captions: list[list[str]]
    class_ids: np.ndarray
    file_names: list[str]
    attributes: list[dict[str, str]] = dataclasses.field(default_factory=list)
    named: list[list[list[str]]] = dataclasses.field(default_factory=list)

    def named_values(self) -> list[dict[str, str]]:
        """Returns the value of each attribute that a caption names, caption by caption.

        The list is empty if no attributes are known.
        """
        if not any(self.attributes):
            return []
        values = []
        for captions, attributes, named in zip(
            self.captions, self.attributes, self.named, strict=True
        ):
            of_captions = named or [()] * len(captions)
            values += [{name: attributes[name] for name in names} for names in of_captions]
        return values


def list_captions(directory: str | os.PathLike, split: str) -> CaptionList:
    """Returns the captions of every image of a split, without decoding an image.

    Args:
        directory: What `prepare_data` wrote.
        split: `train`, `validation` or `test`.

    Returns:
        A `CaptionList`.

    Raises:
        InputError: If the directory has no such data, or a shard is damaged.
    """
    info = records.load_dataset_info(directory)
    features = {  # all of `records.parse_example` except the image
        "captions": tf.io.RaggedFeature(tf.string),
        "class_id": tf.io.FixedLenFeature([], tf.int64),
        "file_name": tf.io.FixedLenFeature([], tf.string),
        "attributes": tf.io.RaggedFeature(tf.string),
        "named": tf.io.RaggedFeature(tf.string),
    }
    dataset = (
        records.open_records(info, split)
        .batch(_PARSED_TOGETHER)
        .map(
            lambda serialized: tf.io.parse_example(serialized, features),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    )
    captions, class_ids, file_names, attributes, named = [], [], [], [], []
    with reading(info, split=split):
        for batch in dataset.prefetch(tf.data.AUTOTUNE):
            captions += [_decoded(texts, info) for texts in batch["captions"].to_list()]
            class_ids.append(batch["class_id"].numpy())
            file_names += _decoded(batch["file_name"].numpy(), info)
            for pairs in batch["attributes"].to_list():
                attributes.append(dict(text.split("=", 1) for text in _decoded(pairs, info)))
            for names in batch["named"].to_list():
                named.append([text.split() for text in _decoded(names, info)])
    return CaptionList(captions, np.concatenate(class_ids), file_names, attributes, named)


def stored_images(
    directory: str | os.PathLike,
    *,
    split: str,
    size: int,
    crop: bool,
    batch_size: int,
    start: int = 0,
    places: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Returns the images of a split as uint8, in stored order, starting at any of them.

    They are cropped and resized as in `evaluation_dataset` and rounded as in a saved picture, so
    that real and generated images are scored alike.

    Args:
        directory: What `prepare_data` wrote.
        split: `train`, `validation` or `test`.
        size: Requested height and width, in pixels.
        crop: Whether to take the middle 64/76 of the shorter side, on the scale of training's
            crops; if not, the largest square in the middle.
        batch_size: Images in a batch; the last may be smaller.
        start: The index of the first image, from 0 to the number of images; earlier shards are
            not read.
        places: The indices of the requested images, counted from `start`; None for all. Others
            are not decoded.

    Returns:
        A dataset of uint8 (batch, size, size, 3), RGB.

    Raises:
        InputError: If the directory has no such data, or not for this size, or fewer images than
            `start`. For an error that names a damaged shard, iterate within
            `reading(info, split=split)`.
    """
    info = records.load_dataset_info(directory)
    if size < 1 or batch_size < 1:
        raise InputError(
            f"Expected a size and a batch size of 1 or more. Received: {size} and {batch_size}."
        )
    info.check_image_size(size)
    serialized = records.open_records(info, split, start)
    if places is not None:
        numbers = tf.constant(np.unique(places), tf.int64)
        serialized = (
            serialized.enumerate()
            .filter(lambda number, _: tf.reduce_any(numbers == number))
            .map(lambda _, record: record)
        )
    middle = tf.constant([0.5, 0.5]) if crop else None

    def load(record):
        image = decode_jpeg(checked_jpeg(records.parse_example(record)["image"]))
        (pixels,) = crop_and_resize(image, (size,), middle)
        return tf.saturate_cast(tf.round(pixels), tf.uint8)

    dataset = serialized.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def _decoded(texts, info: records.DatasetInfo) -> list[str]:
    try:
        return [text.decode("utf-8") for text in texts]
    except UnicodeDecodeError as error:
        raise InputError(
            f"Expected captions and names in UTF-8 in {info.directory}. Received: {error}. Prepare "
            "the data set again with --overwrite."
        ) from error
