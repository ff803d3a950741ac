"""The discriminator: sizes, heads, and what a generator's step leaves unchanged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.models.discriminator import Discriminator


def discriminator(image_size=16, **options):
    model = Discriminator(image_size, channels=2, sentence_dim=6, **options)
    model.build()
    return model


def example(image_size=16, batch=3, seed=0):
    random = np.random.RandomState(seed)
    images = random.uniform(-1, 1, (batch, image_size, image_size, 3)).astype("float32")
    return images, random.normal(size=(batch, 6)).astype("float32")


@pytest.mark.parametrize(
    ("image_size", "num_blocks", "feature_channels"),
    [(16, 2, 4), (32, 3, 8), (64, 4, 16), (128, 6, 16), (256, 8, 16)],
)
def test_one_class_serves_every_size(image_size, num_blocks, feature_channels):
    model = discriminator(image_size)
    assert len(model.image_blocks) == num_blocks
    assert model.feature_channels == feature_channels
    images, sentences = example(image_size, batch=2)
    assert model.extract_features(images).shape == (2, 4, 4, feature_channels)
    outputs = model(images, sentences)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "conditional_logits": (2,),
        "unconditional_logits": (2,),
    }


@pytest.mark.parametrize("image_size", [8, 48])
def test_sizes_that_cannot_be_are_refused(image_size):
    with pytest.raises(InputError, match=f"power of two from 16 up.*image_size={image_size}"):
        Discriminator(image_size)


@pytest.mark.parametrize(
    ("images_shape", "sentence_shape", "message"),
    [
        ((2, 32, 32, 3), (2, 6), r"images of shape \(batch, 16, 16, 3\).*\(2, 32, 32, 3\)"),
        ((2, 16, 16, 1), (2, 6), r"images of shape .*\(2, 16, 16, 1\)"),
        ((16, 16, 3), (2, 6), r"images of shape .*\(16, 16, 3\)"),
        # As many values as two sentences have, which a mere reshaping would take.
        ((2, 16, 16, 3), (1, 12), r"embeddings of shape \(batch, 6\).*\(1, 12\)"),
        ((2, 16, 16, 3), (2, 3, 2), r"embeddings of shape .*\(2, 3, 2\)"),
    ],
)
def test_inputs_of_another_size_are_refused(images_shape, sentence_shape, message):
    model = discriminator()
    images, sentences = np.zeros(images_shape, "float32"), np.zeros(sentence_shape, "float32")
    with pytest.raises(InputError, match=message):
        model(images, sentences)
    with pytest.raises(InputError, match=message):
        model.conditional_logits(model.extract_features(images), sentences)


def test_sizes_may_be_unknown_in_a_graph():
    model = discriminator()
    signature = [tf.TensorSpec([None] * 4, tf.float32), tf.TensorSpec([None] * 2, tf.float32)]
    inputs = example()
    actual = tf.function(model, input_signature=signature)(*inputs)
    for name, value in model(*inputs).items():
        np.testing.assert_allclose(actual[name], value, atol=1e-5)


def test_only_the_conditional_head_reads_the_sentence():
    model = discriminator()
    images, sentences = example()
    first, other = model(images, sentences), model(images, -sentences)
    np.testing.assert_array_equal(first["unconditional_logits"], other["unconditional_logits"])
    changed = np.asarray(first["conditional_logits"]) != np.asarray(other["conditional_logits"])
    assert np.all(changed)


def test_heads_on_shared_features_equal_a_call():
    model = discriminator()
    images, sentences = example()
    features = model.extract_features(images)
    outputs = model(images, sentences)
    conditional = model.conditional_logits(features, sentences)
    np.testing.assert_array_equal(conditional, outputs["conditional_logits"])
    unconditional = model.unconditional_logits(features)
    np.testing.assert_array_equal(unconditional, outputs["unconditional_logits"])


def test_only_training_moves_the_singular_vectors_and_nothing_else():
    model = discriminator()
    for training in (False, True):
        before = [variable.numpy().tobytes() for variable in model.weights]
        model(*example(), training=training)
        after = [variable.numpy().tobytes() for variable in model.weights]
        for variable, old, new in zip(model.weights, before, after, strict=True):
            moved = training and variable.name == "singular_vector"
            assert (old != new) == moved, variable.path


def test_every_convolution_but_the_logits_is_normalised():
    model = discriminator(64)
    convolutions = [layer for layer in model._flatten_layers() if hasattr(layer, "filters")]
    plain = [layer.name for layer in convolutions if isinstance(layer, keras.layers.Conv2D)]
    assert sorted(plain) == ["conditional_head", "unconditional_head"]
    for block in [*model.image_blocks, model.joint_block]:
        assert hasattr(block.convolution, "singular_vector")


def test_gradients_reach_every_variable_and_the_image():
    model = discriminator()
    images, sentences = (tf.constant(value) for value in example())
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = model(images, sentences)
        total = tf.reduce_sum(outputs["conditional_logits"] + outputs["unconditional_logits"])
    values = [images, *(variable.value for variable in model.trainable_variables)]
    for gradient in tape.gradient(total, values):
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient != 0)


def test_batch_may_vary_in_a_graph():
    model = discriminator()
    specs = [tf.TensorSpec([None, 16, 16, 3]), tf.TensorSpec([None, 6])]
    graph = tf.function(lambda x, s: model(x, s), input_signature=specs)
    for batch in (1, 4):
        for name, value in graph(*example(batch=batch)).items():
            expected = model(*example(batch=batch))[name]
            np.testing.assert_allclose(value, expected, atol=1e-5)


@pytest.mark.parametrize("gain", [-1.0, float("nan")])
def test_a_gain_that_cannot_be_is_refused(gain):
    with pytest.raises(InputError, match=f"0 or more.*detail_gain={gain}"):
        Discriminator(16, detail_gain=gain)


def test_the_detail_input_sees_specks_and_nothing_in_flat_images():
    keras.utils.set_random_seed(0)
    quiet, loud = (discriminator(detail_gain=gain) for gain in (1.0, 64.0))
    loud.set_weights(quiet.get_weights())
    flat = np.full((1, 16, 16, 3), (0.5, -0.25, 1.0), "float32")
    specks = flat.copy()
    specks[:, 5, 3] -= 0.1
    change = {}
    for name, model in (("quiet", quiet), ("loud", loud)):
        features = model.extract_features(np.concatenate([flat, specks]))
        change[name] = float(np.abs(np.diff(features, axis=0)).mean())
    assert change["loud"] > 3 * change["quiet"] > 0
    expected = quiet.extract_features(flat)
    np.testing.assert_allclose(loud.extract_features(flat), expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"detail_gain": 4.0}])
def test_configuration_weights_and_keras_file(options, tmp_path):
    model = discriminator(32, **options)
    model(*example(32), training=True)
    expected = model(*example(32))
    copy = Discriminator.from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    copy.build()
    model.save_weights(tmp_path / "discriminator.weights.h5")
    copy.load_weights(tmp_path / "discriminator.weights.h5")
    model.save(tmp_path / "discriminator.keras")
    loaded = keras.saving.load_model(tmp_path / "discriminator.keras")
    for restored in (copy, loaded):
        outputs = restored(*example(32))
        keras.tree.map_structure(np.testing.assert_array_equal, outputs, expected)
