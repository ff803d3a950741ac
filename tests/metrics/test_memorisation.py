"""Neighbours among training pictures, and shares of which the answer is known."""

import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.memorisation import NearestNeighbours, near_copies, nearer_share

RANDOM = np.random.default_rng(0)
TRAINING = np.float32(RANDOM.normal(size=(600, 8)))


def nearest(features, number=3):
    found = NearestNeighbours(TRAINING, number)
    found.update(features)
    return found


def test_neighbours_are_those_of_all_cosines_sorted():
    features = np.float32(RANDOM.normal(size=(300, 8)))
    lengths = np.linalg.norm(features, axis=1)[:, None] * np.linalg.norm(TRAINING, axis=1)
    expected = 1 - features @ TRAINING.T / lengths
    found = nearest(features)
    np.testing.assert_array_equal(found.places, np.argsort(expected, axis=1)[:, :3])
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, :3], atol=1e-6)


def test_a_training_picture_is_nearest_to_itself_at_no_distance():
    found = nearest(TRAINING)
    np.testing.assert_array_equal(found.places[:, 0], np.arange(600))
    assert (found.distances[:, 0] == 0).all() and (found.distances[:, 1] > 0).all()


def test_the_length_of_features_does_not_matter():
    assert nearest(7 * TRAINING[:9]).distances[:, 0] == pytest.approx(0, abs=1e-12)


def test_neighbours_go_on_from_what_was_saved():
    features = np.float32(RANDOM.normal(size=(20, 8)))
    first, second, whole = nearest(features[:9]), NearestNeighbours(TRAINING), nearest(features)
    second.restore(first.state())
    second.update(features[9:])
    np.testing.assert_array_equal(second.places, whole.places)
    np.testing.assert_allclose(second.distances, whole.distances, atol=1e-12)


def test_features_that_are_no_numbers():
    with pytest.raises(InputError, match="image 1"):
        nearest(np.float32([[1] * 8, [np.nan] * 8]))


def test_shares_of_copies_of_strangers_and_of_real_pictures():
    real = RANDOM.uniform(1, 2, 1000)
    assert nearer_share(np.zeros(50), real) == (1.0, 0.0) == near_copies(np.zeros(50), real)
    assert nearer_share(np.full(50, 3.0), real) == (0.0, 0.0) == near_copies(np.ones(50) * 3, real)
    assert nearer_share(real, real)[0] == pytest.approx(0.5)
    assert near_copies(real, real)[0] == pytest.approx(0.05)
    assert nearer_share(np.ones(3), np.ones(4))[0] == 0.5  # ties count half


def test_the_share_is_that_of_pairs():
    drawn, real = RANDOM.integers(0, 9, 40), RANDOM.integers(0, 9, 30)
    pairs = (drawn[:, None] < real).mean() + (drawn[:, None] == real).mean() / 2
    assert nearer_share(drawn, real)[0] == pytest.approx(pairs)


def test_a_few_copies_move_the_tail_alone():
    real, strangers = RANDOM.normal(5, 1, 1000), RANDOM.normal(5.2, 1, 950)
    drawn = np.concatenate([np.zeros(50), strangers])
    assert nearer_share(drawn, real)[0] == pytest.approx(0.5, abs=0.05)
    assert near_copies(drawn, real)[0] > 0.08


@pytest.mark.parametrize("share", [nearer_share, near_copies])
def test_standard_errors_are_the_spread_of_other_draws(share):
    draws = [(RANDOM.normal(0.1, 1, 300), RANDOM.normal(0, 1, 200)) for _ in range(100)]
    values, errors = np.transpose([share(*draw) for draw in draws])
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.25)
