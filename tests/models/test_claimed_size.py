"""What a configuration claims is told before it is built, and is never more than what is built."""

import math

import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.layers.initialization import without_initial_values
from dmgan_tf.models.claimed_size import least_values
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.text_encoder import TextEncoder

SMALL = {"channels": 4, "noise_dim": 5, "condition_dim": 3, "word_dim": 6, "base_size": 16}
BARE = {"memory_dim": 1, "num_residual_blocks": 0, "writing_gate": False, "response_gate": False}


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Generator, {}),
        (Generator, SMALL),
        (Generator, {**SMALL, "num_stages": 1}),
        (Generator, {**SMALL, "refinement": "attention", "num_residual_blocks": 0}),
        (Generator, {**SMALL, **BARE}),
        (Generator, {**SMALL, "base_size": 128, "num_stages": 2}),
        (Generator, {**SMALL, "word_dim": 300}),
        (Generator, {**SMALL, "memory_dim": 300}),
        (Discriminator, {"image_size": 16, "channels": 2, "sentence_dim": 6}),
        (Discriminator, {"image_size": 64, "channels": 1, "sentence_dim": 1}),
        (Discriminator, {"image_size": 256}),
        (TextEncoder, {"vocabulary_size": 5000}),
        (TextEncoder, {"vocabulary_size": 5, "word_dim": 6, "embedding_dim": 4}),
        (ImageEncoder, {"backbone": "small_cnn"}),
        (ImageEncoder, {"backbone": "small_cnn", "embedding_dim": 1, "channels": 1}),
    ],
)
def test_no_network_has_fewer_and_none_has_many_more(model_class, config):
    model = model_class(**config)
    with without_initial_values():
        model.build()
    count = sum(math.prod(weight.shape) for weight in model.weights)
    least = least_values(model_class.__name__, model.get_config())
    assert least <= count <= 3 * least + 1000


def test_inception_has_more_than_its_classifier():
    assert least_values("InceptionV3", {"num_classes": 1000}) == 2048 * 1000
    assert least_values("InceptionV3", {"num_classes": 0}) == 0
    assert InceptionV3.__name__ == "InceptionV3"  # by which the configuration is found


@pytest.mark.parametrize(
    ("kind", "config", "at_least"),
    [
        ("Generator", {"channels": 10**9}, 10**18),
        ("Generator", {"word_dim": 10**9}, 10**11),
        ("Generator", {"memory_dim": 10**9}, 10**11),
        ("Generator", {"noise_dim": 10**9}, 10**12),
        ("Generator", {"num_residual_blocks": 10**9}, 10**12),
        ("Generator", {"refinement": "attention", "word_dim": 10**9}, 10**11),
        ("Discriminator", {"channels": 10**9}, 10**18),
        ("Discriminator", {"sentence_dim": 10**9}, 10**11),
        ("TextEncoder", {"vocabulary_size": 10**9}, 10**11),
        ("TextEncoder", {"vocabulary_size": 5, "word_dim": 10**9}, 10**18),
        ("TextEncoder", {"vocabulary_size": 5, "embedding_dim": 10**9}, 10**11),
        ("ImageEncoder", {"embedding_dim": 10**9}, 10**11),
        ("ImageEncoder", {"backbone": "small_cnn", "channels": 10**9}, 10**18),
        ("InceptionV3", {"num_classes": 10**9}, 10**12),
    ],
)
def test_a_digit_too_many_in_any_size_shows(kind, config, at_least):
    assert least_values(kind, config) >= at_least


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("Generator", {"channels": 0}, "channels of a Generator to be a whole number from 1 up"),
        ("Generator", {"channels": "64"}, "Received: 64"),
        ("Generator", {"channels": True}, "Received: True"),
        ("Generator", {"channels": 1e300}, "whole number"),
        ("Generator", {"num_residual_blocks": -1}, "from 0 up"),
        ("Generator", {"num_stages": 30}, "at most 8192 pixels"),
        ("Generator", {"num_stages": 10**400}, "at most 8192 pixels"),
        ("Generator", {"base_size": 2**20}, "at most 8192 pixels"),
        ("Discriminator", {"image_size": 2**1000}, "at most 8192 pixels"),
        ("ImageEncoder", {"input_size": 100_000}, "at most 8192 pixels"),
        ("TextEncoder", {"vocabulary_size": [5]}, "whole number"),
    ],
)
def test_sizes_that_are_none(kind, config, expected):
    with pytest.raises(InputError, match=expected) as caught:
        least_values(kind, config)
    assert len(str(caught.value)) < 300
