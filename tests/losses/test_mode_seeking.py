import numpy as np
import tensorflow as tf
from keras import ops

from dmgan_tf.losses import code_distance, mode_seeking_loss


def test_by_hand():
    codes, others = [[3.0, 0.0], [0.0, 0.0], [1.0, 2.0]], [[0.0, 4.0], [0.0, 9.0], [1.0, 2.0]]
    np.testing.assert_allclose(code_distance(codes, others), [5.0, 9.0, 0.0], atol=1e-5)
    loss = ops.convert_to_numpy(mode_seeking_loss(codes, others, [40.0, 10.0, 1.0]))
    # A quarter of what is far enough, further than that, and equal images.
    np.testing.assert_allclose(loss, [-np.log(0.251 / 1.001), 0.0, np.log(1001)], atol=5e-3)


def test_equal_real_images_and_equal_drawings_have_finite_gradients():
    codes = tf.constant([[1.0, 2.0], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(codes)
        loss = mode_seeking_loss(codes, [[1.0, 2.0], [1.1, 2.0]], [0.0, 0.0])
    assert np.all(np.isfinite(loss)) and np.all(np.isfinite(tape.gradient(loss, codes)))
