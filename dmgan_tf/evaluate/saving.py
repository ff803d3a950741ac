"""Saves scored images, so that any program can score or show them again."""

import json
import os
import pathlib

import numpy as np
from PIL import Image

from dmgan_tf.data.sources.account import IMAGE_SUFFIXES
from dmgan_tf.data.sources.metadata_file import METADATA_FILE
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.images import ImageSource
from dmgan_tf.files.atomic import replacing, write_text
from dmgan_tf.files.folder_listing import list_folder


class ImageSaver:
    """Saves images as PNG files, and their captions after the last one.

    Args:
        directory: The folder; created if missing. Images of the same names are overwritten.
        images: The `ImageSource` that they come from.

    Call arguments:
        first: The index of the first image.
        batch: uint8 `(images, height, width, 3)`.

    Raises:
        InputError: If it is not a folder, or contains other images.
    """

    def __init__(self, directory: str | os.PathLike, images: ImageSource):
        self.directory = pathlib.Path(directory)
        self._images = images
        if self.directory.exists() and not self.directory.is_dir():
            raise InputError(f"Expected --save_images=DIR. Received: {directory}, a file.")
        others = self._others()
        if others:
            raise InputError(
                f"Expected no other images in --save_images={directory}. Received: "
                f"{min(others)}{' and more' if len(others) > 1 else ''}. Choose another folder, "
                "or empty this one."
            )

    def __call__(self, first: int, batch: np.ndarray) -> None:
        listing = self.directory / METADATA_FILE
        if first == 0:
            listing.unlink(missing_ok=True)  # of images that are now replaced
        for place, pixels in enumerate(batch, first):
            with replacing(self.directory / _file_name(place)) as temporary:
                Image.fromarray(pixels).save(temporary)
        if first + len(batch) == self._images.num_images and self._images.plan is not None:
            lines = (json.dumps(line, ensure_ascii=False) for line in self._lines())
            write_text(listing, "".join(f"{line}\n" for line in lines))

    def _lines(self):
        plan = self._images.plan
        for place, row in enumerate(plan.rows):
            yield {
                "file_name": _file_name(place),
                "text": plan.captions[row],
                "class_id": int(plan.class_ids[row]),
            }

    def _others(self):
        if not self.directory.is_dir():
            return set()
        ours = {_file_name(place) for place in range(self._images.num_images)}
        # Partial files of an interruption are hidden, and so not among these.
        files = list_folder(self.directory).files
        images = {path for path in files if path.suffix.lower() in IMAGE_SUFFIXES}
        return {path.relative_to(self.directory).as_posix() for path in images} - ours


def _file_name(place):
    return f"{place:05d}.png"
