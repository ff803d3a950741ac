"""Spectral normalisation: its singular value, its gradient, and what a call leaves unchanged."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers import DownsampleBlock, SpectralConv2D


def built(filters=5, kernel_size=3, channels=4, dtype=None):
    layer = SpectralConv2D(filters, kernel_size, dtype=dtype)
    layer.build((None, 6, 6, channels))
    random = np.random.RandomState(0)
    layer.kernel.assign(random.normal(size=layer.kernel.shape))
    layer.singular_vector.assign(random.normal(size=filters))
    return layer


def images(channels=4):
    return np.random.RandomState(1).normal(size=(2, 6, 6, channels)).astype("float32")


def largest_singular_value(kernel):
    return np.linalg.svd(np.reshape(kernel, (-1, kernel.shape[-1])), compute_uv=False)[0]


@pytest.mark.parametrize("filters", [1, 5, 40])  # narrower and wider than the 36 rows
def test_the_singular_value_converges_to_that_of_numpy(filters):
    layer = built(filters)
    for _ in range(150):
        layer(images(), training=True)
    value, _ = layer.power_iteration()
    kernel = layer.kernel.numpy()
    np.testing.assert_allclose(value, largest_singular_value(kernel), rtol=1e-3)
    np.testing.assert_allclose(largest_singular_value(kernel / value), 1.0, rtol=1e-3)
    before = layer.singular_vector.numpy()
    np.testing.assert_allclose(layer.largest_singular_value(), value, rtol=1e-3)
    np.testing.assert_array_equal(layer.singular_vector, before)


def test_one_call_is_one_power_iteration():
    layer = built()
    matrix, vector = layer.kernel.numpy().reshape(-1, 5), layer.singular_vector.numpy()
    left = matrix @ vector
    left /= np.linalg.norm(left)
    right = matrix.T @ left
    layer(images(), training=True)
    np.testing.assert_allclose(layer.singular_vector, right / np.linalg.norm(right), atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_a_call_leaves_all_but_the_vector_unchanged(training):
    layer = built()
    before = [variable.numpy().tobytes() for variable in layer.weights]
    layer(images(), training=training)
    after = [variable.numpy().tobytes() for variable in layer.weights]
    changed = [v.name for v, a, b in zip(layer.weights, before, after, strict=True) if a != b]
    assert changed == (["singular_vector"] if training else [])
    assert [v.name for v in layer.trainable_weights] == ["kernel", "bias"]


def test_training_moves_the_vector_but_not_the_output_of_that_call():
    layer = built()
    expected = layer(images(), training=False)
    np.testing.assert_array_equal(layer(images(), training=True), expected)


def test_the_gradient_flows_through_the_singular_value():
    """Equal to finite differences in float64, the two singular vectors held fixed."""
    layer = built(filters=3, kernel_size=1, channels=4)
    x = np.random.RandomState(2).normal(size=(1, 2, 2, 4))
    matrix, vector = np.float64(layer.kernel).reshape(4, 3), np.float64(layer.singular_vector)
    left = matrix @ vector
    left /= np.linalg.norm(left)
    right = matrix.T @ left
    right /= np.linalg.norm(right)

    def loss(weights):
        return np.sum((x.reshape(-1, 4) @ weights / (left @ weights @ right)) ** 3)

    expected = np.zeros_like(matrix)
    for index in np.ndindex(*matrix.shape):
        step = np.zeros_like(matrix)
        step[index] = 1e-6
        expected[index] = (loss(matrix + step) - loss(matrix - step)) / 2e-6
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(tf.constant(x, tf.float32)) ** 3)
    gradient = np.reshape(tape.gradient(total, layer.kernel.value), (4, 3))
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)
    # The loss does not change with the kernel's length, so its gradient is orthogonal to it.
    cosine = np.sum(gradient * matrix) / np.linalg.norm(gradient) / np.linalg.norm(matrix)
    assert abs(cosine) < 1e-5


def test_half_precision_divides_the_float32_kernel():
    layer = built(dtype="mixed_float16")
    layer.kernel.assign(layer.kernel * 1e6)  # beyond the range of float16 until it is divided
    outputs = layer(images())
    assert outputs.dtype == tf.float16
    assert layer.kernel.dtype == layer.singular_vector.dtype == "float32"
    expected = built()(images())
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, atol=2e-2)


def test_a_downsample_block_passes_training_on():
    block = DownsampleBlock(5)
    block.build((None, 6, 6, 4))
    before = block.convolution.singular_vector.numpy()
    block(images(), training=False)
    np.testing.assert_array_equal(block.convolution.singular_vector, before)
    block(images(), training=True)
    assert np.any(block.convolution.singular_vector.numpy() != before)
