"""Our network is the release's: the same weights and inputs give the same numbers."""

import pathlib

import keras
import numpy as np
import pytest

from dmgan_tf import losses
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.text_encoder import TextEncoder

DIRECTORY = pathlib.Path(__file__).parent / "parity"
SIZES = (64, 128, 256)
STRIDE = 8  # of the pixels that the reference keeps
TOLERANCE = 1e-5


def load(name):
    with np.load(DIRECTORY / f"{name}.npz") as file:
        return dict(file)


def convolution(weights, name, suffix="weight"):
    """PyTorch keeps (out, in, height, width)."""
    return weights[f"{name}.{suffix}"].transpose(2, 3, 1, 0)


def set_projection(dense, weights, name):
    """A dense layer from a 1x1 convolution, in one or two dimensions."""
    kernel = weights[f"{name}.weight"]
    values = [kernel.reshape(kernel.shape[:2]).T]
    dense.set_weights(values + [weights[f"{name}.bias"]] if dense.use_bias else values)


def set_normalization(layer, weights, name, order=slice(None)):
    names = ("weight", "bias", "running_mean", "running_var")
    layer.set_weights([weights[f"{name}.{part}"][order] for part in names])


def set_upsampling(block, weights, name):
    block.convolution.set_weights([convolution(weights, f"{name}.1")])
    set_normalization(block.normalization, weights, f"{name}.2")


def text_encoder():
    weights = load("text_encoder")
    encoder = TextEncoder(31, word_dim=16)
    encoder.build()
    encoder.embedding.set_weights([weights["encoder.weight"]])
    recurrence = []
    for direction in ("", "_reverse"):
        part = {name: weights[f"rnn.{name}_l0{direction}"] for name in ("weight_ih", "weight_hh")}
        bias = weights[f"rnn.bias_ih_l0{direction}"] + weights[f"rnn.bias_hh_l0{direction}"]
        recurrence += [part["weight_ih"].T, part["weight_hh"].T, bias]
    encoder.recurrence.set_weights(recurrence)
    return encoder


def set_initial_stage(stage, weights):
    channels = stage.first_channels
    # The release's dense layer counts channels, then pixels; ours pixels, then channels. The
    # halves of the gated linear unit stay where they are.
    half = np.arange(16 * channels).reshape(channels, 16).T.reshape(-1)
    order = np.concatenate([half, 16 * channels + half])
    stage.dense.set_weights([weights["h_net1.fc.0.weight"][order].T])
    set_normalization(stage.normalization, weights, "h_net1.fc.1", order)
    for i, block in enumerate(stage.upsample_blocks, start=1):
        set_upsampling(block, weights, f"h_net1.upsample{i}")


def set_refinement_stage(stage, weights, name):
    memory = stage.word_reader
    for layer, part in (
        (memory.writing.word_gate, "A"),
        (memory.writing.image_gate, "B"),
        (memory.writing.word_projection, "M_w.0"),
        (memory.writing.image_projection, "M_r.0"),
        (memory.reading.key_projection, "key.0"),
        (memory.reading.value_projection, "value.0"),
        (memory.response.gate, "response_gate.0"),
    ):
        set_projection(layer, weights, f"{name}.{part}")
    for i, block in enumerate(stage.residual_blocks):
        inside = f"{name}.residual.{i}.block"
        block.first_convolution.set_weights([convolution(weights, f"{inside}.0")])
        set_normalization(block.first_normalization, weights, f"{inside}.1")
        block.second_convolution.set_weights([convolution(weights, f"{inside}.3")])
        set_normalization(block.second_normalization, weights, f"{inside}.4")
    set_upsampling(stage.upsample_block, weights, f"{name}.upsample")


def generator():
    weights = load("netG")
    model = Generator(channels=4, noise_dim=12, condition_dim=10, word_dim=16)
    model.build()
    set_projection(model.conditioning.dense, weights, "ca_net.fc")
    set_initial_stage(model.initial_stage, weights)
    for i, stage in enumerate(model.refinement_stages, start=2):
        set_refinement_stage(stage, weights, f"h_net{i}")
    for i, to_image in enumerate(model.to_images, start=1):
        to_image.set_weights([convolution(weights, f"img_net{i}.img.0")])
    total = sum(array.size for name, array in weights.items() if "running" not in name)
    assert total == sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    return model


