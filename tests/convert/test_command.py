"""`convert`: published weights in, a model directory out, and back again."""

import dataclasses
import json
import logging
import pathlib

import numpy as np
import pytest
from inception_recipe import fid_inception, recipe_state, state_shapes
from tiny_training import CONFIG

from dmgan_tf import DMGANTextToImage
from dmgan_tf.convert import inception_weights
from dmgan_tf.convert.caption_pickle import write_vocabulary
from dmgan_tf.convert.pytorch_file import read_pytorch_file
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.convert.release import read_generator, read_release, write_release
from dmgan_tf.errors import InputError
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.model_directory import (
    ModelComponents,
    load_model_directory,
    save_model_directory,
)
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training import dmgan_run
from dmgan_tf.training.dmgan_run import build_dmgan

PARITY = pathlib.Path(__file__).parent / "parity"
ODD, SMALL = PARITY / "odd", PARITY / "small"
ODD_FILES = (
    f"--text_encoder={ODD / 'text_encoder.pth'}",
    f"--generator={ODD / 'netG.pth'}",
    f"--discriminators={ODD / 'netD1.pth'},{ODD / 'netD0.pth'}",
    f"--vocabulary={ODD / 'captions.pickle'}",
)


def tensors_of(path):
    """A state dict as NumPy arrays."""
    return {name: tensor.read() for name, tensor in read_pytorch_file(path).items()}


@pytest.fixture
def convert(run_command, tmp_path):
    """Runs the command, which must succeed; gives the model directory and what it printed."""

    def run(*flags):
        status, output, stderr = run_command("convert", *flags, f"--output={tmp_path}/model")
        assert status == 0, stderr
        return tmp_path / "model", output

    return run


def test_a_whole_model_is_converted_and_draws(convert):
    directory, output = convert(*ODD_FILES, "--gamma1=3", "--sequence_length=15")
    assert "64, 128, 256 pixels, 5 channels, 3 residual blocks" in output
    config = json.loads((directory / "config.json").read_text())
    assert config["damsm"] == {"gamma1": 3.0, "gamma2": 5.0, "gamma3": 10.0, "max_words": 15}
    assert config["converted_from"]["generator"]["file"] == "netG.pth"
    assert [d["file"] for d in config["converted_from"]["discriminators"]] == [
        "netD1.pth",
        "netD0.pth",
    ]

    model = DMGANTextToImage.from_preset(directory)
    assert [d.image_size for d in model.discriminators] == [64, 128]
    caption = " ".join(model.vocabulary.words[1:6])
    assert model.generate([caption], seed=1).shape == (1, 256, 256, 3)


def test_any_subset_will_do(convert):
    directory, _ = convert(f"--generator={SMALL / 'netG.pth'}")
    model = DMGANTextToImage.from_preset(directory)
    assert model.generator.channels == 4 and model.text_encoder is None
    with pytest.raises(InputError, match="this model has no text encoder.*--text_encoder=FILE"):
        model.generate(["a red apple"])

    directory, output = convert(f"--text_encoder={SMALL / 'text_encoder.pth'}")
    assert "captions cannot be drawn" in output
    parts = load_model_directory(directory)
    assert parts.text_encoder.vocabulary_size == 31 and parts.vocabulary is None

    # A comma too many is forgiven, and a setting of the text encoder unused.
    directory, _ = convert(f"--discriminators={SMALL / 'netD2.pth'},", "--sequence_length=12")
    assert [d.image_size for d in load_model_directory(directory).discriminators] == [256]


def test_a_vocabulary_of_ours_will_do(convert, tmp_path):
    Vocabulary([f"word{n}" for n in range(1, 31)]).save(tmp_path / "words.txt")
    directory, _ = convert(
        f"--text_encoder={SMALL / 'text_encoder.pth'}", f"--vocabulary={tmp_path}/words.txt"
    )
    assert load_model_directory(directory).vocabulary.id_of("word7") == 7


def test_training_says_what_a_converted_model_lacks(prepared_data, tmp_path, convert, error_line):
    directory, _ = convert(*ODD_FILES)
    flags = (f"--data={prepared_data}", f"--damsm={directory}", f"--run={tmp_path}/run")
    assert "Received: a model without image encoder" in error_line("train", *flags)


@pytest.mark.slow
def test_training_stands_on_converted_encoders(prepared_data, convert, run_command, tmp_path):
    """A DAMSM in the release's files, with the words of the data, carries a training step."""
    vocabulary = Vocabulary.load(prepared_data / "vocabulary.txt")
    write_vocabulary(tmp_path / "captions.pickle", vocabulary)
    encoder = TextEncoder(len(vocabulary), word_dim=8, embedding_dim=6)
    encoder.build()
    write_release(ModelComponents(text_encoder=encoder), tmp_path)
    state = recipe_state("test:", state_shapes(num_classes=0, embedding_dim=8))
    write_pytorch_file(tmp_path / "image_encoder.pth", state)
    damsm, _ = convert(
        f"--text_encoder={tmp_path / 'text_encoder.pth'}",
        f"--image_encoder={tmp_path / 'image_encoder.pth'}",
        f"--vocabulary={tmp_path / 'captions.pickle'}",
    )
    flags = ("--epochs=1", "--batch_size=14", "--channels=4", "--discriminator_channels=4")
    sizes = ("--base_size=16", "--num_stages=2", "--noise_dim=5", "--condition_dim=4")
    directories = (f"--data={prepared_data}", f"--damsm={damsm}", f"--run={tmp_path}/run")
    status, _, stderr = run_command("train", *directories, *flags, *sizes)
    assert status == 0, stderr
    trained = DMGANTextToImage.from_preset(tmp_path / "run")
    assert trained.image_encoder.backbone_name == "inception_v3"
    assert trained.generate(["a red disc"]).shape == (1, 32, 32, 3)


