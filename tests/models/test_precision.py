"""Mixed precision: float32 variables and results, and images near those of float32."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.losses import ReleaseObjective
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.text_encoder import TextEncoder

TOKEN_IDS = np.array([[3, 1, 4, 2], [2, 6, 0, 0], [5, 0, 0, 0]], "int32")
# The compute type, and how far its images may lie from those of float32, as a share of the largest
# value: some ten layers round to 8 bits in bfloat16, and to 11 in float16.
PRECISIONS = [("mixed_bfloat16", 0.1), ("mixed_float16", 0.02)]


def networks(dtype):
    models = (
        TextEncoder(7, word_dim=6, embedding_dim=4, dtype=dtype),
        Generator(
            channels=4,
            noise_dim=5,
            condition_dim=3,
            word_dim=6,
            num_residual_blocks=1,
            base_size=16,
            num_stages=2,
            dtype=dtype,
        ),
        Discriminator(32, channels=4, sentence_dim=6, dtype=dtype),
    )
    random = np.random.RandomState(0)
    for model in models:
        model.build()
        for variable in model.weights:  # the same for every precision, of the size of new ones
            scale = 1.0 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
            if len(variable.shape) > 1:
                variable.assign(scale * random.normal(size=variable.shape))
        for layer in model._flatten_layers():
            if hasattr(layer, "gamma"):
                layer.gamma.assign(random.normal(1.0, 0.02, layer.gamma.shape))
            if hasattr(layer, "singular_vector"):
                layer.singular_vector.assign(random.normal(size=layer.filters))
    return models


def draw(models, training):
    """Images and logits of the three networks, one after the other."""
    text_encoder, generator, discriminator = models
    random = np.random.RandomState(1)
    encoded = text_encoder(TOKEN_IDS)
    outputs = generator(
        {
            "noise": random.normal(size=(3, 5)).astype("float32"),
            "condition_noise": random.normal(size=(3, 3)).astype("float32"),
            "padding_mask": TOKEN_IDS != 0,
            **encoded,
        },
        training=training,
    )
    logits = discriminator(outputs["images"][-1], encoded["sentence_embedding"], training=training)
    return outputs, logits


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("training", [False, True])
def test_results_are_float32_and_near_those_of_float32(dtype, tolerance, training):
    outputs, logits = draw(networks(dtype), training)
    expected_outputs, _ = draw(networks("float32"), training)
    for image, expected in zip(outputs["images"], expected_outputs["images"], strict=True):
        assert image.dtype == tf.float32
        assert np.abs(image).max() <= 1.0
        np.testing.assert_allclose(image, expected, atol=tolerance * np.abs(expected).max())
    kept_in_float32 = ("attention_scores", "word_gates", "response_gates")
    for name in kept_in_float32:
        assert outputs[name][0].dtype == tf.float32
        np.testing.assert_allclose(outputs[name][0], expected_outputs[name][0], atol=tolerance)
    assert outputs["condition_mean"].dtype == tf.float32
    assert outputs["condition_log_variance"].dtype == tf.float32
    assert {value.dtype for value in logits.values()} == {tf.float32}


@pytest.mark.parametrize("dtype", [dtype for dtype, _ in PRECISIONS])
def test_logits_are_near_those_of_float32_for_the_same_image(dtype):
    """With 16 channels before the logits, where half-precision convolutions can be quite wrong."""
    random = np.random.RandomState(2)
    images = random.uniform(-1, 1, (3, 32, 32, 3)).astype("float32")
    sentences = random.normal(size=(3, 6)).astype("float32")
    assert networks("float32")[-1].feature_channels == 16
    ours, expected = (networks(name)[-1](images, sentences) for name in (dtype, "float32"))
    for name, logits in ours.items():
        np.testing.assert_allclose(logits, expected[name], atol=0.05 * np.std(expected[name]))


@pytest.mark.parametrize("dtype", [dtype for dtype, _ in PRECISIONS])
def test_variables_and_gradients(dtype):
    models = networks(dtype)
    variables = [variable for model in models for variable in model.trainable_variables]
    assert {variable.dtype for model in models for variable in model.weights} <= {
        "float32",
        "uint32",  # the seed of dropout
    }
    with tf.GradientTape() as tape:
        outputs, logits = draw(models, training=True)
        loss = tf.reduce_mean(ReleaseObjective().generator_loss(logits))
        # Every stage, as in training, so that no variable is left without a gradient.
        loss += sum(tf.reduce_mean(image**2) for image in outputs["images"])
        scaled = loss * 128.0  # as a loss scale does, or small gradients vanish in float16
    gradients = tape.gradient(scaled, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        gradient = tf.convert_to_tensor(gradient)
        assert gradient.dtype == tf.float32, variable.path
        assert np.all(np.isfinite(gradient)), variable.path
    moved = sum(bool(np.any(tf.convert_to_tensor(gradient) != 0)) for gradient in gradients)
    assert moved >= 0.9 * len(gradients)
