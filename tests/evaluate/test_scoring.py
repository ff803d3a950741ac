"""One pass over images gives what the metrics give on all features at once."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tiny_evaluation import ArrayImages, MeanColour, random_images

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate import scoring
from dmgan_tf.evaluate.captions import CaptionPlan
from dmgan_tf.evaluate.judges import CaptionJudge
from dmgan_tf.evaluate.saving import ImageSaver
from dmgan_tf.evaluate.scoring import Settings, measure_reference, score_images
from dmgan_tf.metrics.frechet import FeatureStatistics, frechet_distance
from dmgan_tf.metrics.inception_score import InceptionScore
from dmgan_tf.metrics.kernel import kernel_distance
from dmgan_tf.metrics.r_precision import CaptionRetrieval, r_precision

METRICS = ("fid", "is", "kid")
SETTINGS = Settings(num_splits=4, num_folds=3, num_subsets=5, subset_size=20, batch_size=8)
REAL, DRAWN = random_images(1, 40), random_images(3, 30, shift=20)


def features_of(images):
    return {key: np.asarray(value) for key, value in MeanColour()(images).items()}


def moments_of(features):
    statistics = FeatureStatistics(features.shape[1])
    statistics.update(features)
    return statistics.moments()


def scores_of(images, settings=SETTINGS, real=REAL, **options):
    network = MeanColour()
    references = measure_reference(ArrayImages(real), [network], METRICS, settings=settings)
    return score_images(
        ArrayImages(images), [network], METRICS, references=references, settings=settings, **options
    )


def values(scores):
    return {score.metric: (score.value, score.deviation or 0.0) for score in scores}


def test_scores_are_those_of_all_features_at_once():
    real, drawn = features_of(REAL), features_of(DRAWN)
    expected = InceptionScore(30, 4, shuffle_seed=2020)
    expected.update(drawn["logits"])
    fid, inception, kid = scores_of(DRAWN)
    distance = frechet_distance(moments_of(drawn["features"]), moments_of(real["features"]))
    assert fid.value == pytest.approx(distance, rel=1e-6)
    assert (inception.value, inception.deviation) == pytest.approx(expected.result(), rel=1e-6)
    assert (kid.value, kid.deviation) == pytest.approx(
        kernel_distance(drawn["features"], real["features"], 5, 20), rel=1e-4
    )
    assert {(score.protocol, score.num_images) for score in (fid, inception, kid)} == {
        ("mean_colour", 30)
    }
    assert (fid.num_reference, kid.num_reference, inception.num_reference) == (40, 40, None)


def test_the_batch_size_changes_nothing():
    other = dataclasses.replace(SETTINGS, batch_size=7)
    first, second = values(scores_of(DRAWN)), values(scores_of(DRAWN, other))
    for metric in METRICS:
        assert first[metric] == pytest.approx(second[metric], rel=1e-6)


def test_two_replicas_give_the_same_scores(two_replicas):
    first, second = values(scores_of(DRAWN)), values(scores_of(DRAWN, strategy=two_replicas))
    for metric in METRICS:
        assert first[metric] == pytest.approx(second[metric], rel=1e-6)


class Interrupted(Exception):
    """Stands for a killed process."""


def test_an_interrupted_evaluation_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring.PartialResult.__init__, "__defaults__", (0.0,))
    seen = []

    def stop_at_16(first, images):
        seen.append(first)
        if first == 16 and seen.count(16) == 1:
            raise Interrupted

    options = {"partial_path": tmp_path / "x.partial.npz", "on_images": stop_at_16}
    with pytest.raises(Interrupted):
        scores_of(DRAWN, **options)
    assert values(scores_of(DRAWN, **options)) == values(scores_of(DRAWN))
    assert seen == [0, 8, 16, 16, 24]


def test_other_images_are_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring.PartialResult.__init__, "__defaults__", (0.0,))
    path = tmp_path / "x.partial.npz"
    scores_of(DRAWN, partial_path=path)
    assert path.is_file()
    assert values(scores_of(REAL, partial_path=path)) == values(scores_of(REAL))


def test_the_same_images_are_gone_on_with_in_other_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring.PartialResult.__init__, "__defaults__", (0.0,))
    path = tmp_path / "x.partial.npz"
    first = values(scores_of(DRAWN, partial_path=path))
    other = dataclasses.replace(SETTINGS, batch_size=7)
    again = scores_of(
        DRAWN, other, partial_path=path, on_images=lambda first, batch: pytest.fail("drawn again")
    )
    assert {name: pytest.approx(value, rel=1e-6) for name, value in first.items()} == values(again)


def test_a_run_that_kept_no_images_is_not_gone_on_from_by_one_that_does(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring.PartialResult.__init__, "__defaults__", (0.0,))
    path, images = tmp_path / "x.partial.npz", ArrayImages(DRAWN)
    scores_of(DRAWN, partial_path=path)
    saver = ImageSaver(tmp_path / "kept", images)
    assert values(scores_of(DRAWN, partial_path=path, on_images=saver)) == values(scores_of(DRAWN))
    assert len(list(saver.directory.glob("*.png"))) == 30


def judge_of(codes, class_ids, text_codes=None):
    """Judges an image by the mean of each of its colours, less the mean of all."""

    class Codes(MeanColour):
        def __call__(self, images):
            means = tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2))
            return {"features": means - tf.reduce_mean(means, axis=1, keepdims=True)}

    return CaptionJudge(
        name="judge",
        network=Codes(),
        retrieval=CaptionRetrieval(codes, class_ids, num_candidates=3),
        text_codes=text_codes,
        description={},
        warnings=("flattering",),
    )


def coloured(count):
    """Red, green and blue images in turn, their plan, and what captions of them are coded as."""
    images = np.zeros((count, 8, 8, 3), "uint8")
    colours = np.arange(count) % 3
    images[np.arange(count), :, :, colours] = 200
    codes = np.float32(3 * np.eye(3) - 1)
    plan = CaptionPlan(["red", "green", "blue"], np.arange(3), colours, {})
    return ArrayImages(images, plan), codes


def test_images_find_their_captions():
    images, codes = coloured(9)
    (score,) = score_images(images, [], (), judges=[judge_of(codes, range(3))], settings=SETTINGS)
    assert (score.metric, score.protocol) == ("r_precision", "judge")
    assert (score.value, score.deviation, score.warnings) == (100.0, 0.0, ("flattering",))
    assert score.chance == pytest.approx(100 / 3)


def test_images_of_other_captions_do_not():
    images, codes = coloured(9)
    swapped = judge_of(np.roll(codes, 1, axis=0), range(3))
    (score,) = score_images(images, [], (), judges=[swapped], settings=SETTINGS)
    assert score.value == 0.0


def test_a_judge_of_similarity_gives_two_scores():
    images, codes = coloured(9)
    judge = judge_of(codes, range(3), text_codes=codes)
    similarity, precision = score_images(images, [], (), judges=[judge], settings=SETTINGS)
    assert (similarity.metric, precision.metric) == ("clip_score", "clip_r_precision")
    assert similarity.value == pytest.approx(100.0) and precision.value == 100.0


def test_folds_are_of_shuffled_images():
    # Half of the images find theirs, all in the first half of a data set in the order of classes.
    hits = np.repeat([True, False], 150)
    assert r_precision(hits, 10)[1] == pytest.approx(0.5)
    assert r_precision(hits, 10, seed=0)[1] < 0.15


def test_few_images_are_warned_of():
    fid, *_ = scores_of(DRAWN)
    assert len(fid.warnings) == 1 and "30 images is biased" in fid.warnings[0]
    fid, *_ = scores_of(DRAWN[:6], dataclasses.replace(SETTINGS, subset_size=6))
    assert "6 images for 6 features: no covariance of full rank" in fid.warnings[1]


@pytest.mark.parametrize(
    ("images", "settings", "message"),
    [
        (DRAWN[:19], SETTINGS, "at least 20 images on either side for KID. Received: 19"),
        (DRAWN, dataclasses.replace(SETTINGS, num_splits=31), "at least 31 images"),
    ],
)
def test_too_few_images_for_a_metric_are_told_of_before_the_work(images, settings, message):
    with pytest.raises(InputError, match=message):
        scores_of(images, settings, on_images=lambda first, batch: pytest.fail("too late"))
