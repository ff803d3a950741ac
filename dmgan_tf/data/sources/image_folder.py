"""Captioned images in a folder, in the usual layouts."""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Sequence

from dmgan_tf.data.sources.metadata_file import (
    CAPTION_FIELD,
    METADATA_FILE,
    cleaned,
    is_text,
    read_metadata,
)
from dmgan_tf.data.sources.sidecars import match_sidecars, read_sidecar
from dmgan_tf.data.sources.source import IMAGE_SUFFIXES, SPLITS, CaptionedImage, Source
from dmgan_tf.data.sources.split_folders import (
    Parts,
    folder_of_splits,
    split_of_folder,
    unused_folders,
)
from dmgan_tf.errors import InputError

BESIDE_SPLITS = "beside the folders of the splits"
BELOW_ANOTHER = f"{METADATA_FILE} below another"

_EMBEDDED = "emoji"  # the name of the embedded data set, instead of a folder
_LAYOUTS = (
    f"a {METADATA_FILE} (one JSON object a line: file_name, text, optional class_id), in the "
    "folder or in its train/, test/ and validation/, or a NAME.txt of captions beside each NAME.jpg"
)
_NAMES_SHOWN = 3
_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Found:
    """An image and its location.

    Args:
        image: The image; without its captions if they are in a separate file.
        folder: The folder that determines its split.
        captions: The file that has its captions.
        list_folder: The folder of that file if it lists images; None if it is of this image only.
    """

    image: CaptionedImage
    folder: Parts
    captions: pathlib.Path
    list_folder: Parts | None = None