@pytest.fixture
def parts(damsm_directory):
    """An encoders' model directory as `convert` leaves one."""
    parts = load_model_directory(damsm_directory)
    parts.extra["damsm"] = {"gamma1": 2.0, "gamma2": 3.0, "gamma3": 4.0, "max_words": 2}
    parts.extra["converted_from"] = {"text_encoder": {"file": "text_encoder.pth"}}
    return parts


def test_gammas_and_words_of_the_damsm_reach_training(parts):
    assert build_dmgan(CONFIG, parts).gammas == {"gamma1": 2.0, "gamma2": 3.0, "gamma3": 4.0}
    softer = dataclasses.replace(CONFIG, damsm_gamma3=1.5)
    assert build_dmgan(softer, parts).gammas == {"gamma1": 2.0, "gamma2": 3.0, "gamma3": 1.5}
    config = dataclasses.replace(CONFIG, max_words=None)
    assert dmgan_run._with_max_words(config, parts).max_words == 2


@pytest.mark.slow
def test_gammas_and_words_of_the_damsm_reach_the_trained_model(
    parts, prepared_data, tmp_path, caplog
):
    caplog.set_level(logging.INFO)
    save_model_directory(tmp_path / "damsm", **vars(parts))
    config = dataclasses.replace(CONFIG, epochs=1, max_words=None)
    result = dmgan_run.train_dmgan(config, prepared_data, tmp_path / "damsm", tmp_path / "run")
    trained = load_model_directory(result.model).extra
    assert trained["training"]["max_words"] == 2 and trained["damsm"]["gamma3"] == 4.0
    assert "Captions: 28 of 28 are longer than --max_words=2" in caplog.text
    assert "converted_from" not in trained  # the generator is of this training


def test_an_inception_becomes_a_directory_of_its_own(convert, monkeypatch):
    """Through the command, so that its answer and its model card are looked at once."""
    monkeypatch.setattr(inception_weights, "load_inception", lambda *given: fid_inception())
    directory, output = convert("--inception=weights.pth")
    monkeypatch.undo()
    assert "arithmetic of fid_2015, 1008 classes" in output
    network = inception_weights.load_inception(directory)
    assert (network.variant, network.num_classes) == ("fid_2015", 1008)
    for one, other in zip(network.weights, fid_inception().weights, strict=True):
        np.testing.assert_array_equal(one, other)
    card = (directory / "README.md").read_text(encoding="utf-8")
    assert "Inception-v3" in card and "--image_weights" in card


def test_attngans_generator_is_the_baseline(tmp_path):
    baseline = Generator(channels=3, word_dim=6, num_stages=2, refinement="attention")
    baseline.build()
    write_release(ModelComponents(generator=baseline), tmp_path)
    assert "h_net2.att.conv_context.weight" in tensors_of(tmp_path / "netG.pth")
    again = read_generator(tmp_path / "netG.pth")
    assert again.refinement == "attention"
    for a, b in zip(again.weights, baseline.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("family", [SMALL, ODD], ids=lambda path: path.name)
def test_there_and_back_is_the_same(family, tmp_path, run_command):
    parts = read_release(text_encoder=family / "text_encoder.pth", generator=family / "netG.pth")
    words = Vocabulary([f"w{n}" for n in range(1, parts["text_encoder"].vocabulary_size)])
    save_model_directory(tmp_path / "model", vocabulary=words, **parts)
    status, output, _ = run_command(
        "convert", f"--model={tmp_path}/model", f"--output={tmp_path}/release"
    )
    assert status == 0
    assert [pathlib.Path(line).name for line in output.split()] == [
        "text_encoder.pth",
        "netG.pth",
        "captions.pickle",
    ]
    written = tensors_of(tmp_path / "release" / "netG.pth")
    original = tensors_of(family / "netG.pth")
    weights = {name for name in original if "num_batches_tracked" not in name}
    assert set(written) == weights
    for name in weights:
        np.testing.assert_array_equal(written[name], original[name], err_msg=name)

    written = tensors_of(tmp_path / "release" / "text_encoder.pth")
    original = tensors_of(family / "text_encoder.pth")
    assert {n: t.shape for n, t in written.items()} == {n: t.shape for n, t in original.items()}
    for direction in ("l0", "l0_reverse"):  # of two biases only the sum is known
        for tensors in (written, original):
            tensors[f"bias_{direction}"] = tensors.pop(f"rnn.bias_ih_{direction}") + tensors.pop(
                f"rnn.bias_hh_{direction}"
            )
    for name in original:
        np.testing.assert_array_equal(written[name], original[name], err_msg=name)

    again = read_release(text_encoder=tmp_path / "release" / "text_encoder.pth")["text_encoder"]
    for a, b in zip(again.weights, parts["text_encoder"].weights, strict=True):
        np.testing.assert_array_equal(a, b)
