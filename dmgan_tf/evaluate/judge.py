"""What finds something out about images in the pass over them that all metrics share."""

import abc
from typing import Protocol

import numpy as np
from PIL import Image

from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.images import ImageSource
from dmgan_tf.evaluate.score import Score, Settings


class Accumulator(Protocol):
    """What the features of every image go into, batch by batch, and can be saved in between."""

    def update(self, features: np.ndarray) -> None: ...

    def state(self) -> dict[str, np.ndarray]: ...

    def restore(self, state: dict[str, np.ndarray]) -> None: ...


class Judge(abc.ABC):
    """A network, what is gathered of its features, and the scores that come of it.

    Attributes:
        name: Unlike that of any other judge of the evaluation.
        network: uint8 images to `{"features": ...}`.
        description: For the report, and for telling an interrupted evaluation from another: a
            dict of JSON values that holds whatever the scores depend on.
        images: The images that it wants; None for those that the other metrics score.
    """

    name: str
    network: FeatureNetwork
    description: dict
    images: ImageSource | None = None

    def prepare(self, references: dict, **options) -> None:  # noqa: B027  most need nothing
        """Does what takes long and needs no scored image.

        Args:
            references: The `Reference` of each network, by name.
            **options: `settings`, `strategy`, `partial_path` and `show_progress`, as
                `measure_reference` takes them.
        """

    @abc.abstractmethod
    def begin(self, images: ImageSource) -> Accumulator:
        """Returns what gathers the features of these images, in order."""

    @abc.abstractmethod
    def scores(self, gathered: Accumulator, settings: Settings) -> list[Score]:
        """Returns the scores, once the features of all images are gathered."""

    def sheet(self) -> Image.Image | None:
        """Returns a picture of what was found, to lie beside the report; None where none is."""
        return None
