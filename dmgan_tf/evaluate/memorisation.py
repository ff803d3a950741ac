"""Memorisation: distances from drawn pictures to those of training, and a sheet of the nearest."""

import numpy as np
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.images import ImageSource
from dmgan_tf.evaluate.judge import Judge
from dmgan_tf.evaluate.score import Score, Settings
from dmgan_tf.evaluate.scoring import measure_reference
from dmgan_tf.figures.contact_sheet import contact_sheet
from dmgan_tf.metrics.memorisation import (
    QUANTILE,
    NearestNeighbours,
    near_copies,
    nearer_share,
)

NUM_NEIGHBOURS = 3
_ON_SHEET = 24


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
        nearer, copies = (share(drawn, self._real) for share in (nearer_share, near_copies))
        warnings = ()
        if copies[0] == 0:
            warnings = (f"no near copy: at 95 % confidence, fewer than {300 / len(drawn):.2g} %",)
        return [
            self._score("memorisation", nearer, 50.0, len(drawn)),
            self._score("near_copies", copies, 100 * QUANTILE, len(drawn), warnings),
        ]

    def _score(self, metric, result, of_real, num_images, warnings=()):
        share, error = result
        return Score(
            metric,
            protocol=self.network.name,
            value=100 * share,
            standard_error=100 * error,
            num_images=num_images,
            num_reference=len(self._real),
            chance=of_real,
            warnings=warnings,
        )

    def sheet(self) -> Image.Image:
        distances, neighbours = self._nearest.distances, self._nearest.places
        places = np.argsort(distances[:, 0], kind="stable")[:_ON_SHEET]
        found = self._training.at(neighbours[places].ravel())
        rows = [
            [picture, *found[row * NUM_NEIGHBOURS : (row + 1) * NUM_NEIGHBOURS]]
            for row, picture in enumerate(self._images.at(places))
        ]
        captions = []
        for place in places:
            text = ", ".join(f"{distance:.3f}" for distance in distances[place])
            if self._images.plan is not None:
                text = f"{self._images.plan.texts(place, place + 1)[0]}: {text}"
            captions.append(text)
        title = (
            f"The {len(places)} of {len(distances):,} scored pictures that are nearest to a "
            f"training picture. Left: the picture; beside it, the {NUM_NEIGHBOURS} nearest of "
            f"{len(self._features):,} training pictures, at these cosine distances of "
            f"{self.network.name}. Median distance to the nearest: {np.median(distances[:, 0]):.3f}"
            f"; for real pictures not used in training: {np.median(self._real):.3f}."
        )
        return contact_sheet(rows, captions, title=title)
