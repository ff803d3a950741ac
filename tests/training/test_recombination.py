import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.text.colors import ids_of_colors
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.recombination import exchange_colors, exchange_probabilities

VOCABULARY = Vocabulary(["a", "red", "shirt", "blue", "and", "green", "hat"])
RED, BLUE, GREEN = COLORS = (2, 4, 6)
A, SHIRT, AND, HAT = (1, 3, 5, 7)


def exchanged(captions, seed=1, probabilities=None):
    if probabilities is None:
        probabilities = np.ones((3, 3))
    seed = tf.constant([0, seed], tf.int64)
    return exchange_colors(tf.constant(captions), COLORS, probabilities, seed).numpy()


def test_the_words_that_name_colours():
    assert ids_of_colors(VOCABULARY) == COLORS


def test_one_colour_of_a_caption_becomes_another():
    captions = [[A, RED, SHIRT, AND, BLUE, HAT, 0, 0]] * 300
    changed = exchanged(captions)
    different = changed != captions
    assert different.sum(axis=1).max() == 1
    assert set(different.any(axis=0).nonzero()[0]) == {1, 4}
    for place in (1, 4):
        values, counts = np.unique(changed[:, place], return_counts=True)
        np.testing.assert_array_equal(values, COLORS)
        assert counts.min() > 25
    np.testing.assert_array_equal(changed, exchanged(captions))
    assert np.any(changed != exchanged(captions, seed=2))


def test_as_often_as_is_asked():
    probabilities = np.float32([[0, 0.25, 0.75], [1, 0, 0], [0, 0, 1]])
    changed = exchanged([[A, RED, SHIRT]] * 2000, probabilities=probabilities)[:, 1]
    assert np.mean(changed == GREEN) == pytest.approx(0.75, abs=0.05) and np.all(changed != RED)
    for before, after in ((BLUE, RED), (GREEN, GREEN)):
        captions = [[A, before, SHIRT]] * 20
        assert np.all(exchanged(captions, probabilities=probabilities)[:, 1] == after)


def test_captions_without_colours_stay_as_they_are():
    captions = [[A, SHIRT, AND, HAT], [0, 0, 0, 0]]
    np.testing.assert_array_equal(exchanged(captions), captions)


def test_colours_are_exchanged_for_those_of_the_same_places_by_hand():
    captions = [[A, RED, SHIRT], [A, BLUE, SHIRT], [A, BLUE, SHIRT], [A, GREEN, HAT]]
    expected = [[0, 1, 0], [1, 0, 0], [0, 0, 1]]  # no other colour is that of a hat
    np.testing.assert_allclose(exchange_probabilities(captions, COLORS), expected)
    captions += [[A, RED, HAT], [A, BLUE, HAT], [RED]]
    # Red stands before shirt, as blue does, and before hat, as blue and green do equally often.
    expected[0] = [0, 0.75, 0.25]
    probabilities = exchange_probabilities(captions, COLORS)
    np.testing.assert_allclose(probabilities[0], expected[0])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(exchange_probabilities([], COLORS), np.eye(3))