class ImageFolder(Source):
    """A folder of images with a `metadata.jsonl`, or with a text file of captions beside each.

    Images in `train/`, `test/` and `validation/` keep that split, whether the captions are in these
    folders or above them; other spellings of the names, such as `val` or `Test`, work. Without a
    test folder, test images are held out by class, or by image.

    Args:
        directory: The folder, in one of the layouts of `prepare_data --help`; `"emoji"` for the
            data set that ships with the package.
        test_fraction: As for `Source`.
        caption_field: The field of a `metadata.jsonl` that has the captions.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        test_fraction: float = 0.1,
        caption_field: str = CAPTION_FIELD,
    ):
        embedded = str(directory) == _EMBEDDED
        super().__init__(embedded_dataset_path() if embedded else directory, test_fraction)
        self.caption_field = caption_field

    def list_images(self) -> dict[str, list[CaptionedImage]]:
        """Returns the images of the splits that the folder has.

        Raises:
            InputError: If there are no captions in it, or a line cannot be read.
        """
        found = [*self._in_lists(), *self._with_sidecars()]
        if not found:
            raise InputError(f"Expected {_LAYOUTS}. Received: no captions in {self._contents()}.")
        above = folder_of_splits([one.folder for one in found])
        splits = self._divided(found, above)
        if not splits["train"]:
            raise InputError(
                f"Expected images to train on in {self.directory}. Received: captions of "
                f"{' and '.join(name for name in splits if splits[name])} images only. To train "
                "on them, give their own folder as --source."
            )
        return {name: [self._complete(one) for one in images] for name, images in splits.items()}

    def _in_lists(self) -> list[_Found]:
        """The images of every `metadata.jsonl` that is not below another."""
        lists = [path for path in self.listing.files if _is_list(path)]
        folders = {path.parent for path in lists}
        found = []
        for path in lists:
            if not folders.isdisjoint(path.parent.parents):
                self.reasons[path] = BELOW_ANOTHER
                continue
            self.files_read.add(path)
            above = self._parts(path.parent)
            for image in read_metadata(path, self.caption_field, captions_needed=True):
                folder = self._parts(image.path.parent)
                if folder[: len(above)] != above or ".." in folder:
                    folder = above  # the image is elsewhere: the list's folder determines the split
                found.append(_Found(image, folder, path, above))
        return found

    def _with_sidecars(self) -> list[_Found]:
        """The images with captions beside them, where there is no list of images."""
        listed = {path.parent for path in self.listing.files if _is_list(path)}
        free = [path for path in self.listing.files if listed.isdisjoint(path.parents)]
        pairs, reasons = match_sidecars(free)
        self.reasons |= reasons
        return [
            _Found(CaptionedImage(path, path.name, (), None), self._parts(path.parent), captions)
            for path, captions in pairs
        ]

    def _divided(self, found: Sequence[_Found], above: Parts) -> dict[str, list[_Found]]:
        """The images by split: that of the folder, or training where the name is no split's.

        Where one folder has the training images, others beside it are of no split; unless a list
        above them all names their images.
        """
        named = [split_of_folder(one.folder, above) for one in found]
        splits = {name: [] for name in SPLITS if name in {"train", *named}}
        for one, name in zip(found, named, strict=True):
            if name is None and "train" in named and not _is_listed_above(one, above):
                self.reasons |= {one.image.path: BESIDE_SPLITS, one.captions: BESIDE_SPLITS}
                self.files_read.discard(one.captions)
            else:
                splits[name or "train"].append(one)
        folders = map(self._parts, self.listing.folders)
        unused = unused_folders(folders, [one.folder for one in found], above)
        if not any(_is_listed_above(one, above) for one in found):
            for folder, name in unused.items():
                if name in ("train", "validation"):
                    where = self.directory.joinpath(*folder)
                    raise InputError(f"Expected {_LAYOUTS}. Received: no captions in {where}.")
            if "test" in unused.values():
                splits.setdefault("test", [])
        if unused:
            self._warn_of(["/".join(folder) for folder in unused])
        return splits

    def _warn_of(self, folders: Sequence[str]) -> None:
        shown = ", ".join(f"{name}/" for name in folders[:_NAMES_SHOWN])
        others = len(folders) - _NAMES_SHOWN
        _logger.warning(
            "In %s, %s%s look like splits, but are not used as such. The folders of splits must be "
            "side by side, as train/, validation/ and test/, and their images need captions.",
            *(self.directory, shown, f" and {others} more" if others > 0 else ""),
        )

    def _complete(self, one: _Found) -> CaptionedImage:
        """An image with its captions and its name relative to the source."""
        captions = one.image.captions
        if one.list_folder is None:
            self.files_read.add(one.captions)
            captions = cleaned(read_sidecar(one.captions))
        name = os.path.relpath(one.image.path, self.directory).replace("\\", "/")
        if not is_text(name):
            raise InputError(
                f"Expected names in UTF-8 in {self.directory}. Received: {str(one.image.path)!r}. "
                "Rename it."
            )
        path = self.listing.find(one.image.path) or one.image.path
        return dataclasses.replace(one.image, path=path, file_name=name, captions=captions)

    def _parts(self, folder: pathlib.Path) -> Parts:
        return pathlib.PurePath(os.path.relpath(folder, self.directory)).parts

    def _contents(self) -> str:
        """The content of the folder, for the message that it has no captions."""
        files = self.listing.files
        images = sum(path.suffix.lower() in IMAGE_SUFFIXES for path in files)
        others = [path.name for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]
        shown = ", ".join(map(repr, others[:_NAMES_SHOWN])) + (
            ", ..." * (len(others) > _NAMES_SHOWN)
        )
        return f"{self.directory}, which has {images} images" + (f" and {shown}" if others else "")


def embedded_dataset_path() -> pathlib.Path:
    """Returns the image folder that ships with the package: emoji of animals, nature and food."""
    return pathlib.Path(__file__).parent.parent / _EMBEDDED


def read_image_folder(
    source: str | os.PathLike, test_fraction: float = 0.1
) -> dict[str, list[CaptionedImage]]:
    """Returns the images by split of an `ImageFolder`, as its `read` does."""
    return ImageFolder(source, test_fraction).read()


def _is_list(path: pathlib.Path) -> bool:
    return path.name.casefold() == METADATA_FILE


def _is_listed_above(one: _Found, above: Parts) -> bool:
    """Whether a list in the folder of the splits, or above it, names the image."""
    return one.list_folder is not None and len(one.list_folder) <= len(above)
