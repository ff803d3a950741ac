"""Properties of the memory and of word attention: masks, gates, gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers import DynamicMemory, GatedResponse, MemoryWriting, WordAttention

WORDS, CHANNELS, WORD_DIM = 5, 4, 3
LENGTHS = (2, 5, 1)


def readers():
    return {
        "memory": DynamicMemory(6),
        "memory without gates": DynamicMemory(6, writing_gate=False, response_gate=False),
        "attention": WordAttention(),
    }


def example(seed=0):
    random = np.random.RandomState(seed)
    image = random.normal(size=(3, 2, 4, CHANNELS)).astype("float32")
    words = random.normal(size=(3, WORDS, WORD_DIM)).astype("float32")
    return image, words, np.arange(WORDS) < np.array(LENGTHS)[:, None]


def built(layer, dtype_scale=1.0):
    layer.build((None, 2, 4, CHANNELS), (None, None, WORD_DIM))
    random = np.random.RandomState(1)
    for variable in layer.weights:
        variable.assign(dtype_scale * random.normal(size=variable.shape))
    return layer


@pytest.mark.parametrize("name", readers())
def test_padding_has_weight_zero_and_changes_nothing(name):
    layer = built(readers()[name])
    image, words, mask = example()
    outputs = layer(image, words, mask)
    scores = np.asarray(outputs["attention_scores"])
    padding = np.broadcast_to(~mask[:, None, None], scores.shape)
    assert np.all(scores[padding] == 0.0)
    np.testing.assert_allclose(scores.sum(-1), 1.0, atol=1e-6)
    other_padding = np.where(mask[..., None], words, 1e4).astype("float32")
    again = layer(image, other_padding, mask)
    np.testing.assert_array_equal(again["features"], outputs["features"])


@pytest.mark.parametrize("name", readers())
def test_each_caption_of_a_batch_meets_its_own_mask(name):
    layer = built(readers()[name])
    image, words, mask = example()
    together = layer(image, words, mask)
    for i, length in enumerate(LENGTHS[:2]):
        one = slice(i, i + 1)
        alone = layer(image[one], words[one, :length], mask[one, :length])
        np.testing.assert_allclose(alone["features"], together["features"][one], atol=1e-5)
        scores = together["attention_scores"][one, ..., :length]
        np.testing.assert_allclose(alone["attention_scores"], scores, atol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", readers())
def test_softmax_and_mask_hold_in_half_precision(name, dtype):
    layer = readers()[name]
    layer = built(type(layer).from_config({**layer.get_config(), "dtype": dtype}), 20.0)
    image, words, mask = example()
    outputs = layer(image, words, mask)
    scores = np.asarray(outputs["attention_scores"])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(-1), 1.0, atol=1e-6)
    assert np.all(scores[np.broadcast_to(~mask[:, None, None], scores.shape)] == 0.0)
    assert keras.backend.standardize_dtype(outputs["features"].dtype) == dtype[len("mixed_") :]
    assert np.all(np.isfinite(np.asarray(outputs["features"], "float32")))


def writing_with_gate(value):
    """A writing layer whose gate is 0 or 1 to the last bit."""
    layer = MemoryWriting(6)
    layer.build((None, None, WORD_DIM), (None, 2, 4, CHANNELS))
    layer.image_gate.kernel.assign(np.full((CHANNELS, 1), 200.0 if value else -200.0))
    return layer


def test_an_open_writing_gate_writes_words_only():
    image, words, _ = example()
    layer = writing_with_gate(1)
    outputs = layer(words, np.abs(image))
    np.testing.assert_array_equal(outputs["word_gate"], np.ones((3, WORDS)))
    np.testing.assert_array_equal(outputs["memory"], layer.word_projection(words))


def test_a_closed_writing_gate_writes_the_image_only():
    image, words, _ = example()
    image = np.abs(image)
    layer = writing_with_gate(0)
    outputs = layer(words, image)
    np.testing.assert_allclose(outputs["word_gate"], np.zeros((3, WORDS)), atol=1e-30)
    pooled = layer.image_projection(image.mean(axis=(1, 2))[:, None])
    expected = np.broadcast_to(pooled, (3, WORDS, 6))
    np.testing.assert_allclose(outputs["memory"], expected, atol=1e-6)


def test_without_its_gate_the_memory_holds_the_words_of_equation_3():
    image, words, _ = example()
    layer = MemoryWriting(6, gated=False)
    layer.build(words.shape, image.shape)
    outputs = layer(words, image)
    assert set(outputs) == {"memory"}
    assert len(layer.weights) == 2
    kernel, bias = layer.word_projection.get_weights()
    np.testing.assert_allclose(outputs["memory"], np.maximum(words @ kernel + bias, 0), atol=1e-6)


@pytest.mark.parametrize(("bias", "passed"), [(200.0, "reading"), (-200.0, "image")])
def test_a_forced_response_gate_passes_one_side(bias, passed):
    image, _, _ = example()
    reading = example(seed=2)[0]
    layer = GatedResponse()
    layer.build(image.shape)
    layer.gate.bias.assign([bias])
    expected = {"reading": reading, "image": image}[passed]
    np.testing.assert_allclose(layer(image, reading)["features"], expected, atol=1e-6)


def test_ablations_change_what_comes_out():
    image, words, mask = example()
    outputs = built(DynamicMemory(6, writing_gate=False, response_gate=False))(image, words, mask)
    assert set(outputs) == {"features", "attention_scores"}
    np.testing.assert_array_equal(outputs["features"][..., CHANNELS:], image)

    outputs = built(DynamicMemory(6, writing_gate=False))(image, words, mask)
    assert set(outputs) == {"features", "half_features", "attention_scores", "response_gate"}
    for half in np.split(np.asarray(outputs["features"]), 2, axis=-1):
        np.testing.assert_array_equal(half, outputs["half_features"])

    outputs = built(DynamicMemory(6, response_gate=False))(image, words, mask)
    assert set(outputs) == {"features", "attention_scores", "word_gate"}

    outputs = built(WordAttention())(image, words, mask)
    assert set(outputs) == {"features", "attention_scores"}
    np.testing.assert_array_equal(outputs["features"][..., :CHANNELS], image)


def test_no_gradient_flows_through_the_pooled_image():
    image, words, _ = example()
    image, words = tf.constant(image), tf.constant(words)
    layer = MemoryWriting(6)
    layer.build(words.shape, image.shape)
    with tf.GradientTape() as tape:
        tape.watch([image, words])
        total = tf.reduce_sum(layer(words, image)["memory"] ** 2)
    to_image, to_words, *to_weights = tape.gradient(
        total, [image, words, *layer.trainable_variables]
    )
    assert to_image is None
    assert np.any(to_words != 0)
    assert all(np.any(gradient != 0) for gradient in to_weights)
