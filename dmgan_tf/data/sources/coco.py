"""MS-COCO 2014 with five captions per image, in the usual layouts."""

import itertools
import json
import os
import pathlib
import re

from dmgan_tf.data.sources import release_metadata
from dmgan_tf.data.sources.account import IMAGE_SUFFIXES
from dmgan_tf.data.sources.published import CAPTIONS_PICKLE, PublishedSource
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError, first_line

CAPTIONS_PER_IMAGE = 5

_PART_OF = {"train": "train2014", "test": "val2014"}
_RELEASED_NAME = re.compile(r"COCO_(train2014|val2014)_[^/]+")


class COCO(PublishedSource):
    """The images with their first five captions, each its own class, in the order of lists.

    Args:
        directory: A folder with either `annotations/captions_train2014.json` and
            `captions_val2014.json`, or the metadata archive of AttnGAN and DM-GAN:
            `train/filenames.pickle`, `test/filenames.pickle` and the texts, NAME.txt, in `text/`,
            `text/train2014/` and `text/val2014/`, or, as they are unpacked, `train2014/` and
            `val2014/`. The archive is used if both exist. The images are in `train2014/` and
            `val2014/`, in the folder itself or in its `images/`, or all of them in `images/`.
        test_fraction: Not used: the test images are those of val2014.
    """

    name = "coco"
    published_counts = {"train": (82_783, None), "test": (40_504, None)}  # each image is a class

    def __init__(self, directory: str | os.PathLike, test_fraction: float = 0.1):
        super().__init__(directory, test_fraction)
        source = self.directory
        self.lists = {split: source / split / release_metadata.FILE_NAMES for split in _PART_OF}
        self.in_release_order = any(path.is_file() for path in self.lists.values())
        if not self.in_release_order:
            self.lists = {
                split: source / f"annotations/captions_{part}.json"
                for split, part in _PART_OF.items()
            }
        pickle = source / CAPTIONS_PICKLE
        self.vocabulary_file = pickle if pickle.is_file() else None

    def list_images(self) -> dict[str, list[CaptionedImage]]:
        """Returns the images of `train` and `test`.

        Raises:
            InputError: If a part is missing, or two do not match.
        """
        if self.in_release_order:
            listed = _read_lists(self.lists, self.directory, self.files_read)
        else:
            listed = {split: _read_json(path) for split, path in self.lists.items()}
        self.files_read.update(self.lists.values())
        splits, first_class = {}, 0
        for split, images in listed.items():
            folders = _image_folders(self.directory, _PART_OF[split])
            splits[split] = [
                CaptionedImage(_path_of(name, folders), name, captions, class_id)
                for class_id, (name, captions) in enumerate(images, start=first_class)
            ]
            first_class += len(images)
        return splits


def _names_in(candidates: tuple[pathlib.Path, ...]) -> dict[pathlib.Path, frozenset[str]]:
    return {path: frozenset(os.listdir(path)) for path in candidates if path.is_dir()}


def _image_folders(source: pathlib.Path, part: str) -> dict[pathlib.Path, frozenset[str]]:
    """The folders that may contain the images, with the names in them."""
    candidates = (source / part, source / "images" / part, source / "images")
    folders = {
        path: names
        for path, names in _names_in(candidates).items()  # one may contain only texts
        if any(pathlib.PurePath(name).suffix.lower() in IMAGE_SUFFIXES for name in names)
    }
    if not folders:
        raise InputError(
            f"Expected the images in {', '.join(map(str, candidates[:-1]))} or {candidates[-1]}. "
            f"Received: no images there. Unpack {part}.zip of COCO 2014 in {source}."
        )
    return folders


def _path_of(file_name: str, folders: dict[pathlib.Path, frozenset[str]]) -> pathlib.Path:
    holding = (folder for folder, names in folders.items() if file_name in names)
    return next(holding, next(iter(folders))) / file_name


def _read_lists(lists, source, files_read) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Returns the name and the captions of each image of each split; records the files read."""
    names_of = {split: _read_list(path) for split, path in lists.items()}
    text = source / "text"
    folders = {part: _names_in((text, text / part, source / part)) for part in _PART_OF.values()}

    def captions_of(name):
        part = _RELEASED_NAME.fullmatch(name)[1]
        file_name = f"{name}.txt"
        if not any(file_name in names for names in folders[part].values()):
            raise InputError(
                f"Expected the captions {file_name} in {text}, {text / part} or {source / part}. "
                "Received: no such file. Unpack train2014-text.zip and val2014-text.zip of the "
                f"metadata archive for COCO in {source}."
            )
        path = _path_of(file_name, folders[part])
        files_read.add(path)
        return release_metadata.read_caption_file(path, CAPTIONS_PER_IMAGE)

    return {
        split: [(f"{name}.jpg", captions_of(name)) for name in names]
        for split, names in names_of.items()
    }


def _read_list(path: pathlib.Path) -> list[str]:
    if not path.is_file():
        raise InputError(
            f"Expected {path}, the list of the images. Received: no such file. It is part of "
            "the metadata archive for COCO of AttnGAN and DM-GAN."
        )
    names = release_metadata.read_file_names(path)
    for name in names:
        if not _RELEASED_NAME.fullmatch(name):
            raise InputError(
                f"Expected names such as COCO_train2014_000000000009 in {path}. Received: "
                f"{name[:80]!r}. Take the metadata archive for COCO of AttnGAN and DM-GAN; birds "
                "are prepared with --dataset=cub."
            )
    return names


def _read_json(path: pathlib.Path) -> list[tuple[str, tuple[str, ...]]]:
    """Returns the name and the captions of each image."""
    try:
        content = json.loads(path.read_bytes())
        texts = {}
        for annotation in content["annotations"]:
            texts.setdefault(annotation["image_id"], []).append(annotation["caption"])
        listed = [(image["file_name"], texts.get(image["id"], [])) for image in content["images"]]
        names = [name for name, _ in listed]
        if not all(isinstance(text, str) for text in itertools.chain(names, *texts.values())):
            raise TypeError("a name or a caption that is not text")
        if not names or any("/" in name for name in names):
            raise ValueError("no images, or other names than those of files")
    except FileNotFoundError:
        raise InputError(
            f"Expected {path}, or the lists train/{release_metadata.FILE_NAMES} and "
            f"test/{release_metadata.FILE_NAMES} of AttnGAN and DM-GAN. Received: neither. Unpack "
            f"annotations_trainval2014.zip of COCO 2014 in {path.parent.parent}."
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error}. Unpack annotations_trainval2014.zip again."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f'Expected COCO\'s captions in {path}: "images" with "id" and "file_name", '
            '"annotations" with "image_id" and "caption". Received: '
            f"{type(error).__name__}, {first_line(error)}. Get the file again: it is in "
            "annotations_trainval2014.zip of COCO 2014."
        ) from error
    release_metadata.check_names(names, path)
    return [
        (
            name,
            release_metadata.usable_captions(captions, CAPTIONS_PER_IMAGE, f"{path} for {name}"),
        )
        for name, captions in listed
    ]
