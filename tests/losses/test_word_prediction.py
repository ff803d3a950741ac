import numpy as np
from keras import ops

from dmgan_tf.losses import word_prediction_loss


def test_by_hand():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    shares = [[1.0, 0.5, 0.5], [0.0, 0.0, 0.25]]  # one word of half of the captions counts half
    loss = ops.convert_to_numpy(word_prediction_loss(logits, shares))
    np.testing.assert_allclose(loss, [1.5 * np.log(2), -np.log(0.8)], rtol=1e-6)


def test_captions_without_a_word_cost_nothing():
    loss = word_prediction_loss(np.ones((1, 3), "float32"), np.zeros((1, 3)))
    np.testing.assert_array_equal(ops.convert_to_numpy(loss), [0.0])
