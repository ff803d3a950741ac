"""Measurements of images in the one pass that all metrics share."""

import abc
from typing import Protocol

import numpy as np
from PIL import Image

from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.images import ImageSource
from dmgan_tf.evaluate.score import Score, Settings


class Accumulator(Protocol):
    """Accumulates the features of every image, batch by batch; can be saved in between."""

    def update(self, features: np.ndarray) -> None: ...

    def state(self) -> dict[str, np.ndarray]: ...

    def restore(self, state: dict[str, np.ndarray]) -> None: ...


class Judge(abc.ABC):
    """A network, the accumulator of its features, and the scores computed from them.

    Attributes:
        name: Unique among the judges of the evaluation.
        network: uint8 images to `{"features": ...}`.
        description: For the report, and to identify an interrupted evaluation: a dict of JSON
            values that contains everything the scores depend on.
        images: The images that it needs; None for those that the other metrics score.
    """

    name: str
    network: FeatureNetwork
    description: dict
    images: ImageSource | None = None

    def prepare(self, references: dict, **options) -> None:  # noqa: B027  most need nothing
        """Does the long work that needs no scored image.

        Args:
            references: The `Reference` of each network, by name.
            **options: `settings`, `strategy`, `partial_path` and `show_progress`, as
                `measure_reference` takes them.
        """

    @abc.abstractmethod
    def begin(self, images: ImageSource) -> Accumulator:
        """Returns the accumulator for the features of these images, in order."""

    @abc.abstractmethod
    def scores(self, gathered: Accumulator, settings: Settings) -> list[Score]:
        """Returns the scores, once the features of all images are added."""

    def sheet(self) -> Image.Image | None:
        """Returns a picture of the result, to be saved beside the report, or None."""
        return None
