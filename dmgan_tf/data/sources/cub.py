"""Caltech-UCSD Birds 200-2011 (CUB) with ten captions per image, in the usual layouts."""

import os
import pathlib

from dmgan_tf.data.sources import release_metadata
from dmgan_tf.data.sources.published import CAPTIONS_PICKLE, PublishedSource
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError
from dmgan_tf.files.text_lines import read_lines

CAPTIONS_PER_IMAGE = 10

_IMAGES = "CUB_200_2011"


class CUB(PublishedSource):
    """The birds with their captions, bounding boxes and classes, in the order of the release.

    A class is the one in `class_info.pickle`, or else the number that its folder begins with.

    Args:
        directory: The metadata archive of AttnGAN and DM-GAN, `birds/`, with `CUB_200_2011/` in it
            or beside it; or `CUB_200_2011/` with the archive's `text/`, `train/` and `test/` in it
            or beside it.
        test_fraction: Not used.

    Raises:
        InputError: If a part is missing.
    """

    name = "cub"
    published_counts = {"train": (8_855, 150), "test": (2_933, 50)}

    def __init__(self, directory: str | os.PathLike, test_fraction: float = 0.1):
        super().__init__(directory, test_fraction)
        source = self.directory
        candidates = [source / _IMAGES, source, source.absolute().parent / _IMAGES]
        self._images = next(
            (path for path in candidates if (path / "images.txt").exists()), candidates[0]
        )
        places = list(dict.fromkeys([source, self._images, self._images.absolute().parent]))
        self.lists = {
            split: _find(places, f"{split}/{release_metadata.FILE_NAMES}", "the list of the images")
            for split in ("train", "test")
        }
        self._text = _find(places, "text", "the folder of the captions")
        pickles = (place / CAPTIONS_PICKLE for place in places)
        self.vocabulary_file = next((path for path in pickles if path.is_file()), None)

    def list_images(self) -> dict[str, list[CaptionedImage]]:
        """Returns the images of `train` and `test`.

        Raises:
            InputError: If a part is missing, or two do not match.
        """
        tables = (self._images / "images.txt", self._images / "bounding_boxes.txt")
        boxes = _read_boxes(*tables)
        splits = {
            split: _read_split(path, self._text, self._images, boxes)
            for split, path in self.lists.items()
        }
        classes = [path.with_name(release_metadata.CLASS_IDS) for path in self.lists.values()]
        self.files_read.update(tables, self.lists.values(), filter(pathlib.Path.exists, classes))
        for image in (image for images in splits.values() for image in images):
            name = image.file_name.removesuffix(".jpg")
            self.files_read.add(self._text / f"{name}.txt")
        return splits


def _find(places: list[pathlib.Path], name: str, what: str) -> pathlib.Path:
    for place in places:
        if (place / name).exists():
            return place / name
    raise InputError(
        f"Expected {name}, {what}, in {' or '.join(map(str, places))}. Received: none. It is part "
        "of the metadata archive for birds of AttnGAN and DM-GAN; unpack that, the .zip files in "
        "it too, beside CUB_200_2011/."
    )


def _read_split(listing, text, images, boxes) -> list[CaptionedImage]:
    names = release_metadata.read_file_names(listing)
    class_info = listing.with_name(release_metadata.CLASS_IDS)
    if class_info.exists():
        class_ids = release_metadata.read_class_ids(class_info, len(names))
    else:
        class_ids = [_class_of(name, listing) for name in names]
    for name in names:
        if name not in boxes:
            raise InputError(
                f"Expected the images of {listing} in {images / 'images.txt'}. Received: no "
                f"{name}.jpg there. Take the archive for birds, and the images of CUB-200-2011."
            )
    return [
        CaptionedImage(
            path=images / "images" / f"{name}.jpg",
            file_name=f"{name}.jpg",
            captions=release_metadata.read_caption_file(text / f"{name}.txt", CAPTIONS_PER_IMAGE),
            class_id=class_id,
            box=boxes[name],
        )
        for name, class_id in zip(names, class_ids, strict=True)
    ]


def _class_of(name: str, listing: pathlib.Path) -> int:
    number = name.partition(".")[0]
    if not (number.isascii() and number.isdecimal() and "/" in name and len(number) < 10):
        raise InputError(
            f"Expected names such as 001.Black_footed_Albatross/NAME in {listing}, the class "
            f"first. Received: {name[:80]!r}. Get the archive for birds again, with its "
            f"{release_metadata.CLASS_IDS}."
        )
    return int(number)


def _read_boxes(
    names_file: pathlib.Path, boxes_file: pathlib.Path
) -> dict[str, tuple[int, int, int, int]]:
    """Returns (left, top, width, height) in whole pixels, by image name without `.jpg`."""
    name_of = {number: name for number, name in _read_table(names_file, 2, "NUMBER NAME.jpg")}
    boxes = {}
    for number, *sides in _read_table(boxes_file, 5, "NUMBER LEFT TOP WIDTH HEIGHT"):
        try:
            boxes[number] = tuple(int(float(side)) for side in sides)
        except (ValueError, OverflowError):
            raise InputError(
                f"Expected numbers for the image {number} in {boxes_file}. Received: "
                f"{' '.join(sides)}. Get the file again."
            ) from None
    missing = name_of.keys() - boxes.keys()
    if missing:
        raise InputError(
            f"Expected a bounding box for each of the {len(name_of)} images of {names_file} in "
            f"{boxes_file}. Received: none for {len(missing)}, such as {name_of[min(missing)]}. "
            "Take both files from one archive."
        )
    return {name.removesuffix(".jpg"): boxes[number] for number, name in name_of.items()}


def _read_table(path: pathlib.Path, columns: int, form: str) -> list[list[str]]:
    try:
        lines = read_lines(path)
    except FileNotFoundError:
        raise InputError(
            f"Expected {path}. Received: no such file. It is part of the archive of CUB-200-2011 "
            "itself (CUB_200_2011.tgz)."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot read {path}: {error}. Unpack it again from CUB_200_2011.tgz."
        ) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows.append(line.split())
            if len(rows[-1]) != columns:
                raise InputError(
                    f"{path}:{number}: expected {form}. Received: {line[:80]!r}. Get the file "
                    "again."
                )
    return rows
