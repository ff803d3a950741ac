"""`DMGANTextToImage`: the same call draws the same images, and other noise draws others."""

import json
import logging

import h5py
import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.model_card import About
from dmgan_tf.models.model_directory import save_model_directory
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.models.text_to_image import DMGANTextToImage, to_uint8
from dmgan_tf.text.vocabulary import Vocabulary

CAPTIONS = ["a red apple", "a green apple", "a red apple", "apple"]
ATTENTION = {"attention_scores", "word_gates", "response_gates", "words"}


@pytest.fixture(scope="module")
def model():
    vocabulary = Vocabulary(["a", "red", "green", "apple"])
    text_encoder = TextEncoder(len(vocabulary), word_dim=6, embedding_dim=4)
    generator = Generator(
        channels=4,
        noise_dim=5,
        condition_dim=3,
        word_dim=6,
        num_residual_blocks=1,
        base_size=16,
        num_stages=3,
    )
    random = np.random.RandomState(0)
    for network in (text_encoder, generator):
        network.build()
        for variable in network.weights:
            if variable.name == "kernel":
                variable.assign(variable + random.normal(0, 0.2, variable.shape))
    return DMGANTextToImage(vocabulary, text_encoder, generator)


def assert_within_three_levels(a, b):
    assert a.dtype == b.dtype == np.uint8
    assert np.abs(a.astype(int) - b.astype(int)).max() <= 3


def test_the_same_call_gives_the_same_images(model):
    first = model.generate(CAPTIONS, seed=3)
    assert first.shape == (4, 64, 64, 3) and first.dtype == np.uint8
    assert first.std() > 5
    np.testing.assert_array_equal(model.generate(CAPTIONS, seed=3), first)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_images_do_not_depend_on_the_batch_size(model, batch_size):
    expected = model.generate(CAPTIONS, seed=3)
    assert_within_three_levels(model.generate(CAPTIONS, seed=3, batch_size=batch_size), expected)


def test_a_list_may_be_drawn_in_parts(model):
    whole = model.generate(CAPTIONS, seed=3)
    parts = [model.generate(CAPTIONS[i : i + 2], seed=3, first_row=i) for i in (0, 2)]
    assert_within_three_levels(np.concatenate(parts), whole)


def test_another_seed_and_another_row_have_other_noise(model):
    first = model.generate(CAPTIONS, seed=0)
    assert np.all(np.any(first != model.generate(CAPTIONS, seed=1), axis=(1, 2, 3)))
    assert np.any(first[0] != first[2])  # the same caption, in another row


def test_one_caption_may_be_a_string(model):
    expected = model.generate(["a red apple"])
    np.testing.assert_array_equal(model.generate("a red apple"), expected)


def test_stages_and_attention_come_when_asked_for(model):
    images = model.generate(CAPTIONS)
    stages = model.generate(CAPTIONS, return_stages=True)
    assert set(stages) == {"images", "stages"}
    assert [stage.shape for stage in stages["stages"]] == [(4, s, s, 3) for s in (16, 32, 64)]
    assert all(stage.dtype == np.uint8 for stage in stages["stages"])
    np.testing.assert_array_equal(stages["stages"][-1], images)
    np.testing.assert_array_equal(stages["images"], images)

    attention = model.generate(CAPTIONS, return_attention=True)
    assert set(attention) == {"images", *ATTENTION}
    both = model.generate(CAPTIONS, return_stages=True, return_attention=True, batch_size=3)
    assert set(both) == {"images", "stages", *ATTENTION}
    for result in (attention, both):
        scores, gates = result["attention_scores"], result["word_gates"]
        assert [score.shape for score in scores] == [(4, 16, 16, 8), (4, 32, 32, 8)]
        assert [gate.shape for gate in gates] == [(4, 8)] * 2
        assert [gate.shape for gate in result["response_gates"]] == [(4, 16, 16), (4, 32, 32)]
        assert result["words"] == [caption.split() for caption in CAPTIONS]
        for row, words in enumerate(result["words"]):
            np.testing.assert_allclose(scores[1][row, ..., : len(words)].sum(-1), 1, atol=1e-5)
            assert np.all(scores[1][row, ..., len(words) :] == 0)


def test_captions_of_any_length_and_unknown_words(model, caplog):
    long = " ".join(["a red apple"] * 20)
    images = model.generate([long, "apple"])
    assert images.shape == (2, 64, 64, 3)
    assert_within_three_levels(images[1], model.generate(["red", "apple"])[1])
    with caplog.at_level(logging.WARNING):
        unknown = model.generate("a zeppelin red apple")
    assert "zeppelin" in caplog.text
    np.testing.assert_array_equal(unknown, model.generate("a red apple"))


