"""Captioned images in a folder, in the layouts that people keep them in."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable

from dmgan_tf.data.sources.source import IMAGE_SUFFIXES, SPLITS, CaptionedImage, Source
from dmgan_tf.errors import InputError

METADATA_FILE = "metadata.jsonl"

_EMBEDDED = "emoji"  # the name of the embedded data set, in place of a folder
_MOST_CLASSES = 2**31  # in training they are 32-bit numbers
_LAYOUTS = (
    f"a {METADATA_FILE} (one JSON object a line: file_name, text, optional class_id), in the "
    "folder or in its train/, test/ and validation/, or a NAME.txt of captions beside each NAME.jpg"
)


class ImageFolder(Source):
    """A folder of images with a `metadata.jsonl`, or with a text file of captions beside each.

    A folder with both `train/` and `test/` keeps its split, and a `validation/` beside `train/`
    too. Without `test/`, test images are held out by class, or by image.

    Args:
        directory: The folder, in one of the layouts of `prepare_data --help`; `"emoji"` for the
            data set that ships with the package.
        test_fraction: As for `Source`.
    """

    def __init__(self, directory: str | os.PathLike, test_fraction: float = 0.1):
        embedded = str(directory) == _EMBEDDED
        super().__init__(embedded_dataset_path() if embedded else directory, test_fraction)

    def list_images(self) -> dict[str, list[CaptionedImage]]:
        """Returns the images of the splits that the folder has.

        Raises:
            InputError: If there are no captions in it, or a line cannot be read.
        """
        parts = {name: self.directory / name for name in SPLITS if (self.directory / name).is_dir()}
        if (self.directory / METADATA_FILE).is_file() or "train" not in parts:
            parts = {"train": self.directory}
        splits = {name: _read_part(folder, self.directory) for name, folder in parts.items()}
        for name, images in splits.items():
            if not images and name != "test":
                raise InputError(f"Expected {_LAYOUTS}. Received: no captions in {parts[name]}.")
        return splits


def embedded_dataset_path() -> pathlib.Path:
    """Returns the image folder that ships with the package: emoji of animals, nature and food."""
    return pathlib.Path(__file__).parent.parent / _EMBEDDED


def read_image_folder(
    source: str | os.PathLike, test_fraction: float = 0.1
) -> dict[str, list[CaptionedImage]]:
    """Returns the images by split of an `ImageFolder`, as its `read` does."""
    return ImageFolder(source, test_fraction).read()


def _read_part(folder: pathlib.Path, source: pathlib.Path) -> list[CaptionedImage]:
    listing = folder / METADATA_FILE
    images = read_metadata(listing) if listing.is_file() else _read_sidecars(folder)
    return [
        dataclasses.replace(image, file_name=os.path.relpath(image.path, source).replace("\\", "/"))
        for image in images
    ]


def read_metadata(listing: pathlib.Path) -> list[CaptionedImage]:
    """Reads a `metadata.jsonl`.

    Args:
        listing: The file.

    Returns:
        Its images in order. Their names are relative to the folder of the file, and a class is None
        where it gives none.

    Raises:
        InputError: If it is not UTF-8, or a line cannot be read.
    """
    try:
        lines = listing.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"Expected UTF-8 in {listing}: {error}.") from error
    return [
        _parse_line(line, listing, number)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _parse_line(line: str, listing: pathlib.Path, number: int) -> CaptionedImage:
    where = f"{listing}:{number}"
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: expected one JSON object a line: {error}.") from error
    name = entry.get("file_name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name or "\0" in name or not _is_text(name):
        raise InputError(
            f'{where}: expected an object with a "file_name". Received: {line.strip()[:80]}'
        )
    text = entry.get("text", [])
    captions = [text] if isinstance(text, str) else text
    if not isinstance(captions, list) or not all(isinstance(item, str) for item in captions):
        raise InputError(
            f'{where}: expected "text" to be a caption or a list of captions. Received: {text!r}.'
        )
    class_id = entry.get("class_id")
    if class_id is not None and (type(class_id) is not int or not 0 <= class_id < _MOST_CLASSES):
        raise InputError(
            f'{where}: expected "class_id" to be an integer from 0. Received: {class_id!r}.'
        )
    return CaptionedImage(listing.parent / name, name, _cleaned(captions), class_id)


def _read_sidecars(folder: pathlib.Path) -> list[CaptionedImage]:
    images = []
    for path in sorted(folder.rglob("*")):
        sidecar = path.with_suffix(".txt")
        if path.suffix.lower() in IMAGE_SUFFIXES and sidecar.is_file():
            if not _is_text(str(path.relative_to(folder))):
                raise InputError(
                    f"Expected names in UTF-8 in {folder}. Received: {str(path)!r}. Rename it."
                )
            try:
                captions = sidecar.read_text(encoding="utf-8-sig").splitlines()
            except UnicodeDecodeError as error:
                raise InputError(f"Expected UTF-8 in {sidecar}: {error}.") from error
            images.append(CaptionedImage(path, path.name, _cleaned(captions), None))
    return images


def _is_text(name: str) -> bool:
    """Whether UTF-8 has the name: not half a surrogate pair, nor one read from other bytes."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _cleaned(captions: Iterable[str]) -> tuple[str, ...]:
    # JSON may hold halves of surrogate pairs, which no UTF-8 can.
    return tuple(caption.encode("utf-8", "replace").decode("utf-8").strip() for caption in captions)
