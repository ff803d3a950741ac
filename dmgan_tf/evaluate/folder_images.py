"""The pictures of a folder, as images to score, and the other files there."""

import collections
import concurrent.futures
import dataclasses
import datetime
import hashlib
import logging
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dmgan_tf.data.picture_file import (
    has_more_than_8_bits,
    open_picture,
    upright_rgb,
    upright_size,
)
from dmgan_tf.data.sources.account import IMAGE_SUFFIXES, reason_by_name
from dmgan_tf.data.sources.metadata_file import METADATA_FILE, read_metadata
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError, first_line
from dmgan_tf.evaluate.images import ImageSource
from dmgan_tf.files.folder_listing import FolderListing, list_folder

NOT_ASKED_FOR = "image beyond --num_images"
THE_LIST = "list of the images"

_logger = logging.getLogger(__name__)
_DECODING_THREADS = 8
_MOST_PIXELS = 2**24  # of a picture; 32 of them take 1.6 GB


class FolderImages(ImageSource):
    """The pictures of a folder, made by any program, in the order of their names.

    A `metadata.jsonl`, as `--save_images` writes one, gives their order, captions and classes.
    `left_out` names all other files of the folder.

    Args:
        directory: The folder, listed by `files.folder_listing`.
        num_images: How many to use, the first ones; None for all.

    Raises:
        InputError: If there is no picture, or fewer than requested, or they differ in size.
    """

    def __init__(self, directory: str | os.PathLike, num_images: int | None = None):
        self.directory = pathlib.Path(directory)
        if not self.directory.is_dir():
            raise InputError(f"Expected a folder of images at {directory}. Received: no folder.")
        listing = list_folder(self.directory)
        entries = self._listed(listing)
        self._entries = entries[:num_images]
        self.left_out = _left_out(listing, self._entries, entries)
        if not entries:
            raise InputError(
                f"Expected images ({', '.join(sorted(IMAGE_SUFFIXES))}) in {directory}. "
                f"Received: none. Left out: {_counts(self.left_out)}."
            )
        if num_images is not None and num_images > len(entries):
            raise InputError(
                f"Expected {num_images} images in {directory}. Received: {len(entries)}. Give "
                f"--num_images of no more than that. Left out: {_counts(self.left_out)}."
            )
        self.num_images = len(self._entries)
        self.plan = None
        self.size = self._common_size()
        _logger.info(
            "%s: %d images; left out: %s", directory, self.num_images, _counts(self.left_out)
        )

    def captions_and_classes(self) -> tuple[list[str], list[int | None]] | None:
        """Returns the captions and class ids of the images, as `match_captions` takes them.

        None where an image has no caption; a class id is None where the metadata has none.
        """
        captions = [next(filter(None, entry.captions), None) for entry in self._entries]
        if not all(captions):
            return None
        return captions, [entry.class_id for entry in self._entries]

    def batches(self, start: int, batch_size: int) -> Iterator[np.ndarray]:
        with concurrent.futures.ThreadPoolExecutor(_DECODING_THREADS) as pool:
            firsts = range(start, self.num_images, batch_size)

            def submit(first):
                return [
                    pool.submit(self._read, entry)
                    for entry in self._entries[first : first + batch_size]
                ]

            following = submit(start)
            for first in firsts:
                current, following = following, submit(first + batch_size)
                yield np.stack([future.result() for future in current])

    def description(self) -> dict:
        digest, modified = hashlib.sha256(), 0.0
        for entry in self._entries:
            found = os.stat(entry.path)
            line = f"{entry.file_name}\0{found.st_size}\0"
            digest.update(line.encode("utf-8", "surrogateescape"))  # names need not be UTF-8
            modified = max(modified, found.st_mtime)
        height, width = self.size
        return {
            "kind": "folder",
            "path": str(self.directory),
            "image_size": height if height == width else [height, width],
            "listing_sha256": digest.hexdigest(),
            "modified": datetime.datetime.fromtimestamp(modified, datetime.UTC).isoformat(),
            **({"captions_sha256": self.plan.sha256()} if self.plan else {}),
        }

    def _listed(self, listing):
        metadata = self.directory / METADATA_FILE
        if metadata not in listing.files:
            return [
                CaptionedImage(path, path.relative_to(self.directory).as_posix(), (), None)
                for path in listing.files
                if path.suffix.lower() in IMAGE_SUFFIXES
            ]
        # A name may have another Unicode normalisation form than the file's own.
        entries = [
            dataclasses.replace(entry, path=listing.find(entry.path) or entry.path)
            for entry in read_metadata(metadata)
        ]
        paths = collections.Counter(entry.path for entry in entries)
        path, count = next(iter(paths.most_common(1)), (None, 0))
        if count > 1:
            raise InputError(
                f"Expected every image once in {metadata}, its captions in one list. Received: "
                f"{os.path.relpath(path, self.directory)} {count} times."
            )
        return entries

    def _common_size(self):
        """(height, width) of every image, read from the headers before scoring."""
        with concurrent.futures.ThreadPoolExecutor(_DECODING_THREADS) as pool:
            sizes = list(pool.map(self._size_of, (entry.path for entry in self._entries)))
        for entry, size in zip(self._entries, sizes, strict=True):
            if size != sizes[0]:
                self.size = sizes[0]
                raise self._other_size(entry, size)
        return sizes[0]

    def _other_size(self, entry, size):
        return InputError(
            f"Expected images of one size in {self.directory}. Received: "
            f"{self._entries[0].file_name} of {self.size[1]}x{self.size[0]} and "
            f"{entry.file_name} of {size[1]}x{size[0]} pixels. Resize them, or move those of "
            "another size out of the folder."
        )

    def _size_of(self, path):
        with self._opened(path) as image:
            if has_more_than_8_bits(image):
                raise InputError(
                    f"Expected images of 8 bits per channel in {self.directory}. Received: {path} "
                    f"with more (mode {image.mode}). Convert it, or move it out of the folder."
                )
            if image.width * image.height > _MOST_PIXELS:
                raise InputError(
                    f"Expected images of at most {_MOST_PIXELS} pixels in {self.directory}. "
                    f"Received: {path} of {image.width}x{image.height}. Move it out of the folder."
                )
            return upright_size(image)[::-1]

    def _read(self, entry):
        with self._opened(entry.path) as image:
            try:
                pixels = np.asarray(upright_rgb(image))
            except Exception as error:  # decoders raise many kinds
                raise self._unreadable(entry.path, error) from error
        if pixels.shape[:2] != self.size:
            raise self._other_size(entry, pixels.shape[:2])
        return pixels

    def _opened(self, path):
        try:
            if not path.is_file():
                raise FileNotFoundError("no file there")  # reading a pipe would block
            return open_picture(path)
        except Exception as error:  # decoders raise many kinds
            raise self._unreadable(path, error) from error

    def _unreadable(self, path, error):
        return InputError(
            f"Expected an image in {path}. Received: a file that cannot be read as one "
            f"({first_line(error)[:200]}). Remove or replace it."
        )


def _left_out(
    listing: FolderListing, used: Sequence[CaptionedImage], known: Sequence[CaptionedImage]
) -> dict[str, list[str]]:
    """The names of all entries of a folder that are not used, by reason."""
    used_paths, known_paths = ({entry.path for entry in entries} for entries in (used, known))
    by_reason = collections.defaultdict(list)
    for path in listing:
        if path in used_paths:
            continue
        if path in known_paths:
            reason = NOT_ASKED_FOR
        elif path == listing.root / METADATA_FILE:
            reason = THE_LIST
        elif path in listing.refused:
            reason = listing.refused[path]
        elif path in listing.not_looked_at:
            reason = listing.not_looked_at[path]
        else:
            reason = reason_by_name(path)
        by_reason[reason].append(path.relative_to(listing.root).as_posix())
    return dict(sorted(by_reason.items()))


def _counts(left_out: Mapping[str, Sequence[str]]) -> str:
    """How many files were left out and why, each kind with an example."""
    parts = (f"{len(names)} {why} ({names[0]})" for why, names in left_out.items())
    return first_line(InputError("; ".join(parts))) if left_out else "nothing"
