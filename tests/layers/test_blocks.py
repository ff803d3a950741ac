"""Less arithmetic, the same function: what the blocks compute against how the paper writes it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers.blocks import ResidualBlock, UpsampleBlock, UpsampleConv2D, convolution_3x3


def random(seed, *shape):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def as_written(layer, inputs):
    """Nearest-neighbour doubling, then the 3x3 convolution."""
    large = tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2)
    return tf.nn.conv2d(large, layer.kernel.value, 1, "SAME")


@pytest.mark.parametrize(
    "shape", [(2, 4, 4, 3), (1, 1, 1, 5), (1, 2, 2, 1), (1, 7, 3, 2), (2, 3, 2, 8), (2, 16, 16, 8)]
)
def test_doubling_and_convolution_are_one(shape):
    layer = UpsampleConv2D(6)
    inputs = random(0, *shape)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
        expected = as_written(layer, inputs)
    assert outputs.shape == layer.compute_output_shape(shape)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    factors = random(1, *outputs.shape)
    for variable in (inputs, layer.kernel.value):
        gradients = [tape.gradient(y, variable, factors) for y in (outputs, expected)]
        np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-4)


def test_taps_are_added_in_float32_under_mixed_precision():
    layer = UpsampleConv2D(4, dtype="mixed_bfloat16")
    inputs = random(0, 1, 4, 4, 3)
    outputs = layer(inputs)
    assert layer.kernel.dtype == "float32" and outputs.dtype == tf.bfloat16
    # 256 + 1 + 1 + 1 is 259 in float32, of which bfloat16 keeps 260, but 256 if added in bfloat16.
    kernel = tf.reshape([256.0, 1, 0, 1, 1, 0, 0, 0, 0], (3, 3, 1, 1))
    layer.kernel.assign(kernel * tf.ones((3, 4)))
    ones = layer(tf.ones((1, 3, 3, 3)))
    assert float(ones[0, 3, 3, 0]) == 3 * 260


def test_a_kernel_keeps_its_name_for_saved_weights():
    block = UpsampleBlock(2)
    block.build((None, 4, 4, 3))
    paths = {variable.path.split("/", 1)[1]: variable.shape for variable in block.weights}
    assert paths["convolution/kernel"] == (3, 3, 3, 4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_tensor_twice_over_needs_half_of_the_first_convolution(dtype):
    keras.utils.set_random_seed(0)
    block = ResidualBlock(dtype=dtype)
    half = random(0, 2, 6, 6, 4)
    twice = tf.concat([half, half], axis=-1)
    whole = block(twice, training=True)
    with_half = block(twice, half=half, training=True)
    tolerance = 1e-5 if dtype == "float32" else 0.1
    np.testing.assert_allclose(
        tf.cast(with_half, tf.float32), tf.cast(whole, tf.float32), atol=tolerance
    )


def test_its_gradient_is_that_of_the_whole():
    keras.utils.set_random_seed(0)
    block = ResidualBlock()
    half = random(0, 2, 6, 6, 4)
    block(tf.concat([half, half], axis=-1))
    kernel = block.first_convolution.kernel.value
    gradients = []
    for given in (None, half):
        with tf.GradientTape() as tape:
            outputs = block(tf.concat([half, half], axis=-1), half=given, training=True)
            loss = tf.reduce_sum(outputs * random(2, *outputs.shape))
        gradients.append(tape.gradient(loss, kernel))
    np.testing.assert_allclose(*gradients, rtol=1e-3, atol=1e-4)


def test_an_ordinary_convolution_keeps_the_size():
    assert convolution_3x3(5, "float32", "x")(random(0, 1, 6, 4, 2)).shape == (1, 6, 4, 5)
