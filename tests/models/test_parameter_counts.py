"""At the paper's sizes, every network has as many parameters as the authors' release."""

import numpy as np
import pytest

from dmgan_tf.layers.initialization import without_initial_values
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.text_encoder import TextEncoder


def built(model):
    with without_initial_values():  # the count does not depend on them, and they take seconds
        model.build()
    return model


def count(*layers):
    return sum(int(np.prod(v.shape)) for layer in layers for v in layer.trainable_weights)


def test_generator():
    generator = built(Generator())
    assert count(generator) == 21_449_042
    assert count(generator.conditioning) == 102_800
    assert count(generator.initial_stage) == 19_156_736
    assert [count(stage) for stage in generator.refinement_stages] == [1_092_161] * 2
    assert [count(layer) for layer in generator.to_images] == [1_728] * 3


@pytest.mark.parametrize(
    ("image_size", "expected"), [(64, 1_878_242), (128, 5_155_810), (256, 18_264_546)]
)
def test_discriminator(image_size, expected):
    assert count(built(Discriminator(image_size))) == expected


def test_text_encoder():
    # PyTorch's LSTM adds two biases a gate, of which one is enough: 4 * 128 a direction.
    assert count(built(TextEncoder(5450))) == 2_075_320 - 2 * 4 * 128


def test_heads_of_the_image_encoder():
    encoder = built(ImageEncoder())
    assert count(encoder.region_projection, encoder.code_projection) == 721_152