def discriminator(index):
    weights = load(f"netD{index}")
    model = Discriminator(SIZES[index], channels=2, sentence_dim=16)
    model.build()
    blocks = [name.removesuffix(".weight_bar") for name in weights if name.endswith("weight_bar")]
    blocks.sort(key=lambda name: "jointConv" in name)  # else the order in which images pass them
    for block, name in zip([*model.image_blocks, model.joint_block], blocks, strict=True):
        kernel = convolution(weights, name, "weight_bar")
        values = [kernel, weights[f"{name}.bias"], weights[f"{name}.weight_u"]]
        block.convolution.set_weights(values)
    for head, name in (
        (model.conditional_head, "COND_DNET.outlogits.0"),
        (model.unconditional_head, "UNCOND_DNET.outlogits.0"),
    ):
        head.set_weights([convolution(weights, name), weights[f"{name}.bias"]])
    return model


@pytest.fixture(scope="module")
def reference():
    return load("reference_outputs")


@pytest.fixture(scope="module")
def encoded(reference):
    return text_encoder()(reference["caption_ids"].astype("int32"))


@pytest.fixture(scope="module")
def generated(reference):
    """From the reference's own features, so that one difference does not hide in another."""
    return generator()(
        {
            "noise": reference["noise"],
            "condition_noise": reference["ca_epsilon"],
            "word_features": reference["word_features"],
            "sentence_embedding": reference["sentence_feature"],
            "padding_mask": reference["caption_ids"] != 0,
        }
    )


def close(actual, expected, tolerance=TOLERANCE):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=tolerance)


def test_text_encoder(encoded, reference):
    close(encoded["word_features"], reference["word_features"])
    close(encoded["sentence_embedding"], reference["sentence_feature"])


def test_conditioning(generated, reference):
    mean, log_variance = generated["condition_mean"], generated["condition_log_variance"]
    close(mean, reference["ca_mu"])
    close(log_variance, reference["ca_logvar"])
    divergence = np.mean(losses.conditioning_divergence(mean, log_variance))
    close(divergence, reference["ca_kl_loss_mean"])


@pytest.mark.parametrize("stage", range(3))
def test_images(stage, generated, reference):
    images = np.asarray(generated["images"][stage], "float64")  # for the means over all pixels
    size = SIZES[stage]
    assert images.shape == (4, size, size, 3)
    close(images[:, ::STRIDE, ::STRIDE], reference[f"image_{size}_strided"])
    close(images.mean((1, 2)), reference[f"image_{size}_mean"])
    close(images.std((1, 2)), reference[f"image_{size}_std"])


@pytest.mark.parametrize("stage", range(2))
def test_attention(stage, generated, reference):
    scores = np.asarray(generated["attention_scores"][stage])
    size = SIZES[stage]
    assert scores.shape == (4, size, size, 7)
    close(scores[:, ::STRIDE, ::STRIDE], reference[f"word_attention_{size}_strided"])


def probabilities(logits):
    return {
        "cond": keras.ops.sigmoid(logits["conditional_logits"]),
        "uncond": keras.ops.sigmoid(logits["unconditional_logits"]),
    }


@pytest.mark.parametrize("index", range(3))
def test_discriminator_on_generated_images(index, generated, reference):
    logits = discriminator(index)(generated["images"][index], reference["sentence_feature"])
    for head, value in probabilities(logits).items():
        close(value, reference[f"d{SIZES[index]}_fake_{head}_prob"])


def test_discriminator_on_real_images_and_its_loss(generated, reference):
    model, sentences = discriminator(0), reference["sentence_feature"]
    real = model(reference["d64_real_images"], sentences)
    for head, value in probabilities(real).items():
        close(value, reference[f"d64_real_{head}_prob"])
    fake = model(generated["images"][0], sentences)
    features = model.extract_features(reference["d64_real_images"])
    mismatched = model.conditional_logits(features[:-1], sentences[1:])
    loss = losses.discriminator_loss(real, fake, mismatched, objective="release")
    close(np.mean(loss), reference["d64_loss_with_mismatched_pairs"])


@pytest.mark.parametrize(
    ("model_class", "arguments", "expected"),
    [
        (Generator, {}, 21_449_042),
        (Discriminator, {"image_size": 64}, 1_878_242),
        (Discriminator, {"image_size": 128}, 5_155_810),
        (Discriminator, {"image_size": 256}, 18_264_546),
        # The release's has 2,075,320: its LSTM adds two biases a gate, of which one is enough.
        (TextEncoder, {"vocabulary_size": 5450}, 2_075_320 - 2 * 4 * 128),
    ],
)
def test_number_of_parameters_at_the_papers_size(model_class, arguments, expected, monkeypatch):
    # Orthogonal matrices of this size take seconds each, and the count does not depend on them.
    monkeypatch.setattr(
        keras.initializers.Orthogonal,
        "__call__",
        lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype),
    )
    model = model_class(**arguments)
    model.build()
    assert sum(int(np.prod(v.shape)) for v in model.trainable_weights) == expected
