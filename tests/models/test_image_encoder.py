"""The DAMSM's image encoder; its Inception backbone meets the release in `test_inception.py`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.models.backbones import SmallCNN
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import load_model_directory, save_model_directory


def small_encoder(**options):
    return ImageEncoder(
        **{"embedding_dim": 6, "backbone": "small_cnn", "channels": 4, "input_size": 32, **options}
    )


def random_images(size=32, batch=3):
    shape = (batch, size, size, 3)
    return np.random.RandomState(0).uniform(-1, 1, shape).astype("float32")


def test_shapes_follow_the_input_size_not_the_image():
    for size in (16, 32, 50):
        outputs = small_encoder()(random_images(size))
        assert outputs["region_features"].shape == (3, 4, 4, 6)
        assert outputs["image_code"].shape == (3, 6)


def test_words_are_predicted_from_the_code():
    encoder = small_encoder(num_predicted_words=9)
    outputs = encoder(random_images())
    expected = encoder.word_prediction(outputs["image_code"])
    np.testing.assert_allclose(outputs["word_logits"], expected, atol=1e-6)
    assert outputs["word_logits"].shape == (3, 9)
    assert "word_logits" not in small_encoder()(random_images())


def test_default_small_cnn_has_about_a_million_parameters():
    encoder = ImageEncoder(backbone="small_cnn")
    encoder.build()
    assert encoder.input_size == 64
    assert 0.3e6 < encoder.count_params() < 1.2e6


def test_batch_size_may_vary_in_a_graph():
    encoder = small_encoder()
    graph = tf.function(
        lambda images: encoder(images)["image_code"],
        input_signature=[tf.TensorSpec((None, 32, 32, 3))],
    )
    images = random_images()
    for batch in (1, 3):
        np.testing.assert_allclose(
            graph(images[:batch]), encoder(images[:batch])["image_code"], atol=1e-5
        )


def test_every_weight_learns():
    encoder = small_encoder()
    with tf.GradientTape() as tape:
        outputs = encoder(random_images(), training=True)
        loss = sum(tf.reduce_sum(tf.square(value)) for value in outputs.values())
    gradients = tape.gradient(loss, encoder.trainable_variables)
    for variable, gradient in zip(encoder.trainable_variables, gradients, strict=True):
        assert np.abs(gradient).max() > 0, variable.path


def test_gradient_of_the_small_cnn_has_no_checkerboard():
    """Averaged over networks and images, no pixel of an 8 x 8 cell gets much less than another."""
    images = tf.constant(random_images(64, batch=4))
    energy = 0
    for seed in range(6):
        keras.utils.set_random_seed(seed)
        backbone = SmallCNN(channels=8)
        with tf.GradientTape() as tape:
            tape.watch(images)
            region_map = backbone(images)["region_map"]
            total = tf.reduce_sum(tf.square(region_map))
        energy += tf.square(tape.gradient(total, images)).numpy().mean(axis=(0, 3))
    inner = energy[8:-8, 8:-8].reshape(6, 8, 6, 8).mean(axis=(0, 2))
    assert inner.min() > 0.4 * inner.max()


def test_frozen_backbone_ignores_training():
    encoder = small_encoder(freeze_backbone=True)
    images = random_images()
    before = encoder(images)
    during = encoder(images, training=True)
    for name in before:
        np.testing.assert_array_equal(before[name], during[name])
    assert [variable.path.split("/")[-2] for variable in encoder.trainable_variables] == [
        "region_projection",
        "code_projection",
        "code_projection",
    ]
    unfrozen = small_encoder()
    assert (
        np.abs(unfrozen(images)["image_code"] - unfrozen(images, training=True)["image_code"]).max()
        > 1e-3
    )


def test_inception_trains_only_its_heads():
    encoder = ImageEncoder(embedding_dim=256, backbone="inception_v3")
    encoder.build()
    trainable = sum(int(np.prod(variable.shape)) for variable in encoder.trainable_variables)
    assert trainable == 721_152  # the release's heads


def test_lite0_is_frozen_and_paints(tmp_path):
    """Its projections train, and the gradient at the image is that of a generator's loss."""
    encoder = ImageEncoder(6, "efficientnet_lite0", input_size=64)
    images = tf.constant(random_images(64))
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = encoder(images, training=True)
        loss = sum(tf.reduce_sum(tf.square(value)) for value in outputs.values())
    assert outputs["region_features"].shape == (3, 4, 4, 6)
    assert len(encoder.trainable_variables) == 3
    assert np.all(np.abs(tape.gradient(loss, images)).max(axis=(1, 2, 3)) > 0)
    save_model_directory(tmp_path / "model", image_encoder=encoder)
    loaded = load_model_directory(tmp_path / "model").image_encoder
    np.testing.assert_array_equal(loaded(images)["image_code"], outputs["image_code"])


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_gives_float32(dtype):
    encoder = small_encoder(dtype=dtype)
    outputs = encoder(random_images())
    reference = small_encoder()
    reference.build()
    reference.set_weights(encoder.get_weights())
    for name, value in reference(random_images()).items():
        assert keras.backend.standardize_dtype(outputs[name].dtype) == "float32"
        np.testing.assert_allclose(outputs[name], value, atol=0.05 * np.abs(value).max())


def test_saves_and_loads(tmp_path):
    encoder = small_encoder(freeze_backbone=True)
    images = random_images()
    expected = encoder(images)
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    assert loaded.get_config() == encoder.get_config()
    for name, value in loaded(images).items():
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet"}, "efficientnet_lite0, inception_v3, small_cnn.*'resnet'"),
        ({"backbone": "efficientnet_lite0", "input_size": 48}, "multiple of 32.*48"),
        ({"input_size": 40}, "multiple of 16.*40"),
        ({"backbone": "inception_v3", "input_size": 64}, "at least 75.*64"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        small_encoder(**options)
