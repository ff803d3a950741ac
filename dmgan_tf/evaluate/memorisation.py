"""Memorisation: how near drawn pictures lie to those of training, and a sheet that shows it."""

import numpy as np
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.images import ImageSource
from dmgan_tf.evaluate.judge import Judge
from dmgan_tf.evaluate.score import Score, Settings
from dmgan_tf.evaluate.scoring import measure_reference
from dmgan_tf.figures.contact_sheet import contact_sheet
from dmgan_tf.metrics.memorisation import NearestNeighbours, near_copies, nearer_share

NUM_NEIGHBOURS = 3
_ON_SHEET = 24
_QUANTILE = 0.05


class MemorisationJudge(Judge):
    """Training pictures, and the distances from them by the features of one network.

    Args:
        network: Whose features are compared, by their cosine.
        training: The training pictures, at the size of the scored ones.

    Raises:
        InputError: If there are too few training pictures.
    """

    def __init__(self, network: FeatureNetwork, training: ImageSource):
        if training.num_images < NUM_NEIGHBOURS:
            raise InputError(
                f"Expected at least {NUM_NEIGHBOURS} training images for memorisation. Received: "
                f"{training.num_images}. Give --data=DIR of more."
            )
        self.name = f"memorisation_{network.name}"
        self.network = network
        self.description = {
            "distance": f"1 - cosine of the features of {network.name}",
            "training": {**training.description(), "num_images": training.num_images},
        }
        self._training = training

    def prepare(self, references: dict, **options) -> None:
        measured = measure_reference(
            self._training, [self.network], ["memorisation"], title="training images", **options
        )
        self._features = measured[self.network.name].features
        real = NearestNeighbours(self._features, 1)
        real.update(references[self.network.name].features)
        self._real = real.distances[:, 0]

    def begin(self, images: ImageSource) -> NearestNeighbours:
        self._images = images
        self._nearest = NearestNeighbours(self._features, NUM_NEIGHBOURS)
        return self._nearest

    def scores(self, gathered: NearestNeighbours, settings: Settings) -> list[Score]:
        drawn = gathered.distances[:, 0]
        found = {
            "memorisation": (nearer_share(drawn, self._real), 50.0),
            "near_copies": (near_copies(drawn, self._real, _QUANTILE), 100 * _QUANTILE),
        }
        return [
            Score(
                metric,
                protocol=self.network.name,
                value=100 * share,
                standard_error=100 * error,
                num_images=len(drawn),
                num_reference=len(self._real),
                chance=of_real,
            )
            for metric, ((share, error), of_real) in found.items()
        ]

    def sheet(self) -> Image.Image:
        distances, neighbours = self._nearest.distances, self._nearest.places
        places = np.argsort(distances[:, 0], kind="stable")[:_ON_SHEET]
        rows, captions = [], []
        for place in places:
            found = [picture_at(self._training, int(other)) for other in neighbours[place]]
            rows.append([picture_at(self._images, int(place)), *found])
            text = f"{', '.join(f'{distance:.3f}' for distance in distances[place])}"
            if self._images.plan is not None:
                text = f"{self._images.plan.texts(place, place + 1)[0]}: {text}"
            captions.append(text)
        title = (
            f"The {len(places)} of {len(distances):,} scored pictures that are nearest to a "
            f"training picture. Left: the picture; beside it, the {NUM_NEIGHBOURS} nearest of "
            f"{len(self._features):,} training pictures, at these cosine distances of "
            f"{self.network.name}. Median distance to the nearest: {np.median(distances[:, 0]):.3f}"
            f"; of real pictures that training did not see: {np.median(self._real):.3f}."
        )
        return contact_sheet(rows, captions, title=title)


def picture_at(images: ImageSource, place: int) -> np.ndarray:
    """Returns one image of a source, uint8 `(height, width, 3)`."""
    return next(images.batches(place, 1))[0]
