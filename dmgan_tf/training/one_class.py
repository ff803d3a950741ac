"""Batches of one class: they have no negatives, so the matching losses are 0."""

import logging

import keras
import tensorflow as tf

from dmgan_tf.data.records import DatasetInfo
from dmgan_tf.errors import InputError
from dmgan_tf.training.distribution import replicas

ONE_CLASS_BATCHES = "one_class_batches"  # the log of 1 for such a batch, else of 0

_ADVICE = (
    "Leave class_id out of the source's metadata.jsonl where images of one class have different "
    "captions, and prepare the data again with --overwrite"
)


def is_of_one_class(class_ids: tf.Tensor) -> tf.Tensor:
    """Returns 1.0 where all images that the matching losses compare are of one class, else 0.0.

    Args:
        class_ids: Int tensor `(batch,)`.
    """
    return tf.cast(tf.reduce_all(class_ids == class_ids[0]), tf.float32)


def is_global_batch_of_one_class(class_ids: tf.Tensor) -> tf.Tensor:
    """Returns `is_of_one_class` of the class ids of every replica.

    Args:
        class_ids: Int tensor `(batch,)`, those of this replica.
    """
    return is_of_one_class(replicas.gather(class_ids))


def describe_one_class(info: DatasetInfo) -> str | None:
    """Returns the error message for a training split of one class; None if it has several."""
    split = info.split("train")
    if split.num_classes > 1:
        return None
    return (
        f"Expected training images of two classes or more in {info.directory}. Received: "
        f"{split.num_images} of one, so that no caption is a wrong answer, and the DAMSM's losses "
        f"are 0. {_ADVICE}"
    )


def check_local_batch(batch_size: int, num_replicas: int) -> None:
    """Raises an error for local negatives with one image per device, which has no negatives.

    Raises:
        InputError: If a device has fewer than two.
    """
    if batch_size // num_replicas < 2:
        raise InputError(
            f"Expected --batch_size of {2 * num_replicas} or more with --negatives=local, two "
            f"images for each of {num_replicas} devices. Received: {batch_size}. Raise it, or "
            "leave --negatives out."
        )


class OneClassNotice(keras.callbacks.Callback):
    """A warning at the end of the first epoch that had batches of one class.

    Their number is in every epoch's line.

    Args:
        steps_per_epoch: Steps of an epoch.
    """

    def __init__(self, steps_per_epoch: int):
        super().__init__()
        self._steps_per_epoch = steps_per_epoch
        self._is_said = False

    def on_epoch_end(self, epoch, logs=None):
        count = (logs or {}).get(ONE_CLASS_BATCHES, 0)
        if count and not self._is_said:
            self._is_said = True
            logging.warning(
                "%g of %d batches of epoch %d had images of one class only: no negatives, "
                "so their DAMSM loss is 0. %s; or give a larger --batch_size. "
                "%s in an epoch's line is their number.",
                *(count, self._steps_per_epoch, epoch + 1, _ADVICE, ONE_CLASS_BATCHES),
            )
