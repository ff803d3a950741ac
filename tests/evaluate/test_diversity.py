"""Pictures of one caption against one another, and how many a model draws for it."""

import dataclasses

import numpy as np
import pytest
from tiny_evaluation import ArrayImages, MeanColour, random_images

from dmgan_tf import DMGANTextToImage
from dmgan_tf.data.stored import CaptionList, list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import CaptionPlan, choose_captions
from dmgan_tf.evaluate.diversity import DiversityJudge, several_of_each
from dmgan_tf.evaluate.images import GeneratedImages
from dmgan_tf.evaluate.scoring import Settings, measure_reference, score_images
from dmgan_tf.metrics.diversity import group_diversity, pair_diversity

SETTINGS = Settings(batch_size=8)
REAL = random_images(1, 12)


def judged(pixels, rows, class_ids=None):
    plan = CaptionPlan(["red", "blue", "red"], np.arange(3), np.asarray(rows), {})
    images, network = ArrayImages(pixels, plan), MeanColour()
    references = measure_reference(ArrayImages(REAL), [network], ["diversity"], settings=SETTINGS)
    if class_ids is not None:
        (reference,) = references.values()
        reference = dataclasses.replace(reference, class_ids=np.asarray(class_ids))
        references = {network.name: reference}
    judge = DiversityJudge(network, images)
    judge.prepare(references)
    return score_images(images, [], (), judges=[judge], settings=SETTINGS)


def features_of(images):
    return np.asarray(MeanColour()(images)["features"])


def test_pictures_of_equal_captions_are_compared():
    drawn = random_images(3, 20)
    rows = np.arange(20) % 3  # the third caption is the first again
    score, real = judged(drawn, rows)
    expected = group_diversity(features_of(drawn), np.int64(rows == 1)).result()
    assert (score.value, score.standard_error) == pytest.approx(expected)
    assert (score.metric, score.num_images, score.num_groups) == ("diversity", 20, 2)
    assert (real.metric, real.num_images, real.num_groups) == ("real_diversity", 12, None)
    assert (real.value, real.standard_error) == pytest.approx(pair_diversity(features_of(REAL)))


def test_real_pictures_of_a_class_are_compared_where_there_are_some():
    classes = [7, 7, 5, 5, 7, 3, *range(10, 16)]
    *_, of_class = judged(REAL, [0] * 12, classes)
    features = features_of(REAL)
    expected = [pair_diversity(features[np.equal(classes, number)])[0] for number in (7, 5)]
    assert of_class.value == pytest.approx(np.mean(expected))
    assert (of_class.metric, of_class.num_images) == ("real_class_diversity", 5)
    assert len(judged(REAL, [0] * 12, range(12))) == 2


def test_real_pictures_given_as_drawn_ones_score_alike():
    drawn, real = judged(REAL, [0] * 12)
    assert drawn.value == pytest.approx(real.value)


def test_a_model_draws_eight_of_each_of_some_captions(vivid_model, prepared_data):
    captions = list_captions(prepared_data, "test")
    plan = choose_captions(captions, 30, 0, {"data": "x"})
    images = GeneratedImages(DMGANTextToImage.from_preset(vivid_model), plan)
    others = several_of_each(images, captions, seed=0)
    assert (images.num_images, others.num_images) == (30, 24)
    rows = others.plan.rows.reshape(3, 8)
    assert (rows == rows[:, :1]).all() and len(set(rows[:, 0])) == 3
    first = next(others.batches(0, 8))
    assert len(np.unique(first.reshape(8, -1), axis=0)) == 8  # by other noises
    assert others.description() != images.description()


def test_a_model_draws_250_captions_at_most():
    class Drawn(ArrayImages):
        def of_plan(self, plan):
            return plan

    captions = CaptionList([[f"number {i}"] for i in range(400)], np.arange(400), [])
    images = Drawn(np.zeros((3000, 1, 1, 3)), CaptionPlan([], np.arange(0), np.arange(0), {}))
    assert len(several_of_each(images, captions, seed=0).rows) == 2000


def test_no_two_pictures_of_a_caption():
    with pytest.raises(InputError, match="Received: 2 images of as many captions"):
        judged(REAL[:2], [0, 1])
