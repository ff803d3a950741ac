"""The discriminator that sees images through a frozen network as well."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.convert.efficientnet_weights import load_efficientnet_lite0
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.projected_discriminator import ProjectedDiscriminator


def projected(image_size=32, from_size=32, **options):
    model = ProjectedDiscriminator(
        image_size, channels=2, sentence_dim=6, from_size=from_size, **options
    )
    model.build()
    return model


@pytest.fixture(scope="module")
def lite0():
    return load_efficientnet_lite0()


@pytest.fixture(scope="module")
def model(lite0):
    model = projected()
    model.lite0.copy_folded(lite0)
    return model


def example(image_size=32, batch=2, seed=0):
    random = np.random.RandomState(seed)
    images = random.uniform(-1, 1, (batch, image_size, image_size, 3)).astype("float32")
    return tf.constant(images), tf.constant(random.normal(size=(batch, 6)).astype("float32"))


@pytest.mark.parametrize(("image_size", "side"), [(32, 32), (256, 64)])
def test_features_of_four_scales_are_beside_those_of_pixels(image_size, side):
    model = projected(image_size)
    assert model.scales[0].layers[0].name == f"scale_{side}_downsample_{side // 2}"
    assert len(model.scales) == 4
    features = model.compute_output_spec(
        keras.KerasTensor((2, image_size, image_size, 3)), keras.KerasTensor((2, 6))
    )
    assert {name: value.shape for name, value in features.items()} == {
        "conditional_logits": (2,),
        "unconditional_logits": (2,),
    }
    channels = model.feature_channels + 4 * 4 * model.channels
    assert model.unconditional_head.kernel.shape == (4, 4, channels, 1)


def test_small_images_are_seen_as_in_the_paper():
    model = projected(16, detail_gain=4.0)
    assert model.lite0 is None
    paper = Discriminator(16, channels=2, sentence_dim=6, detail_gain=4.0)
    paper.build()
    paper.set_weights(model.get_weights())
    for name, value in paper(*example(16)).items():
        np.testing.assert_array_equal(model(*example(16))[name], value)


def test_the_frozen_network_sees_levels_as_it_was_trained(model, lite0):
    images, _ = example(128)
    levels = images * 127.5 + 127.5
    x = lite0.stem((levels - 127) / 128)
    for block in lite0.blocks[:3]:
        x = block(x)
    (mixed, *_) = model._mixed(images)
    alone = model.lite0((levels - 127) / 128)[2]
    np.testing.assert_allclose(alone, x, atol=1e-3)
    assert mixed.shape == (2, 32, 32, 4)
    shades = np.array(images)
    shades[:, 5:40, 5:40] += 0.5
    assert np.abs(model._mixed(tf.constant(shades))[0] - mixed).max() > 0.05


def test_gradients_reach_all_that_is_trained_and_the_image(model):
    images, sentences = example()
    trainable = model.trainable_variables
    assert not any("lite0" in variable.path for variable in trainable)
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.add_n([tf.reduce_sum(out) for out in model(images, sentences).values()])
    gradients = tape.gradient(loss, [images, *(variable.value for variable in trainable)])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_training_leaves_the_frozen_network_as_it_is(model):
    before = [weight.tobytes() for weight in model.lite0.get_weights()]
    model(*example(), training=True)
    assert [weight.tobytes() for weight in model.lite0.get_weights()] == before
    names = model.singular_values().keys()
    assert {"downsample_16", "joint", "scale_32_last", "scale_4_last"} <= names


def test_another_process_mixes_alike(model):
    again = ProjectedDiscriminator.from_config(model.get_config())
    again.build()
    again.set_weights(model.get_weights())
    for name, value in model(*example()).items():
        np.testing.assert_array_equal(again(*example())[name], value)
