"""MS-COCO 2014 with five captions an image, in the layouts people have."""

import json
import os
import pathlib
from collections.abc import Iterable

from dmgan_tf.data import release_metadata
from dmgan_tf.data.image_folder import CaptionedImage
from dmgan_tf.data.release_metadata import PublishedSource
from dmgan_tf.errors import InputError

CAPTIONS_PER_IMAGE = 5
PUBLISHED_COUNTS = {"train": (82_783, None), "test": (40_504, None)}  # images; no classes

_PART_OF = {"train": "train2014", "test": "val2014"}


def read_coco(source: str | os.PathLike) -> PublishedSource:
    """Lists the images with their first five captions, each image a class of its own.

    Args:
        source: A folder with either `annotations/captions_train2014.json` and
            `captions_val2014.json`, or the metadata archive of AttnGAN and DM-GAN: `text/`,
            `train/filenames.pickle` and `test/filenames.pickle`. The latter go first if both are
            there. The images lie in `train2014/` and `val2014/`, in the folder itself or in its
            `images/`, or all of them in `images/`.

    Returns:
        `train` and, of val2014, `test`, in the order of the lists.

    Raises:
        InputError: If a part is missing, or two do not fit together.
    """
    source = pathlib.Path(source)
    if not source.is_dir():
        raise InputError(f"Expected the folder of COCO 2014 at {source}. Received: no folder.")
    lists = {
        split: source / split / release_metadata.FILE_NAMES for split in release_metadata.SPLITS
    }
    as_released = any(path.is_file() for path in lists.values())
    splits, first_class = {}, 0
    for split in release_metadata.SPLITS:
        folders = _image_folders(source, _PART_OF[split])
        if as_released:
            splits[split] = _read_lists(lists[split], source / "text", folders, first_class)
        else:
            splits[split] = _read_json(
                source / f"annotations/captions_{_PART_OF[split]}.json", folders, first_class
            )
        first_class += len(splits[split])
    release_metadata.check_disjoint(splits, str(source))
    pickle = source / release_metadata.CAPTIONS_PICKLE
    return PublishedSource(
        splits=splits,
        captions_pickle=pickle if pickle.is_file() else None,
        in_release_order=as_released,
        origin=str(source if as_released else source / "annotations"),
    )


def _image_folders(source: pathlib.Path, part: str) -> dict[pathlib.Path, frozenset[str]]:
    """The folders that may hold the images, with the names in them."""
    candidates = (source / part, source / "images" / part, source / "images")
    folders = {path: frozenset(os.listdir(path)) for path in candidates if path.is_dir()}
    if not folders:
        raise InputError(
            f"Expected the images in {', '.join(map(str, candidates[:-1]))} or {candidates[-1]}. "
            f"Received: no such folder. Unpack {part}.zip of COCO 2014 there."
        )
    return folders


def _path_of(file_name: str, folders: dict[pathlib.Path, frozenset[str]]) -> pathlib.Path:
    holding = (folder for folder, names in folders.items() if file_name in names)
    return next(holding, next(iter(folders))) / file_name


def _read_lists(listing, text, folders, first_class) -> list[CaptionedImage]:
    if not listing.is_file():
        raise InputError(
            f"Expected {listing}, the list of the images. Received: no such file. It is part of "
            "the metadata archive for COCO of AttnGAN and DM-GAN."
        )
    names = release_metadata.read_file_names(listing)
    return [
        CaptionedImage(
            path=_path_of(f"{name}.jpg", folders),
            file_name=f"{name}.jpg",
            captions=release_metadata.read_caption_file(text / f"{name}.txt", CAPTIONS_PER_IMAGE),
            class_id=class_id,
        )
        for class_id, name in enumerate(names, start=first_class)
    ]


def _read_json(path: pathlib.Path, folders, first_class) -> list[CaptionedImage]:
    content = _load_json(path)
    try:
        captions = _captions_by_image(content["annotations"])
        names = [(image["file_name"], captions.get(image["id"], [])) for image in content["images"]]
    except (KeyError, TypeError) as error:
        raise _unexpected(path, f"no {error} where one belongs") from error
    if not names or not all(type(name) is str and "/" not in name for name, _ in names):
        raise _unexpected(path, "no images, or other names than those of files")
    return [
        CaptionedImage(
            path=_path_of(name, folders),
            file_name=name,
            captions=release_metadata.usable_captions(
                texts, CAPTIONS_PER_IMAGE, f"{path} for {name}"
            ),
            class_id=class_id,
        )
        for class_id, (name, texts) in enumerate(names, start=first_class)
    ]


def _load_json(path: pathlib.Path) -> dict:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"Expected {path}, or the lists train/{release_metadata.FILE_NAMES} and "
            f"test/{release_metadata.FILE_NAMES} of AttnGAN and DM-GAN. Received: neither. Unpack "
            "annotations_trainval2014.zip of COCO 2014 there."
        ) from None
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise _unexpected(path, f"no JSON ({error}); get the file again") from error


def _captions_by_image(annotations: Iterable[dict]) -> dict[int, list[str]]:
    captions = {}
    for annotation in annotations:
        if type(annotation["caption"]) is not str:
            raise TypeError("text")
        captions.setdefault(annotation["image_id"], []).append(annotation["caption"])
    return captions


def _unexpected(path: pathlib.Path, what: str) -> InputError:
    return InputError(
        f'Expected COCO\'s captions in {path}: "images" with "id" and "file_name", "annotations" '
        f'with "image_id" and "caption". Received: {what}.'
    )
