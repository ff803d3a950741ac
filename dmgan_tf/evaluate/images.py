"""Where scored images come from: a model, a folder of pictures, or a prepared data set.

Every source gives uint8 images in a fixed order and can begin at any of them.
"""

import abc
import collections
import concurrent.futures
import datetime
import hashlib
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from dmgan_tf.data import stored
from dmgan_tf.data.picture_file import (
    has_more_than_8_bits,
    open_picture,
    upright_rgb,
    upright_size,
)
from dmgan_tf.data.readable import reading
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.sources.image_folder import (
    IMAGE_SUFFIXES,
    METADATA_FILE,
    CaptionedImage,
    read_metadata,
)
from dmgan_tf.errors import InputError, first_line
from dmgan_tf.evaluate.captions import CaptionPlan
from dmgan_tf.evaluate.features import weights_sha256
from dmgan_tf.evaluate.replicas import OverReplicas
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.text_to_image import DMGANTextToImage, noise_rows, padded_token_ids

_DECODING_THREADS = 8
_MOST_PIXELS = 2**24  # of a picture; 32 of them take 1.6 GB


class ImageSource(abc.ABC):
    """Images to score.

    Attributes:
        num_images: How many there are.
        plan: The `CaptionPlan` that says what each shows; None if that is not known.
    """

    num_images: int
    plan: CaptionPlan | None

    @abc.abstractmethod
    def batches(self, start: int, batch_size: int) -> Iterator[np.ndarray]:
        """Yields uint8 `(up to batch_size, height, width, 3)`, from image `start` to the end."""

    @abc.abstractmethod
    def description(self) -> dict:
        """Returns what another run needs to score the same images: a dict of JSON values."""


class GeneratedImages(ImageSource):
    """Images that a model draws from the captions of a plan.

    Image i is drawn with the noise of `seed` and i, as in `DMGANTextToImage.generate`: by its
    caption, the seed and its place alone, however the work is cut and spread.

    Args:
        model: A `DMGANTextToImage`; made in the strategy's scope if that has several replicas.
        plan: The captions to draw.
        seed: Of the noise, from 0 to 2**32 - 1.
        strategy: A `tf.distribute.Strategy`.
        details: Further entries of the description, such as where the model lies.

    Raises:
        InputError: If a caption has no word that the model knows.
    """

    def __init__(
        self,
        model: DMGANTextToImage,
        plan: CaptionPlan,
        *,
        seed: int = 0,
        strategy: tf.distribute.Strategy | None = None,
        details: dict | None = None,
    ):
        self.model = model
        self.plan = plan
        self.num_images = len(plan.rows)
        self._seed = seed
        self._strategy = strategy or tf.distribute.get_strategy()
        self._details = dict(details or {})
        self._weights_sha256 = weights_sha256(model.text_encoder, model.generator)
        self._traced = {}
        drawn = [plan.captions[row] for row in np.unique(plan.rows)]
        model.tokenizer.warn_of_unknown(drawn)
        for caption in drawn:  # one without a known word is told of before hours of drawing
            model.tokenizer.encode(caption)

    def draw_with(self, model: DMGANTextToImage, **details) -> None:
        """Draws with a rewritten form of the model, which computes the same.

        Args:
            model: A `DMGANTextToImage`.
            details: What the description is to say of it.
        """
        self.model = model
        self._details |= details

    def batches(self, start: int, batch_size: int) -> Iterator[np.ndarray]:
        if batch_size not in self._traced:  # kept for another pass, with other weights
            self._traced[batch_size] = OverReplicas(self._draw, self._strategy, batch_size)
        draw = self._traced[batch_size]
        for first in range(start, self.num_images, batch_size):
            stop = min(first + batch_size, self.num_images)
            token_ids = padded_token_ids(self.model.tokenizer, self.plan.texts(first, stop))
            noise = noise_rows(self.model.generator, self._seed, range(first, stop))
            yield draw(token_ids, *noise)

    def _draw(self, token_ids, noise, condition_noise):
        encoded = self.model.text_encoder(token_ids)
        outputs = self.model.generator(generator_inputs(encoded, token_ids, noise, condition_noise))
        images = tf.cast(outputs["images"][-1], tf.float32)
        return tf.cast(tf.clip_by_value(tf.round((images + 1) * 127.5), 0, 255), tf.uint8)

    def description(self) -> dict:
        model = self.model
        return {
            "kind": "generated",
            **self._details,
            "image_size": model.generator.image_sizes[-1],
            "seed": self._seed,
            "precision": model.generator.dtype_policy.name,
            "weights_sha256": self._weights_sha256,
            "vocabulary_sha256": model.vocabulary.sha256,
            "captions_sha256": self.plan.sha256(),
        }


