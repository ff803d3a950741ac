"""Batch normalisation: its two ways of computing are one, and its numbers are the release's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers import BatchNorm

SHAPES = {2: (6, 3), 4: (2, 3, 4, 3)}


def batch(rank, dtype="float32"):
    values = np.random.RandomState(rank).normal(size=SHAPES[rank], loc=0.5, scale=2.0)
    return tf.cast(tf.constant(values), dtype)


def built(rank, dtype):
    layer = BatchNorm(dtype=dtype)
    layer.build((None, *SHAPES[rank][1:]))
    layer.gamma.assign([1.0, -0.5, 2.0])
    layer.beta.assign([0.1, 0.2, -0.3])
    layer.moving_mean.assign([0.5, -0.5, 0.0])
    layer.moving_variance.assign([1.5, 0.5, 2.0])
    return layer


def run(rank, dtype, training):
    """Outputs, gradients and moving averages after one call."""
    layer = built(rank, dtype)
    inputs = batch(rank, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        total = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 3)
    assert outputs.dtype == inputs.dtype
    gradients = tape.gradient(total, [inputs, layer.gamma.value, layer.beta.value])
    moving = [layer.moving_mean.value, layer.moving_variance.value]
    return [np.float32(tf.cast(value, tf.float32)) for value in (outputs, *gradients, *moving)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 2e-5), ("mixed_bfloat16", 0.02), ("mixed_float16", 3e-3)],
)
@pytest.mark.parametrize("rank", [2, 4])
def test_the_fused_operation_equals_the_separate_ones(
    rank, dtype, tolerance, training, monkeypatch
):
    fused = run(rank, dtype, training)
    monkeypatch.setattr("dmgan_tf.layers.normalization.backend_kernels", lambda: None)
    separate = run(rank, dtype, training)
    for a, b in zip(fused, separate, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())


@pytest.mark.parametrize("fused", [True, False])
def test_moving_averages_are_those_of_pytorch(fused, monkeypatch):
    if not fused:
        monkeypatch.setattr("dmgan_tf.layers.normalization.backend_kernels", lambda: None)
    layer = built(4, "float32")
    pixels = batch(4).numpy().reshape(-1, 3)
    layer(batch(4), training=True)
    expected = 0.9 * np.array([0.5, -0.5, 0.0]) + 0.1 * pixels.mean(0)
    np.testing.assert_allclose(layer.moving_mean, expected, atol=1e-6)
    expected = 0.9 * np.array([1.5, 0.5, 2.0]) + 0.1 * pixels.var(0, ddof=1)
    np.testing.assert_allclose(layer.moving_variance, expected, atol=1e-6)


def test_inference_changes_nothing():
    layer = built(4, "float32")
    before = [variable.numpy().tobytes() for variable in layer.weights]
    layer(batch(4))
    assert [variable.numpy().tobytes() for variable in layer.weights] == before


def test_shapes_may_be_unknown_in_a_graph():
    for rank in SHAPES:
        layer = built(rank, "float32")
        signature = tf.TensorSpec([None] * (rank - 1) + [3], tf.float32)
        for training in (False, True):
            call = tf.function(
                lambda x, layer=layer, training=training: layer(x, training=training),
                input_signature=[signature],
            )
            expected = built(rank, "float32")(batch(rank), training=training)
            np.testing.assert_allclose(call(batch(rank)), expected, atol=1e-5)


def test_the_scale_starts_as_in_the_release():
    layer = BatchNorm()
    layer.build((None, 4000))
    np.testing.assert_allclose(np.mean(layer.gamma), 1.0, atol=2e-3)
    np.testing.assert_allclose(np.std(layer.gamma), 0.02, atol=2e-3)


@pytest.mark.parametrize("fused", [True, False])
def test_one_that_is_frozen_neither_uses_nor_learns_from_the_batch(fused, monkeypatch):
    """As every batch normalisation of Keras does, so that a frozen network stays as it is."""
    if not fused:
        monkeypatch.setattr("dmgan_tf.layers.normalization.backend_kernels", lambda: None)
    layer = built(4, "float32")
    expected = layer(batch(4))
    layer.trainable = False
    before = [variable.numpy().tobytes() for variable in layer.weights]
    np.testing.assert_array_equal(layer(batch(4), training=True), expected)
    assert [variable.numpy().tobytes() for variable in layer.weights] == before
    layer.trainable = True
    assert np.abs(layer(batch(4), training=True) - expected).max() > 0.1


def test_the_constructor_takes_what_the_layer_honours():
    for option in ({"scale": False}, {"center": False}, {"axis": 1}, {"synchronized": True}):
        with pytest.raises(TypeError, match=next(iter(option))):
            BatchNorm(**option)
    layer = BatchNorm(0.8, 1e-3, "ones", name="tested", dtype="mixed_bfloat16", trainable=False)
    copy = BatchNorm.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert (copy.momentum, copy.epsilon, copy.name, copy.trainable) == (0.8, 1e-3, "tested", False)
    assert copy.dtype_policy.name == "mixed_bfloat16"
    assert isinstance(copy.gamma_initializer, keras.initializers.Ones)
