"""Walks: their ends are the pictures of their ends, and between them nothing jumps."""

import keras
import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.layers.attention import attend_to_words
from dmgan_tf.models import interpolation
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.interpolation import interpolate_captions, interpolate_noise, spherical
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.text.vocabulary import Vocabulary

CAPTION, LONGER = "a red apple", "a green leaf on a red apple and a red leaf"


@pytest.fixture(scope="module", params=["memory", "attention"])
def model(request):
    """Untrained, its weights enlarged so that words matter and more than grey is drawn."""
    keras.utils.set_random_seed(4)
    vocabulary = Vocabulary(["a", "red", "green", "apple", "leaf", "on", "and"])
    text_encoder = TextEncoder(len(vocabulary), word_dim=8, embedding_dim=6)
    generator = Generator(
        channels=4,
        noise_dim=5,
        condition_dim=5,
        word_dim=8,
        num_residual_blocks=1,
        base_size=16,
        num_stages=2,
        refinement=request.param,
    )
    text_encoder.build()
    generator.build()
    for weight in text_encoder.weights:
        weight.assign(4 * weight)
    for weight in generator.weights:
        if weight.shape[-1] == 3:
            weight.assign(60 * weight)
        elif "projection" in weight.path:
            weight.assign(2 * weight)
    return DMGANTextToImage(vocabulary, text_encoder, generator)


def assert_same_picture(first, second):
    np.testing.assert_allclose(first.astype(int), second.astype(int), atol=1)


def test_a_walk_in_noise_ends_at_the_next_noise(model):
    walk = interpolate_noise(model, CAPTION, seed=3, first_row=6, num_frames=5)
    assert walk["images"].shape == (5, 32, 32, 3) and walk["images"].dtype == np.uint8
    assert walk["positions"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    first, last = model.generate([CAPTION] * 2, seed=3, first_row=6)
    assert_same_picture(walk["images"][0], first)
    assert_same_picture(walk["images"][-1], last)
    assert np.abs(first.astype(int) - last).max() > 20


def test_a_walk_between_captions_has_their_pictures_at_its_ends(model):
    walk = interpolate_captions(model, CAPTION, LONGER, seed=3, first_row=6, num_frames=5)
    first = model.generate([CAPTION], seed=3, first_row=6)[0]
    last = model.generate([LONGER], seed=3, first_row=6)[0]
    assert_same_picture(walk["images"][0], first)
    assert_same_picture(walk["images"][-1], last)
    assert np.abs(first.astype(int) - last).max() > 10


@pytest.mark.parametrize("end", [{"to_caption": LONGER}, {}])
def test_steps_grow_smaller_with_more_frames(model, end):
    walk = interpolate_captions if end else interpolate_noise

    def longest_step(num_frames):
        images = walk(model, CAPTION, **end, seed=3, num_frames=num_frames)["images"]
        return np.abs(np.diff(images.astype(int), axis=0)).mean(axis=(1, 2, 3)).max()

    assert longest_step(25) < 0.6 * longest_step(5)


def test_a_walk_does_not_depend_on_its_batches(model, monkeypatch):
    whole = interpolate_captions(model, CAPTION, LONGER, num_frames=5)["images"]
    parts = interpolate_captions(model, CAPTION, LONGER, num_frames=5, batch_size=2)["images"]
    monkeypatch.setattr(interpolation, "_MOST_WORDS", 1)
    single = interpolate_captions(model, CAPTION, LONGER, num_frames=5)["images"]
    assert_same_picture(whole, parts)
    assert_same_picture(whole, single)


def test_repeated_words_are_read_with_their_caption_s_weight():
    random = np.random.default_rng(0)
    first, last = random.normal(size=(2, 3)), random.normal(size=(3, 3))
    features, mask = interpolation._mixed_words(np.float32(first), np.float32(last), 5)
    pixels = random.normal(size=(5, 4, 4, 3)).astype("float32")
    reading, _ = attend_to_words(pixels, features, features, mask)
    words = np.concatenate([first, last])
    for frame, position in enumerate((0, 0.25, 0.5, 0.75, 1)):
        likeness = np.exp(pixels[frame] @ words.T)
        likeness *= np.repeat([1 - position, position], [2, 3])
        expected = likeness / likeness.sum(axis=-1, keepdims=True) @ words
        np.testing.assert_allclose(reading[frame], expected, rtol=1e-4, atol=1e-6)


def test_the_arc_between_two_vectors():
    x, y = np.array([2.0, 0.0]), np.array([0.0, 2.0])
    np.testing.assert_allclose(spherical(x, y, 0), x, atol=1e-12)
    np.testing.assert_allclose(spherical(x, y, 1), y, atol=1e-12)
    np.testing.assert_allclose(spherical(x, y, 0.5), [2**0.5] * 2)
    np.testing.assert_allclose(spherical(x, y, 1 / 3), [3**0.5, 1])
    np.testing.assert_allclose(spherical(x, 2 * x, 0.5), 1.5 * x)
    np.testing.assert_allclose(spherical(x, -x, 0.25), 0.5 * x)


def test_a_walk_has_two_ends(model):
    for walk in (
        lambda: interpolate_noise(model, CAPTION, num_frames=1),
        lambda: interpolate_captions(model, CAPTION, LONGER, num_frames=1),
    ):
        with pytest.raises(InputError, match="num_frames of 2 or more"):
            walk()
