"""Diversity: distances between pictures of one caption, compared with real pictures."""

import dataclasses

import numpy as np

from dmgan_tf.data.stored import CaptionList
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import choose_captions
from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.images import GeneratedImages, ImageSource
from dmgan_tf.evaluate.judge import Judge
from dmgan_tf.evaluate.score import Score, Settings
from dmgan_tf.metrics.diversity import GroupDiversity, group_diversity, pair_diversity

PICTURES_OF_A_CAPTION = 8
MOST_CAPTIONS = 250  # a model draws; the standard error is then 2 to 3 % of the mean


class DiversityJudge(Judge):
    """The distances between pictures of one caption by the features of one network.

    Args:
        network: Whose features are compared, by their cosine.
        images: The pictures with their captions.

    Raises:
        InputError: If no caption has two pictures.
    """

    def __init__(self, network: FeatureNetwork, images: ImageSource):
        self._groups = _groups(images)
        counted = int(np.sum(np.bincount(self._groups) > 1))
        if not counted:
            raise InputError(
                "Expected several images of a caption for diversity, such as "
                f"{PICTURES_OF_A_CAPTION}. Received: {images.num_images} images of as many "
                "captions. Give --model, or several images of some captions."
            )
        self.name = f"diversity_{network.name}"
        self.network = network
        self.images = images
        self.description = {
            "distance": f"1 - cosine of the features of {network.name}",
            "images": {**images.description(), "num_images": images.num_images},
        }

    def prepare(self, references: dict, **options) -> None:
        self._real = references[self.network.name]

    def begin(self, images: ImageSource) -> GroupDiversity:
        return GroupDiversity(self._groups, self.network.dim)

    def scores(self, gathered: GroupDiversity, settings: Settings) -> list[Score]:
        features, class_ids = self._real.features, self._real.class_ids
        scores = [
            self._score_of_groups("diversity", gathered),
            self._score("real_diversity", pair_diversity(features), len(features)),
        ]
        if class_ids is not None and len(set(class_ids)) < len(class_ids):
            groups = np.unique(class_ids, return_inverse=True)[1]
            in_classes = group_diversity(features, groups)
            scores.append(self._score_of_groups("real_class_diversity", in_classes))
        return scores

    def _score_of_groups(self, metric, gathered):
        counts = gathered.num_pictures, gathered.num_groups
        return self._score(metric, gathered.result(), *counts)

    def _score(self, metric, result, num_images, num_groups=None):
        value, error = result
        return Score(
            metric,
            protocol=self.network.name,
            value=value,
            standard_error=error,
            num_images=num_images,
            num_groups=num_groups,
        )


def several_of_each(images: GeneratedImages, captions: CaptionList, seed: int) -> GeneratedImages:
    """Plans the pictures that a model draws for diversity: eight of each of some captions.

    Args:
        images: Those that it draws for the other metrics, whose number is the maximum.
        captions: Those of the split.
        seed: Random seed of the choice of captions.

    Raises:
        InputError: If that number is less than eight.
    """
    number = min(images.num_images // PICTURES_OF_A_CAPTION, MOST_CAPTIONS)
    if not number:
        raise InputError(
            f"Expected --num_images of at least {PICTURES_OF_A_CAPTION} for diversity, the "
            f"pictures of one caption. Received: {images.num_images}."
        )
    plan = choose_captions(captions, number, seed, images.plan.source)
    rows = np.repeat(plan.rows, PICTURES_OF_A_CAPTION)
    return images.of_plan(dataclasses.replace(plan, rows=rows))


def _groups(images):
    """The caption of each image as a number; equal texts are one caption."""
    texts = images.plan.texts(0, images.num_images)
    return np.unique(texts, return_inverse=True)[1]