class FolderImages(ImageSource):
    """The pictures of a folder, made by any program, in the order of their names.

    A `metadata.jsonl`, as `--save_images` writes one, gives their order, captions and classes.

    Args:
        directory: The folder.
        num_images: How many to use; None for all.

    Raises:
        InputError: If there is no picture, or fewer than asked for, or they differ in size.
    """

    def __init__(self, directory: str | os.PathLike, num_images: int | None = None):
        self.directory = pathlib.Path(directory)
        if not self.directory.is_dir():
            raise InputError(f"Expected a folder of images at {directory}. Received: no folder.")
        self._entries = self._listed()
        if not self._entries:
            raise InputError(
                f"Expected images ({', '.join(sorted(IMAGE_SUFFIXES))}) in {directory}. "
                "Received: none."
            )
        if num_images is not None and num_images > len(self._entries):
            raise InputError(
                f"Expected {num_images} images in {directory}. Received: {len(self._entries)}. "
                "Give --num_images of no more than that."
            )
        self._entries = self._entries[:num_images]
        self.num_images = len(self._entries)
        self.plan = None
        self.size = self._common_size()

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

    def _listed(self):
        listing = self.directory / METADATA_FILE
        if listing.is_file():
            entries = read_metadata(listing)
            names = collections.Counter(entry.file_name for entry in entries)
            name, count = next(iter(names.most_common(1)), (None, 0))
            if count > 1:
                raise InputError(
                    f"Expected every image once in {listing}, its captions in one list. Received: "
                    f"{name} {count} times."
                )
            return entries
        return [
            CaptionedImage(path, path.relative_to(self.directory).as_posix(), (), None)
            for path in sorted(self.directory.rglob("*"))
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
        ]

    def _common_size(self):
        """(height, width) of every image, by their headers alone, before the work begins."""
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
                    f"Expected images of 8 bits a channel in {self.directory}. Received: {path} "
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
                raise FileNotFoundError("no file there")  # and of a pipe, one would wait for ever
            return open_picture(path)
        except Exception as error:  # decoders raise many kinds
            raise self._unreadable(path, error) from error

    def _unreadable(self, path, error):
        return InputError(
            f"Expected an image in {path}. Received: a file that cannot be read as one "
            f"({first_line(error)[:200]}). Remove or replace it."
        )


class StoredImages(ImageSource):
    """The real images of a prepared data set.

    Args:
        directory: What `prepare_data` wrote.
        split: `train`, `validation` or `test`.
        size: Height and width wanted, in pixels.
        crop: Whether to take the middle 64/76 of the shorter side, on the scale of training's
            crops; if not, the largest square in the middle.
        num_images: How many to use, the first ones; None for all.
        plan: What they show, if that is wanted.

    Raises:
        InputError: If there is no such data, or fewer images than asked for.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        split: str,
        *,
        size: int,
        crop: bool,
        num_images: int | None = None,
        plan: CaptionPlan | None = None,
    ):
        self._info = load_dataset_info(directory)
        stored_number = self._info.split(split).num_images
        if num_images is not None and num_images > stored_number:
            raise InputError(
                f"Expected {num_images} images in the split {split!r} of {directory}. Received: "
                f"{stored_number}. Give --num_images of no more than that."
            )
        self.num_images = num_images or stored_number
        self.plan = plan
        self._options = {"split": split, "size": size, "crop": crop}

    def batches(self, start: int, batch_size: int) -> Iterator[np.ndarray]:
        images = stored.stored_images(
            self._info.directory, **self._options, batch_size=batch_size, start=start
        )
        left = self.num_images - start
        with reading(self._info, split=self._options["split"]):
            for batch in images.as_numpy_iterator():
                if left <= 0:
                    return
                yield batch[:left]
                left -= len(batch)

    def description(self) -> dict:
        return {
            "kind": "data set",
            "path": str(self._info.directory),
            "name": self._info.name,
            "fingerprint": self._info.fingerprint,
            "split": self._options["split"],
            "image_size": self._options["size"],
            "crop": self._options["crop"],
            **({"captions_sha256": self.plan.sha256()} if self.plan else {}),
        }
