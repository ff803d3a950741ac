import keras
import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import load_model_directory, save_model_directory
from dmgan_tf.models.word_reader import WordReader

COLORS, OTHERS = [2, 4], [1, 3, 5]


@pytest.fixture(scope="module")
def reader():
    keras.utils.set_random_seed(0)
    return WordReader(6, COLORS)


def read(reader, images, training=False):
    return keras.ops.convert_to_numpy(reader(images, training=training))


def noise(size=64):
    return np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype("float32")


def test_colours_and_other_words_are_two_distributions(reader):
    probabilities = np.exp(read(reader, noise(128)))
    assert probabilities.shape == (2, 6) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities[:, COLORS].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(probabilities[:, OTHERS].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities[:, 0], 0)
    np.testing.assert_array_equal(reader.groups.nonzero()[1], [*COLORS, *OTHERS])


def test_only_colours_depend_on_colours(reader):
    images = noise()
    plain, other = read(reader, images), read(reader, images[..., ::-1])
    np.testing.assert_allclose(plain[:, OTHERS], other[:, OTHERS], atol=1e-4)
    assert np.abs(plain[:, COLORS] - other[:, COLORS]).max() > 1e-3


def test_in_training_brightness_does_not_tell_the_colour(reader):
    red = np.tile(np.float32([1, -1, -1]), (64, 64, 64, 1))
    greys = np.mean(keras.ops.convert_to_numpy(reader._grey(red, True)), axis=(1, 2, 3))
    assert greys.min() < -0.8 and greys.max() > 0.8
    grey = keras.ops.convert_to_numpy(reader._grey(red, False))
    np.testing.assert_allclose(grey, -1 / 3, rtol=1e-6)


def test_colours_are_read_from_small_patches(reader):
    images = noise()
    other = images.copy()
    other[:, 32:34, 32:34] = 1.0
    patches = [keras.ops.convert_to_numpy(reader.colors(x)) for x in (images, other)]
    rows, columns = np.abs(patches[0] - patches[1]).max(axis=(0, 3)).nonzero()
    assert rows.min() >= 14 and columns.max() <= 18  # of 32 by 32


def test_every_weight_learns(reader):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(reader(noise(), training=True)[:, 1:])
    for variable, gradient in zip(
        reader.trainable_variables, tape.gradient(loss, reader.trainable_variables), strict=True
    ):
        assert np.any(gradient), variable.path


@pytest.mark.parametrize(
    "color_ids", [[], [0, 2], [6], [2, 2], [4, 2], [1.5], [True], [None], ["2"], [1, 2, 3, 4, 5, 6]]
)
def test_ids_that_are_no_words_are_refused(color_ids):
    with pytest.raises(InputError, match="`color_ids` between 0 and 6, one or more, ascending"):
        WordReader(6, color_ids)


def test_a_model_directory_has_the_reader_of_its_image_encoder(tmp_path):
    encoder = ImageEncoder(
        *(6, "small_cnn"), channels=4, input_size=32, num_predicted_words=6, color_ids=COLORS
    )
    encoder.build()
    save_model_directory(tmp_path / "model", image_encoder=encoder, weights_dtype="float16")
    loaded = load_model_directory(tmp_path / "model").image_encoder
    assert loaded.color_ids == tuple(COLORS)
    np.testing.assert_allclose(
        read(loaded.word_reader, noise()), read(encoder.word_reader, noise()), atol=0.02
    )
    assert ImageEncoder(6, "small_cnn").word_reader is None
