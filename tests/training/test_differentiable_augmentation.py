import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.training.differentiable_augmentation import augment

SIZE = 16
MIDDLE = 0.5  # of the draws of a shift: none
OUTSIDE = 0.0  # of the draws of a square: just beyond the top left corner


def positive_images(count=1):
    random = np.random.default_rng(0)
    return random.uniform(0.1, 1, (count, SIZE, SIZE, 3)).astype("float32")


def test_middle_draws_and_a_square_outside_change_nothing():
    images = positive_images(2)
    seen = augment(tf.constant(images), tf.constant([[MIDDLE, MIDDLE, OUTSIDE, OUTSIDE]] * 2))
    np.testing.assert_array_equal(seen, images)


@pytest.mark.parametrize("rows, columns, shift", [(0.0, 0.5, (2, 0)), (0.5, 0.999, (0, -2))])
def test_shifts_by_an_eighth_at_most_and_fills_with_zero(rows, columns, shift):
    images = positive_images()
    seen = augment(tf.constant(images), tf.constant([[rows, columns, OUTSIDE, OUTSIDE]])).numpy()
    expected = np.roll(images, shift, axis=(1, 2))
    expected[:, : shift[0]] = 0
    if shift[1]:
        expected[:, :, shift[1] :] = 0
    np.testing.assert_array_equal(seen, expected)


def test_blanks_a_square_of_a_third_of_the_side():
    images = positive_images()
    seen = augment(tf.constant(images), tf.constant([[MIDDLE, MIDDLE, 0.5, 0.5]])).numpy()
    blank = (seen == 0).all(axis=-1)[0]
    rows, columns = np.flatnonzero(blank.any(axis=1)), np.flatnonzero(blank.any(axis=0))
    assert len(rows) == len(columns) == 5
    assert blank.sum() == 25
    np.testing.assert_array_equal(seen[0][~blank], images[0][~blank])


def test_every_draw_keeps_every_pixel_or_blanks_it():
    random = np.random.default_rng(1)
    draws = random.uniform(0, 1, (50, 4)).astype("float32")
    images = np.ones((50, SIZE, SIZE, 3), "float32")
    seen = augment(tf.constant(images), tf.constant(draws)).numpy()
    assert set(np.unique(seen)) == {0.0, 1.0}
    assert len({image.tobytes() for image in seen}) > 40  # the draws of examples are their own


def test_the_gradient_comes_back_to_the_pixel_that_was_shown():
    images = tf.constant(positive_images())
    draws = tf.constant([[0.0, 0.5, OUTSIDE, OUTSIDE]])
    weights = tf.random.stateless_uniform(images.shape, (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_sum(weights * augment(images, draws))
    gradient = tape.gradient(loss, images).numpy()
    expected = np.roll(weights, -2, axis=1)
    expected[:, -2:] = 0  # shifted out of the picture
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_half_precision_stays_half():
    images = tf.cast(positive_images(), tf.bfloat16)
    assert augment(images, tf.constant([[0.3, 0.8, 0.2, 0.9]])).dtype == tf.bfloat16
