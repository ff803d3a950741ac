"""Converted weights of the authors' release give the authors' numbers, whatever their sizes."""

import functools
import pathlib

import keras
import numpy as np
import pytest
from differences import check_difference

from dmgan_tf import losses
from dmgan_tf.convert.release import read_release

DIRECTORY = pathlib.Path(__file__).parent / "parity"
FAMILIES = ("small", "odd")
STAGES = [(family, stage) for family in FAMILIES for stage in range(3)]
DISCRIMINATORS = [("small", 0), ("small", 1), ("small", 2), ("odd", 0), ("odd", 1)]
SIZES = (64, 128, 256)
STRIDE = 8  # of the pixels that the reference keeps
TOLERANCE = 1e-5


@functools.cache
def reference(family):
    with np.load(DIRECTORY / family / "reference_outputs.npz") as file:
        return dict(file)


@functools.cache
def networks(family):
    directory = DIRECTORY / family
    return read_release(
        text_encoder=directory / "text_encoder.pth",
        generator=directory / "netG.pth",
        discriminators=sorted(directory.glob("netD*.pth"), reverse=True),  # any order will do
    )


@functools.cache
def generated(family):
    """From the reference's own features, so that one difference does not hide in another."""
    expected = reference(family)
    return networks(family)["generator"](
        {
            "noise": expected["noise"],
            "condition_noise": expected["ca_epsilon"],
            "word_features": expected["word_features"],
            "sentence_embedding": expected["sentence_feature"],
            "padding_mask": expected["caption_ids"] != 0,
        }
    )


@pytest.fixture
def close(record_property):
    """Asserts that ours is theirs, to 1e-5."""
    return functools.partial(check_difference, record_property, tolerance=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
def test_text_encoder(family, close):
    expected = reference(family)
    encoded = networks(family)["text_encoder"](expected["caption_ids"].astype("int32"))
    close("text encoder", encoded["word_features"], expected["word_features"])
    close("text encoder", encoded["sentence_embedding"], expected["sentence_feature"])


def test_text_encoder_out_of_a_checkpoint_of_data_parallel_training():
    wrapped = read_release(text_encoder=DIRECTORY / "odd" / "text_encoder_checkpoint.pth")
    pairs = zip(
        wrapped["text_encoder"].weights, networks("odd")["text_encoder"].weights, strict=True
    )
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("family", FAMILIES)
def test_conditioning(family, close):
    outputs, expected = generated(family), reference(family)
    mean, log_variance = outputs["condition_mean"], outputs["condition_log_variance"]
    close("conditioning augmentation", mean, expected["ca_mu"])
    close("conditioning augmentation", log_variance, expected["ca_logvar"])
    divergence = np.mean(losses.conditioning_divergence(mean, log_variance))
    close("KL divergence", divergence, expected["ca_kl_loss_mean"], relative=True)


@pytest.mark.parametrize(("family", "stage"), STAGES)
def test_images(family, stage, close):
    size, expected = SIZES[stage], reference(family)
    images = np.asarray(generated(family)["images"][stage], "float64")  # for the means
    assert images.shape == (4, size, size, 3)
    part = f"image of {size} pixels"
    close(part, images[:, ::STRIDE, ::STRIDE], expected[f"image_{size}_strided"])
    close(part, images.mean((1, 2)), expected[f"image_{size}_mean"])
    close(part, images.std((1, 2)), expected[f"image_{size}_std"])


@pytest.mark.parametrize(("family", "stage"), [pair for pair in STAGES if pair[1] < 2])
def test_attention(family, stage, close):
    size, expected = SIZES[stage], reference(family)
    scores = np.asarray(generated(family)["attention_scores"][stage])
    assert scores.shape == (4, size, size, expected["caption_ids"].shape[1])
    close(
        f"attention of {size} pixels",
        scores[:, ::STRIDE, ::STRIDE],
        expected[f"word_attention_{size}_strided"],
    )


def probabilities(logits):
    return {
        "cond": keras.ops.sigmoid(logits["conditional_logits"]),
        "uncond": keras.ops.sigmoid(logits["unconditional_logits"]),
    }


@pytest.mark.parametrize(("family", "index"), DISCRIMINATORS)
def test_discriminator_on_generated_images(family, index, close):
    size, expected = SIZES[index], reference(family)
    discriminator = networks(family)["discriminators"][index]
    assert discriminator.image_size == size
    logits = discriminator(generated(family)["images"][index], expected["sentence_feature"])
    for head, value in probabilities(logits).items():
        close(f"discriminator of {size} pixels", value, expected[f"d{size}_fake_{head}_prob"])


@pytest.mark.parametrize("family", FAMILIES)
def test_discriminator_on_real_images(family, close):
    expected = reference(family)
    discriminator = networks(family)["discriminators"][0]
    real = discriminator(expected["d64_real_images"], expected["sentence_feature"])
    for head, value in probabilities(real).items():
        close("discriminator of 64 pixels", value, expected[f"d64_real_{head}_prob"])


def test_discriminator_objective_of_the_release(close):
    expected, discriminator = reference("small"), networks("small")["discriminators"][0]
    images, sentences = expected["d64_real_images"], expected["sentence_feature"]
    real = discriminator(images, sentences)
    fake = discriminator(generated("small")["images"][0], sentences)
    features = discriminator.extract_features(images)
    count = len(sentences)
    mismatched = {
        "conditional_logits": discriminator.conditional_logits(features, np.roll(sentences, -1, 0)),
        "weights": [count / (count - 1)] * (count - 1) + [0.0],
    }
    loss = losses.ReleaseObjective().discriminator_loss(real, fake, mismatched)
    reference_loss = expected["d64_loss_with_mismatched_pairs"]
    close("discriminator's objective", np.mean(loss), reference_loss, relative=True)