@pytest.mark.parametrize(
    ("captions", "options", "message"),
    [
        ([], {}, "one caption or more"),
        (["red", "zeppelin"], {}, "zeppelin"),
        ("", {}, "word of the vocabulary"),
        ("red", {"seed": -1}, "Expected seed, .* from 0 to 4294967295. Received: seed=-1"),
        ("red", {"seed": 2**32}, "seed=4294967296"),
        ("red", {"batch_size": 0}, "Expected batch_size, .* from 1 .*batch_size=0"),
        ("red", {"first_row": -2}, "first_row=-2"),
        ("red", {"seed": None}, "seed, a whole number .*seed=None"),
        ("red", {"seed": 1.5}, "seed, a whole number .*seed=1.5"),
        ("red", {"batch_size": "2"}, "batch_size='2'"),
        (None, {}, "a caption or a list of them. Received: None"),
        (["red", 3], {}, "captions that are strings. Received: 3"),
        (b"red", {}, "captions that are strings"),
    ],
)
def test_what_cannot_be_drawn_is_refused(model, captions, options, message):
    with pytest.raises(InputError, match=message):
        model.generate(captions, **options)


def test_saving_keeps_the_images(model, tmp_path):
    model.save_to_preset(tmp_path / "model", readme="# A model\n")
    loaded = DMGANTextToImage.from_preset(tmp_path / "model")
    np.testing.assert_array_equal(loaded.generate(CAPTIONS), model.generate(CAPTIONS))
    half = DMGANTextToImage.from_preset(tmp_path / "model", dtype="mixed_bfloat16")
    difference = half.generate(CAPTIONS).astype(float) - model.generate(CAPTIONS)
    assert 0 < np.abs(difference).mean() < 2


def test_saving_again_keeps_the_card(model, tmp_path):
    model.save_to_preset(tmp_path / "default")
    card = (tmp_path / "default/README.md").read_text()
    for part in ("16, 32, 64 pixels", "4 words", "dmgan_tf.sample", "DMGANTextToImage"):
        assert part in card
    model.save_to_preset(tmp_path / "first", readme="# Äpfel\n")
    loaded = DMGANTextToImage.from_preset(tmp_path / "first")
    loaded.save_to_preset(tmp_path / "second")
    assert (tmp_path / "second/README.md").read_text(encoding="utf-8") == "# Äpfel\n"
    loaded.save_to_preset(tmp_path / "second", readme="# Other\n")
    assert (tmp_path / "second/README.md").read_text() == "# Other\n"
    loaded.save_to_preset(tmp_path / "second", about=About(license="mit"))
    assert "license: mit" in (tmp_path / "second/README.md").read_text()


def test_float16_halves_a_model_and_keeps_the_images(model, tmp_path):
    model.save_to_preset(tmp_path / "whole")
    model.save_to_preset(tmp_path / "half", weights_dtype="float16")
    config = json.loads((tmp_path / "half/config.json").read_text())
    assert config["weights_dtype"] == "float16"
    loaded = DMGANTextToImage.from_preset(tmp_path / "half")
    assert {weight.dtype for weight in loaded.generator.weights} <= {"float32", "uint32"}
    assert loaded.extra == {}  # the next saving says itself how it stores
    with h5py.File(tmp_path / "half/generator.weights.h5") as file:
        found = set()
        file.visititems(
            lambda _, item: found.add(
                (getattr(item, "ndim", 0) > 1, str(getattr(item, "dtype", "")))
            )
        )
    assert (True, "float16") in found and (False, "float16") not in found
    for ours, whole in zip(loaded.generator.weights, model.generator.weights, strict=True):
        ours, whole = ours.numpy(), whole.numpy()
        assert np.abs(ours - whole).max() <= (2**-11 * np.abs(whole).max() if ours.ndim > 1 else 0)
    # The kernels of this model are noise, which makes the most of a small difference.
    difference = loaded.generate(CAPTIONS).astype(float) - model.generate(CAPTIONS)
    assert 0 < np.abs(difference).mean() < 1
    with pytest.raises(InputError, match="one of .*float16.*Received: 'int8'"):
        model.save_to_preset(tmp_path / "other", weights_dtype="int8")
    assert not (tmp_path / "other").exists()


def test_discriminators_may_be_left_out(model, tmp_path):
    discriminator = Discriminator(16, 2, 6)
    discriminator.build()
    parts = (model.vocabulary, model.text_encoder, model.generator, [discriminator])
    DMGANTextToImage(*parts).save_to_preset(tmp_path / "model", keep_discriminators=False)
    assert not (tmp_path / "model/discriminators.weights.h5").exists()
    loaded = DMGANTextToImage.from_preset(tmp_path / "model")
    assert loaded.discriminators == [] and "discriminator" not in loaded.readme


def test_numpy_numbers_and_captions_are_as_good(model):
    captions = np.array(["a red apple", "apple"])
    expected = model.generate(list(captions), seed=3)
    np.testing.assert_array_equal(model.generate(captions, seed=np.int64(3)), expected)


def test_a_directory_without_a_generator_is_refused(model, tmp_path):
    save_model_directory(
        tmp_path / "damsm", vocabulary=model.vocabulary, text_encoder=model.text_encoder
    )
    with pytest.raises(InputError, match="has no generator"):
        DMGANTextToImage.from_preset(tmp_path / "damsm")
    with pytest.raises(InputError, match="nothing there"):
        DMGANTextToImage.from_preset("no-such-preset")


def test_rounding_to_uint8():
    values = np.array([-1.0, -0.999, 0.0, 0.999, 1.0, 1.5, -2.0], "float32")
    assert to_uint8(values).tolist() == [0, 0, 128, 255, 255, 255, 0]
