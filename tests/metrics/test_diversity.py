"""Mean distances within groups and over all pairs, against every pair by itself."""

import itertools

import numpy as np
import pytest

from dmgan_tf.metrics.diversity import GroupDiversity, group_diversity, pair_diversity

RANDOM = np.random.default_rng(0)


def distance(first, second):
    return 1 - first @ second / (np.linalg.norm(first) * np.linalg.norm(second))


def mean_distance(features):
    return np.mean([distance(*pair) for pair in itertools.combinations(features, 2)])


def test_the_mean_over_groups_is_that_of_their_pairs():
    features, groups = RANDOM.normal(size=(12, 5)), np.array([0, 3, 0, 1, 3, 0, 2, 3, 3, 1, 4, 1])
    found = group_diversity(features, groups)
    expected = [mean_distance(features[groups == group]) for group in (0, 1, 3)]  # 2, 4: alone
    value, error = found.result()
    assert value == pytest.approx(np.mean(expected))
    assert error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(3))
    assert (found.num_pictures, found.num_groups) == (10, 3)


def test_eight_identical_pictures_have_no_diversity():
    features = np.repeat(np.float32(RANDOM.normal(size=(3, 7))), 8, axis=0)
    value, error = group_diversity(features, np.repeat(np.arange(3), 8)).result()
    assert value == pytest.approx(0, abs=1e-12) and error == pytest.approx(0, abs=1e-12)
    assert group_diversity(features[:8], np.zeros(8, int)).result()[1] is None
    assert pair_diversity(features[:8])[0] == pytest.approx(0, abs=1e-12)


def test_groups_go_on_from_what_was_saved():
    features, groups = RANDOM.normal(size=(9, 4)), np.array([0, 1, 2] * 3)
    first, second = GroupDiversity(groups, 4), GroupDiversity(groups, 4)
    first.update(features[:5])
    second.restore(first.state())
    first.update(features[5:])
    second.update(features[5:])
    assert second.result() == first.result() == group_diversity(features, groups).result()


def test_all_pairs():
    features = RANDOM.normal(size=(30, 6)) + 1
    assert pair_diversity(features)[0] == pytest.approx(mean_distance(features))
    value, error = pair_diversity(features[:2])
    assert value == pytest.approx(distance(*features[:2])) and error is None


def test_the_error_of_all_pairs_is_the_spread_of_other_draws():
    draws = [pair_diversity(RANDOM.normal(size=(60, 6)) + 1) for _ in range(300)]
    values, errors = np.transpose(draws)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)
