"""Captioned images in a folder, in the layouts that people keep them in."""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable

from dmgan_tf.errors import InputError

METADATA_FILE = "metadata.jsonl"
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
SMALL_IMAGE_CHOICES = ("error", "skip", "upscale")  # what becomes of one smaller than asked for

_MOST_CLASSES = 2**31  # in training they are 32-bit numbers
_PARTS = ("train", "validation", "test")  # folders of a source that is split already
_LAYOUTS = (
    f"a {METADATA_FILE} (one JSON object a line: file_name, text, optional class_id), in the "
    "folder or in its train/, test/ and validation/, or a NAME.txt of captions beside each NAME.jpg"
)


@dataclasses.dataclass(frozen=True)
class CaptionedImage:
    """One image of a source.

    Args:
        path: Where the image should lie.
        file_name: Its name for messages and records, relative to the source.
        captions: Its captions as found; possibly empty ones.
        class_id: What the image shows, 0 or more; images of one class match one another's
            captions. None if the source does not say.
        box: The bounding box of what the image shows: left, top, width and height in whole pixels.
            The image is cropped around it. None to keep all of the image.
    """

    path: pathlib.Path
    file_name: str
    captions: tuple[str, ...]
    class_id: int | None
    box: tuple[int, int, int, int] | None = None


def embedded_dataset_path() -> pathlib.Path:
    """Returns the image folder that ships with the package: emoji of animals, nature and food."""
    return pathlib.Path(__file__).parent.parent / "emoji"


def read_image_folder(
    source: str | os.PathLike, test_fraction: float = 0.1
) -> dict[str, list[CaptionedImage]]:
    """Lists the captioned images of a folder.

    A folder with both `train/` and `test/` keeps its split. Any other is split here, by a hash and
    thus always the same way: by class if classes are given, so that the test classes are unseen, as
    in CUB; else by image. A `validation/` beside `train/` is kept as it is, too.

    Args:
        source: The folder, in one of the layouts of the README.
        test_fraction: The fraction of classes, or images, that become test images if the source
            has no split of its own; 0 or more, below 1.

    Returns:
        The images of `train`, of `validation` if the source has such a folder, and of `test`, each
        in the order of the source, every one with a class: its own one where the source gave none.

    Raises:
        InputError: If there is no such folder, no captions in it, or a line cannot be read.
    """
    source = pathlib.Path(source)
    if not source.is_dir():
        raise InputError(f"Expected a folder of captioned images at {source}. Received: no folder.")
    if not 0 <= test_fraction < 1:
        raise InputError(f"Expected a test fraction in [0, 1). Received: {test_fraction}.")
    parts = {name: source / name for name in _PARTS if (source / name).is_dir()}
    if (source / METADATA_FILE).is_file() or "train" not in parts:
        images = _read_part(source, source)
        if not images:
            raise _no_captions(source)
        return _with_classes(_divide(images, test_fraction))
    splits = {name: _read_part(folder, source) for name, folder in parts.items()}
    for name in ("train", "validation"):
        if name in splits and not splits[name]:
            raise _no_captions(parts[name])
    if "test" not in splits:
        splits |= _divide(splits["train"], test_fraction)
    return _with_classes({name: splits[name] for name in _PARTS if name in splits})


def _no_captions(folder: pathlib.Path) -> InputError:
    return InputError(f"Expected {_LAYOUTS}. Received: no captions in {folder}.")


def _read_part(folder: pathlib.Path, source: pathlib.Path) -> list[CaptionedImage]:
    listing = folder / METADATA_FILE
    images = read_metadata(listing) if listing.is_file() else _read_sidecars(folder)
    names = collections.Counter(image.path for image in images)
    twice = next((path for path, count in names.items() if count > 1), None)
    if twice is not None:
        raise InputError(
            f"Expected every image once in {listing}, its captions in one list. Received: "
            f"{twice} {names[twice]} times."
        )
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


def _divide(images: list[CaptionedImage], test_fraction: float) -> dict[str, list[CaptionedImage]]:
    def group_of(image):
        return image.file_name if image.class_id is None else class_name(image.class_id)

    groups = {group_of(image) for image in images}
    count = min(round(len(groups) * test_fraction), len(groups) - 1)
    if test_fraction > 0 and len(groups) > 1:
        count = max(count, 1)
    held_out = first_by_hash(groups, count)
    splits = {"train": [], "test": []}
    for image in images:
        splits["test" if group_of(image) in held_out else "train"].append(image)
    return splits


def class_name(class_id: int) -> str:
    """Returns what a class is called where classes are held out."""
    return f"class {class_id}"


def first_by_hash(names: Iterable[str], count: int) -> set[str]:
    """Returns `count` of the names, which do not depend on the order they come in."""
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def _with_classes(
    splits: dict[str, list[CaptionedImage]],
) -> dict[str, list[CaptionedImage]]:
    """Gives every image without a class one of its own."""
    given = [image.class_id for images in splits.values() for image in images]
    next_id = max((class_id for class_id in given if class_id is not None), default=-1) + 1
    if next_id + given.count(None) > _MOST_CLASSES:
        raise InputError(
            f"Expected class ids that leave numbers below {_MOST_CLASSES} for the "
            f"{given.count(None)} images without one. Received: {next_id - 1} as the largest. Give "
            "every image a class_id, or smaller ones."
        )
    result = {}
    for name, images in splits.items():
        result[name] = []
        for image in images:
            if image.class_id is None:
                image = dataclasses.replace(image, class_id=next_id)
                next_id += 1
            result[name].append(image)
    return result
