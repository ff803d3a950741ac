import numpy as np
import pytest

from dmgan_tf.metrics.attributes import dealt_rows, share_right


def test_share_counts_what_was_asked_alone():
    hits = np.array([[True, True], [False, True], [True, False]])
    asked = np.array([[True, False], [True, True], [True, True]])
    share = share_right(hits, asked)
    assert (share.value, share.count) == (3 / 5, 5)


def test_error_is_that_of_a_mean_where_each_image_has_one():
    hits = np.array([[True]] * 30 + [[False]] * 10)
    share = share_right(hits, np.ones_like(hits))
    assert share.standard_error == pytest.approx(np.sqrt(0.75 * 0.25 / 40))


def test_error_is_that_of_repeated_draws():
    random = np.random.default_rng(0)
    values, errors = [], []
    for _ in range(400):
        quality = random.uniform(0.3, 0.9, (200, 1))  # attributes of one image go together
        asked = random.random((200, 5)) < 0.6
        share = share_right(random.random((200, 5)) < quality, asked)
        values.append(share.value)
        errors.append(share.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.1)


def test_nothing_asked_is_no_share():
    share = share_right(np.ones((3, 2), bool), np.zeros((3, 2), bool))
    assert np.isnan(share.value) and share.count == 0


def test_dealt_rows_are_of_other_images_of_the_group():
    groups = np.array([0, 1, 0, 2, 1, 0, 0, 1])
    rows = dealt_rows(groups)
    assert sorted(rows) == list(range(8))
    assert np.array_equal(groups[rows], groups)
    moved = rows != np.arange(8)
    assert moved.tolist() == [True, True, True, False, True, True, True, True]
