import numpy as np
from keras import ops

from dmgan_tf.losses import (
    drawn_words_loss,
    misread_words_loss,
    word_prediction_loss,
    word_reading_loss,
)


def test_by_hand():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    shares = [[1.0, 0.5, 0.5], [0.0, 0.0, 0.25]]  # one word of half of the captions counts half
    loss = ops.convert_to_numpy(word_prediction_loss(logits, shares))
    np.testing.assert_allclose(loss, [1.5 * np.log(2), -np.log(0.8)], rtol=1e-6)


def test_captions_without_a_word_cost_nothing():
    loss = word_prediction_loss(np.ones((1, 3), "float32"), np.zeros((1, 3)))
    np.testing.assert_array_equal(ops.convert_to_numpy(loss), [0.0])


def loss_of(probabilities, real, token_ids):
    loss = drawn_words_loss(np.log(probabilities), np.log(real), token_ids)
    return ops.convert_to_numpy(loss)


def test_a_drawing_must_show_every_word_as_clearly_as_the_real_image_by_hand():
    drawn = [[0.1, 0.3, 0.2, 0.4], [0.1, 0.2, 0.3, 0.4]]
    real = [[0.1, 0.2, 0.6, 0.1], [0.1, 0.0001, 0.0999, 0.8]]
    token_ids = [[1, 2, 1, 0], [3, 0, 0, 0]]  # a word that is there twice counts once
    # Word 1 is clearer than it must be, which makes up for nothing.
    expected = [0.5 * np.log(0.6 / 0.2), np.log(0.8 / 0.4)]
    np.testing.assert_allclose(loss_of(drawn, real, token_ids), expected, rtol=1e-5)


def test_what_a_caption_leaves_open_costs_nothing():
    drawn, real = [[0.01, 0.5, 0.01, 0.48]], [[0.01, 0.5, 0.48, 0.01]]
    np.testing.assert_allclose(loss_of(drawn, real, [[1, 0]]), [0.0], atol=1e-6)


def test_captions_without_a_predicted_word_cost_a_drawing_nothing():
    loss = drawn_words_loss(np.ones((2, 3), "float32"), np.zeros((2, 3)), [[0, 0], [7, 0]])
    np.testing.assert_array_equal(ops.convert_to_numpy(loss), [0.0, 0.0])


def test_each_group_of_words_is_read_for_itself():
    read = np.log([[0.5, 0.1, 0.5, 0.9]])
    shares, groups = (
        [[0.25, 1.0, 0.75, 0.0]],
        [[True, False, True, False], [False, True, False, True]],
    )
    loss = ops.convert_to_numpy(word_reading_loss(read, np.array(shares), groups))
    np.testing.assert_allclose(loss, [np.log(2) - np.log(0.1)], rtol=1e-6)


def test_an_exchanged_word_must_be_as_clear_as_the_one_in_its_place_by_hand():
    drawn, real = np.log([[0.1, 0.3, 0.2, 0.4]] * 2), np.log([[0.1, 0.2, 0.6, 0.1]] * 2)
    captions, of_real = [[3, 1, 0], [1, 9, 2]], [[2, 1, 0], [1, 8, 2]]  # 8 and 9 are not read
    expected = [0.5 * np.log(0.6 / 0.4), 0.5 * np.log(0.6 / 0.2)]
    drawn, real = drawn.astype("float32"), real.astype("float32")
    loss = misread_words_loss(drawn, real, np.array(captions), np.array(of_real))
    np.testing.assert_allclose(ops.convert_to_numpy(loss), expected, rtol=1e-5)
    nothing = misread_words_loss(drawn, real, np.zeros((2, 3), int), np.zeros((2, 3), int))
    np.testing.assert_array_equal(ops.convert_to_numpy(nothing), [0.0, 0.0])
