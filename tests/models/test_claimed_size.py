"""What a configuration claims takes no memory before it is known to lie in the file."""

import math

import keras
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.claimed_size import TooLarge, build_within, check_sizes, count_values
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.text_encoder import TextEncoder

SMALL = {"channels": 4, "noise_dim": 5, "condition_dim": 3, "word_dim": 6, "base_size": 16}


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Generator, {**SMALL, "num_stages": 2}),
        (Discriminator, {"image_size": 16, "channels": 2, "sentence_dim": 6}),
        (TextEncoder, {"vocabulary_size": 5, "word_dim": 6, "embedding_dim": 4}),
        (ImageEncoder, {"backbone": "small_cnn", "embedding_dim": 1, "channels": 1}),
    ],
)
def test_a_network_takes_what_it_has_and_no_value_less(model_class, config):
    expected = model_class(**config)
    expected.build()
    count = sum(math.prod(weight.shape) for weight in expected.weights)
    model = build_within(lambda: model_class(**config), count)
    assert count_values(model) == count
    assert [w.shape for w in model.weights] == [w.shape for w in expected.weights]
    model.set_weights(expected.get_weights())
    with pytest.raises(TooLarge):
        build_within(lambda: model_class(**config), count - 1)


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Generator, {"channels": 10**9}),
        (Generator, {"word_dim": 10**9}),
        (Generator, {"memory_dim": 10**9}),
        (Generator, {"noise_dim": 10**9}),
        (Generator, {"refinement": "attention", "word_dim": 10**9}),
        (Discriminator, {"image_size": 64, "channels": 10**9}),
        (Discriminator, {"image_size": 64, "sentence_dim": 10**9}),
        (TextEncoder, {"vocabulary_size": 10**9}),
        (TextEncoder, {"vocabulary_size": 5, "word_dim": 10**9}),
        (TextEncoder, {"vocabulary_size": 5, "embedding_dim": 10**9}),
        (ImageEncoder, {"embedding_dim": 10**9}),
        (ImageEncoder, {"backbone": "small_cnn", "channels": 10**9}),
        (
            ImageEncoder,
            {"backbone": "small_cnn", "num_predicted_words": 10**9, "color_ids": [1]},
        ),
        (InceptionV3, {"num_classes": 10**9}),
    ],
)
def test_a_digit_too_many_in_any_size_takes_no_memory(model_class, config):
    with pytest.raises(TooLarge):
        build_within(lambda: model_class(**config), 10**9)
    with keras.StatelessScope():  # whose end would take it, if anything still waited
        pass


def test_a_network_that_cannot_be_built_takes_none_either():
    def make():
        keras.layers.Dense(10**9, name="huge").build((None, 10**9))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_within(make, 10**30)
    with keras.StatelessScope():
        pass


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"num_residual_blocks": 10**9}, "too few values"),
        ({"num_stages": 10**400}, "too few values"),
        ({"num_stages": 30}, "at most 8192 pixels"),
        ({"base_size": 2**20}, "at most 8192 pixels"),
        ({"image_size": 2**1000}, "at most 8192 pixels"),
        ({"input_size": 100_000}, "at most 8192 pixels"),
    ],
)
def test_layers_and_images_without_measure(config, expected):
    with pytest.raises(InputError, match=expected) as caught:
        check_sizes(config, num_arrays=100)
    assert len(str(caught.value)) < 300


def test_sizes_of_use_pass():
    check_sizes({"base_size": 64, "num_stages": 3, "input_size": None}, num_arrays=100)
