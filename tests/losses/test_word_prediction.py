import numpy as np
from keras import ops

from dmgan_tf.losses import drawn_words_loss, word_prediction_loss


def test_by_hand():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    shares = [[1.0, 0.5, 0.5], [0.0, 0.0, 0.25]]  # one word of half of the captions counts half
    loss = ops.convert_to_numpy(word_prediction_loss(logits, shares))
    np.testing.assert_allclose(loss, [1.5 * np.log(2), -np.log(0.8)], rtol=1e-6)


def test_captions_without_a_word_cost_nothing():
    loss = word_prediction_loss(np.ones((1, 3), "float32"), np.zeros((1, 3)))
    np.testing.assert_array_equal(ops.convert_to_numpy(loss), [0.0])


def test_a_drawing_must_show_every_word_of_its_caption_by_hand():
    logits = np.log([[0.1, 0.3, 0.2, 0.4], [0.1, 0.2, 0.3, 0.4]])
    token_ids = [[1, 2, 1, 0], [3, 0, 0, 0]]  # a word that is there twice counts once
    shares = [[0.0, 1.0, 0.5, 0.25], [0.0, 0.0, 0.0, 1.0]]
    loss = ops.convert_to_numpy(drawn_words_loss(logits, token_ids, shares))
    # Without word 3, true of the first image too, the rest is 0.6; half of the target is each word.
    first = 0.5 * (np.log(0.5 / (0.3 / 0.6)) + np.log(0.5 / (0.2 / 0.6)))
    np.testing.assert_allclose(loss, [first, -np.log(0.4)], rtol=1e-5)


def test_a_drawing_that_shows_exactly_its_words_costs_nothing():
    loss = drawn_words_loss([[-100.0, 2.0, 2.0, -100.0]], [[1, 2]], [[0.0, 1.0, 1.0, 0.0]])
    np.testing.assert_allclose(ops.convert_to_numpy(loss), [0.0], atol=1e-6)


def test_captions_without_a_predicted_word_cost_a_drawing_nothing():
    loss = drawn_words_loss(np.ones((2, 3), "float32"), [[0, 0], [7, 0]], np.zeros((2, 3)))
    np.testing.assert_array_equal(ops.convert_to_numpy(loss), [0.0, 0.0])
