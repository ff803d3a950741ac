"""Held-out images: of a source, for validation, and for monitoring a training.

A model that is chosen by its score on the test split is biased towards it. The published data sets
have no third split, so one is made of training classes; the test split stays the published one.
"""

import collections
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dmgan_tf.data.sources.source import CaptionedImage, class_name, first_by_hash
from dmgan_tf.errors import InputError

if TYPE_CHECKING:
    from dmgan_tf.data.records import DatasetInfo  # which imports TensorFlow

MAX_FRACTION = 0.5


def hold_out_validation(
    splits: Mapping[str, Sequence[CaptionedImage]],
    fraction: float,
    source: str | os.PathLike,
) -> dict[str, Sequence[CaptionedImage]]:
    """Moves whole classes from `train` to `validation`, always the same ones.

    Which ones depends on a hash of their numbers, or of the image's name where a class has only one
    image, as in COCO; neither on the order of the listing nor on chance. A larger fraction
    holds out the same classes and further ones.

    Args:
        splits: The images of each split, every one with a class.
        fraction: The fraction of the training classes to hold out, in [0, 0.5]; 0 for none.
        source: Where the images come from, for messages.

    Returns:
        The images of `train`, `validation` and the other splits, each in the order they had. With a
        fraction of 0, the splits unchanged.

    Raises:
        InputError: If the fraction is out of range, if it holds out no class or leaves none to
            train on, or if there is a validation split already.
    """
    if not 0 <= fraction <= MAX_FRACTION:
        raise InputError(
            f"Expected a validation fraction in [0, {MAX_FRACTION}]. Received: {fraction}."
        )
    if fraction == 0:
        return dict(splits)
    if "validation" in splits:
        raise InputError(
            f"Expected a source without a validation split of its own. Received: {source}, which "
            "has one. Leave out --validation_fraction, or move the images of validation/ to train/."
        )
    sizes = collections.Counter(image.class_id for image in splits["train"])

    def name_of(image):
        # A class of one image is often not a real class, but numbered in the order of the listing.
        alone = sizes[image.class_id] == 1
        return image.file_name if alone else class_name(image.class_id)

    names = {name_of(image) for image in splits["train"]}
    count = round(len(names) * fraction)
    if count == 0:  # at most half are held out, so never all
        raise InputError(
            "Expected --validation_fraction to hold out a class of the training split and to leave "
            f"one. Received: {fraction:g} of {len(names)} in {source}, which holds out none. "
            f"{_advice(len(names))}"
        )
    held_out = first_by_hash(names, count)
    result = {"train": [], "validation": [], **{k: v for k, v in splits.items() if k != "train"}}
    for image in splits["train"]:
        result["validation" if name_of(image) in held_out else "train"].append(image)
    return result


def check_training_classes(images: Sequence[CaptionedImage], source: str | os.PathLike) -> None:
    """Raises an error for training images that are all of one class.

    Images of one class match one another's captions: every matching loss would always be 0.

    Args:
        images: Those of the training split, every one with a class.
        source: Where they come from, for the message.

    Raises:
        InputError: If there are several images, all of one class.
    """
    classes = {image.class_id for image in images}
    if len(images) > 1 and len(classes) == 1:
        raise InputError(
            f"Expected training images of 2 or more classes in {source}. Received: {len(images)} "
            f"of class_id {min(classes)} only. Images of one class match one another's captions, "
            "so nothing could be learned. Leave class_id out, so that every image is its own "
            "class; or hold fewer classes out, with --test_fraction=0 and --validation_fraction=0."
        )


def held_out_split(info: "DatasetInfo", min_images: int = 1) -> str | None:
    """Returns the split for monitoring: `validation` where there is one, else `test`.

    A model chosen by a score on the test split is biased towards it, so `test` is used only if
    nothing else was held out.

    Args:
        info: The data set.
        min_images: The smallest number of images needed.

    Returns:
        The name of the split; None if neither has so many images.
    """
    for name in ("validation", "test"):
        if name in info.splits and info.splits[name].num_images >= min_images:
            return name
    return None


def _advice(num_classes: int) -> str:
    if num_classes < 2:
        return "Leave the flag out: one class cannot be divided."
    return f"Give {min(1 / num_classes, MAX_FRACTION):.2g} or more, or leave the flag out."
