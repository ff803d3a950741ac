"""Sources of scored images: a model or a prepared data set; `folder_images` has the third.

Every source yields uint8 images in a fixed order and can start at any of them.
"""

import abc
import copy
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from dmgan_tf.data import stored
from dmgan_tf.data.readable import reading
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import CaptionPlan
from dmgan_tf.evaluate.features import weights_sha256
from dmgan_tf.evaluate.replicas import OverReplicas
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.text_to_image import DMGANTextToImage, noise_rows, padded_token_ids

_NAMES_KEPT = 20  # in a report, of each reason


class ImageSource(abc.ABC):
    """Images to score.

    Attributes:
        num_images: How many there are.
        plan: The `CaptionPlan` that says what each shows; None if that is not known.
        left_out: Of a folder, the names of its other files by the reason why they are not images.
    """

    num_images: int
    plan: CaptionPlan | None
    left_out: Mapping[str, Sequence[str]] | None = None

    @abc.abstractmethod
    def batches(self, start: int, batch_size: int) -> Iterator[np.ndarray]:
        """Yields uint8 `(up to batch_size, height, width, 3)`, from image `start` to the end."""

    def at(self, places: Sequence[int]) -> list[np.ndarray]:
        """Returns single images, uint8 `(height, width, 3)`, by their indices."""
        return [next(self.batches(int(place), 1))[0] for place in places]

    @abc.abstractmethod
    def description(self) -> dict:
        """Returns what another run needs to score the same images: a dict of JSON values."""

    def counted(self) -> dict:
        """Returns the description, with the numbers of images and of files left out."""
        counts = {"num_images": self.num_images}
        if self.left_out is not None:
            counts["left_out"] = {
                reason: {"count": len(names), "names": list(names[:_NAMES_KEPT])}
                for reason, names in self.left_out.items()
            }
        return self.description() | counts


class GeneratedImages(ImageSource):
    """Images that a model draws from the captions of a plan.

    Image i is drawn with the noise of `seed` and i, as in `DMGANTextToImage.generate`: it depends
    on its caption, the seed and i, not on batches or devices.

    Args:
        model: A `DMGANTextToImage`; made in the strategy's scope if that has several replicas.
        plan: The captions to draw.
        seed: Of the noise, from 0 to 2**32 - 1.
        strategy: A `tf.distribute.Strategy`.
        details: Further entries of the description, such as the path of the model.

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
        for caption in drawn:  # a caption without a known word is reported before hours of drawing
            model.tokenizer.encode(caption)

    def draw_with(self, model: DMGANTextToImage, **details) -> None:
        """Draws with a rewritten form of the model, which computes the same.

        Args:
            model: A `DMGANTextToImage`.
            details: Its entries in the description.
        """
        self.model = model
        self._details |= details

    def of_plan(self, plan: CaptionPlan) -> "GeneratedImages":
        """Returns images that the same model draws by another plan of the same captions."""
        others = copy.copy(self)  # with the traced graphs
        others.plan, others.num_images = plan, len(plan.rows)
        return others

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


class StoredImages(ImageSource):
    """The real images of a prepared data set.

    Args:
        directory: What `prepare_data` wrote.
        split: `train`, `validation` or `test`.
        size: Height and width wanted, in pixels.
        crop: Whether to take the middle 64/76 of the shorter side, on the scale of training's
            crops; if not, the largest square in the middle.
        num_images: How many to use, the first ones; None for all.
        plan: What they show, if needed.

    Raises:
        InputError: If there is no such data, or fewer images than requested.
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

    def at(self, places: Sequence[int]) -> list[np.ndarray]:
        wanted = np.unique(places)
        images = stored.stored_images(
            self._info.directory, **self._options, batch_size=len(wanted), places=wanted
        )
        with reading(self._info, split=self._options["split"]):
            (found,) = images.as_numpy_iterator()
        return list(found[np.searchsorted(wanted, places)])

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
