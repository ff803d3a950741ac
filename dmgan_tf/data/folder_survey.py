"""Surveys a folder of captioned pictures before it is prepared."""

import dataclasses
import os
from collections.abc import Sequence

from dmgan_tf.data.picture_file import open_picture
from dmgan_tf.data.sources.image_folder import ImageFolder
from dmgan_tf.data.sources.metadata_file import CAPTION_FIELD
from dmgan_tf.data.sources.source import CaptionedImage, first_by_hash
from dmgan_tf.data.splits import check_training_classes
from dmgan_tf.errors import InputError
from dmgan_tf.text.words import split_words

FEWEST_CLASSES = 20  # every image without a class is one
_FEWEST_HELD_OUT = 8  # unless these are more than a quarter
_SIDES = ("left", "right")
_SIZES_READ = 1000  # pictures, chosen by a hash


@dataclasses.dataclass(frozen=True)
class Folder:
    """Number, sizes and captions of the pictures.

    Args:
        source: The folder.
        caption_field: As for `ImageFolder`.
        test_fraction: The fraction of classes to hold out; None where the folder has a test split.
        num_training: Pictures that remain for training.
        shorter_sides: Of pictures that could be opened, in pixels; of 1,000 at most.
        longest_caption: In words.
        says_sides: Whether a caption says left or right, so that mirroring would make it wrong.
    """

    source: str
    caption_field: str
    test_fraction: float | None
    num_training: int
    shorter_sides: Sequence[int]
    longest_caption: int
    says_sides: bool


def examine_folder(source: str | os.PathLike, caption_field: str = CAPTION_FIELD) -> Folder:
    """Surveys a folder of captioned pictures: number, sizes, captions.

    A tenth of the classes is held out, at least eight, but at most a quarter; where the pictures
    have no classes, each is one. A folder with a test split keeps it.

    Raises:
        InputError: If it has no captions, or too few pictures to train on and hold some out.
    """
    found = ImageFolder(source, caption_field=caption_field).list_images()
    fraction = None if "test" in found else _held_out_fraction(found["train"], source)
    splits = ImageFolder(source, fraction or 0, caption_field).read()
    training, held_out = splits["train"], splits["test"]
    check_training_classes(training, source)
    if len(training) < FEWEST_CLASSES / 2 or len({image.class_id for image in held_out}) < 2:
        raise InputError(
            f"Expected {FEWEST_CLASSES // 2} pictures or more to train on and pictures of 2 or "
            f"more classes to test with in {source}. Received: {len(training)} and "
            f"{len(held_out)}. Add pictures, or put all of them in one folder, without test/."
        )
    captions = [caption for image in training for caption in image.captions]
    if not captions:
        raise InputError(
            f"Expected captions of the pictures to train on in {source}. Received: none. Add them."
        )
    words = [split_words(caption) for caption in captions]
    return Folder(
        source=str(source),
        caption_field=caption_field,
        test_fraction=fraction,
        num_training=len(training),
        shorter_sides=_shorter_sides(training, source),
        longest_caption=max(map(len, words)),
        says_sides=any(side in caption for side in _SIDES for caption in words),
    )


def _held_out_fraction(images: Sequence[CaptionedImage], source) -> float:
    count = len({image.class_id for image in images} - {None})
    count += sum(image.class_id is None for image in images)
    if count < FEWEST_CLASSES:
        of_classes = " of class_id" if images[0].class_id is not None else ""
        raise InputError(
            f"Expected {FEWEST_CLASSES} captioned pictures of different things or more in "
            f"{source}. Received: {len(images)} pictures, {count} values{of_classes}. Add pictures"
            f"{', or leave class_id out' if of_classes else ''}."
        )
    held_out = max(round(count / 10), min(_FEWEST_HELD_OUT, count // 4))
    return float(f"{held_out / count:.4g}")


def _shorter_sides(images: Sequence[CaptionedImage], source) -> list[int]:
    """The sides of those that can be opened; `prepare_data` names the others."""
    by_name = {image.file_name: image for image in images}
    sides = []
    for name in sorted(first_by_hash(by_name, _SIZES_READ)):
        try:
            with open_picture(by_name[name].path) as picture:
                sides.append(min(picture.size))
        except Exception:  # any exception of Pillow's readers for a broken file
            continue
    if not sides:
        raise InputError(f"Expected pictures in {source}. Received: none that can be opened.")
    return sides
