"""The Inception Score of logits whose score is known, and of streams however they are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.inception_score import InceptionScore

NUM_IMAGES, NUM_CLASSES = 47, 6
LOGITS = 3 * np.random.default_rng(0).standard_normal((NUM_IMAGES, NUM_CLASSES))


def score_of(*batches, num_splits=10):
    score = InceptionScore(sum(map(len, batches)), num_splits)
    for batch in batches:
        score.update(batch)
    return score.result()


def score_by_definition(logits):
    """exp(mean KL(p(y|x) || p(y))) of one split, in plain NumPy."""
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ratios = np.log(probabilities / probabilities.mean(axis=0))
    return np.exp((probabilities * ratios).sum(axis=1).mean())


def test_sure_of_every_class_once():
    mean, deviation = score_of(1e4 * np.tile(np.eye(7), (6, 1)), num_splits=3)
    assert mean == pytest.approx(7, rel=1e-12) and deviation == pytest.approx(0, abs=1e-12)


def test_never_sure_of_anything():
    assert score_of(np.full((20, 5), 2.5)) == pytest.approx((1, 0), abs=1e-12)


def test_always_sure_of_the_same():
    assert score_of(np.tile([1e4, 0, -1e4], (20, 1))) == pytest.approx((1, 0), abs=1e-12)


def test_two_splits_by_hand():
    # The first split sees both classes (score 2), the second one class only (score 1).
    sure = 1e3 * np.eye(2)
    mean, deviation = score_of(sure[[0, 1, 0, 1, 0, 0, 0, 0]], num_splits=2)
    assert (mean, deviation) == pytest.approx((1.5, 0.5), rel=1e-12)


@pytest.mark.parametrize("num_splits", [1, 2, 10, 46, NUM_IMAGES])
def test_splits_are_contiguous_and_cover_all(num_splits):
    bounds = [k * NUM_IMAGES // num_splits for k in range(num_splits + 1)]
    scores = [score_by_definition(LOGITS[a:b]) for a, b in zip(bounds, bounds[1:], strict=False)]
    expected = np.mean(scores), np.std(scores)
    assert score_of(LOGITS, num_splits=num_splits) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_shuffled_splits_are_those_of_the_shuffled_images():
    """Split k has the images that stand in its place after torch-fidelity's permutation."""
    score = InceptionScore(NUM_IMAGES, 5, shuffle_seed=3)
    score.update(LOGITS)
    shuffled = LOGITS[np.random.RandomState(3).permutation(NUM_IMAGES)]
    assert score.result() == pytest.approx(score_of(shuffled, num_splits=5), rel=1e-12)


@given(st.lists(st.integers(0, NUM_IMAGES), max_size=12), st.integers(1, NUM_IMAGES))
@settings(deadline=None)
def test_batches_make_no_difference(cuts, num_splits):
    batches = np.split(LOGITS, sorted(cuts))
    expected = score_of(LOGITS, num_splits=num_splits)
    assert score_of(*batches, num_splits=num_splits) == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_a_constant_added_to_all_logits_makes_no_difference():
    assert score_of(LOGITS + 1000) == pytest.approx(score_of(LOGITS), rel=1e-10)


@pytest.mark.parametrize("cut", [0, 10, 23, NUM_IMAGES])
def test_an_interruption_makes_no_difference(cut):
    uninterrupted = InceptionScore(NUM_IMAGES)
    uninterrupted.update(LOGITS[:cut])
    state = uninterrupted.state()
    uninterrupted.update(LOGITS[cut:])  # the state stays what it was
    resumed = InceptionScore(NUM_IMAGES)
    resumed.update(LOGITS[::-1])
    for _ in range(2):  # nor does resuming change it
        resumed.restore(state)
        assert resumed.count == cut
        resumed.update(LOGITS[cut:])
        assert resumed.result() == uninterrupted.result()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.zeros((2, 5)), r"rows of 6 values each\. Received: an array of shape \(2, 5\)"),
        (np.full((2, 6), np.nan), r"finite logits\. Received: NaN or infinity.*image 40, counted"),
        (np.zeros((8, 6)), r"logits of 47 images\. Received: those of 48\."),
    ],
)
def test_a_bad_batch_is_refused_whole(batch, message):
    score = InceptionScore(NUM_IMAGES)
    score.update(LOGITS[:40])
    with pytest.raises(InputError, match=message):
        score.update(batch)
    score.update(LOGITS[40:])
    assert score.result() == pytest.approx(score_of(LOGITS), rel=1e-12)


def test_images_that_are_missing():
    score = InceptionScore(NUM_IMAGES)
    score.update(LOGITS[:40])
    with pytest.raises(InputError, match=r"of 47 images\. Received: those of 40\."):
        score.result()


@pytest.mark.parametrize(("num_images", "num_splits"), [(9, 10), (0, 1), (5, 0)])
def test_empty_splits(num_images, num_splits):
    with pytest.raises(InputError, match=f"Received: {num_splits} splits of {num_images} images"):
        InceptionScore(num_images, num_splits)


def test_the_state_of_other_splits_is_refused():
    with pytest.raises(InputError, match=r"47 images in 10 splits\. Received: 47 in 5\."):
        InceptionScore(NUM_IMAGES).restore(InceptionScore(NUM_IMAGES, 5).state())
