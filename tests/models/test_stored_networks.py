"""Weights and configurations that are not to be trusted: every harm ends in one line."""

import json
import shutil

import h5py
import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.model_directory import load_model_directory, save_model_directory
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.vocabulary import Vocabulary

GENERATOR = {
    **{"channels": 4, "noise_dim": 5, "condition_dim": 3, "word_dim": 6, "base_size": 16},
    **{"num_residual_blocks": 1, "num_stages": 2},
}


def built(model):
    model.build()
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved") / "model"
    vocabulary = Vocabulary(["a", "red", "green", "apple"])
    save_model_directory(
        directory,
        vocabulary=vocabulary,
        text_encoder=built(TextEncoder(len(vocabulary), word_dim=6, embedding_dim=4)),
        generator=built(Generator(**GENERATOR)),
        discriminators=[built(Discriminator(size, 2, 6)) for size in (16, 32)],
    )
    return directory


@pytest.fixture
def copy(saved, tmp_path):
    """A copy to damage."""
    return shutil.copytree(saved, tmp_path / "model")


def line_of(directory):
    with pytest.raises(InputError) as caught:
        load_model_directory(directory)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 1500 and str(directory) in text
    return text


def edit(directory, change):
    path = directory / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_a_layer_too_many_is_not_passed_over(copy):
    path = copy / "generator.weights.h5"
    with h5py.File(path, "a") as file:
        file["layers/extra/vars/0"] = np.ones((3, 4), "float32")
    assert "47 arrays, where the network has 46" in line_of(copy)


def test_the_weights_of_an_optimizer_are(saved, tmp_path):
    copy = shutil.copytree(saved, tmp_path / "model")
    with h5py.File(copy / "generator.weights.h5", "a") as file:
        file["optimizer/vars/0"] = np.ones((300, 400), "float32")
    assert load_model_directory(copy).generator is not None


def test_a_link_to_another_file_is_refused(copy, tmp_path):
    with h5py.File(copy / "text_encoder.weights.h5", "a") as file:
        del file["embedding"]
        file["embedding"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
    assert "a link to elsewhere at '/embedding'" in line_of(copy)


def test_an_array_of_terabytes_is_refused(copy):
    with h5py.File(copy / "text_encoder.weights.h5", "a") as file:
        del file["embedding/vars/0"]
        file.create_dataset("embedding/vars/0", (2**42, 4), "float32")
    assert "more than the file can store" in line_of(copy)


@pytest.mark.parametrize(
    ("network", "name", "value"),
    [
        ("generator", "channels", 10**6),
        ("generator", "num_stages", 9),
        ("generator", "num_residual_blocks", 10**9),
        ("text_encoder", "embedding_dim", 10**9),
    ],
)
def test_a_network_of_more_values_than_are_there_is_not_built(copy, network, name, value):
    edit(copy, lambda config: config[network].update({name: value}))
    line = line_of(copy)
    assert f"{network}.weights.h5 does not contain the weights" in line and "too few values" in line


def test_more_discriminators_than_are_there(copy):
    edit(copy, lambda config: config["discriminators"].extend(config["discriminators"] * 10**5))
    assert "discriminators.weights.h5 does not contain the weights" in line_of(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(discriminators=5),
        lambda config: config.update(discriminators={"a": {}}),
        lambda config: config.update(discriminators=["a"]),
        lambda config: config.update(generator="a"),
        lambda config: config["generator"].update(channels="4"),
        lambda config: config["generator"].update(refinement=["memory"]),
        lambda config: config["generator"].update(name={}),
        lambda config: config["text_encoder"].update(dropout="half"),
        lambda config: config["text_encoder"].update(dropout=5),
        lambda config: config["text_encoder"].update(inputs=[], outputs=[]),
        lambda config: config["text_encoder"].update(trainable=False),
        lambda config: config["tokenizer"].update(vocabulary_sha256=["x"]),
        lambda config: config.update(format_version=10**400),
        lambda config: config.update(format_version=float("inf")),
    ],
)
def test_configurations_of_other_types(copy, change):
    edit(copy, change)
    assert "config.json" in line_of(copy)


def test_a_configuration_nested_too_deep(copy):
    (copy / "config.json").write_text("[" * 200_000)
    assert "RecursionError" in line_of(copy)


def test_networks_of_two_trainings(copy, tmp_path):
    other = built(Generator(**{**GENERATOR, "word_dim": 8}))
    save_model_directory(tmp_path / "other", generator=other)
    shutil.copy(tmp_path / "other" / "generator.weights.h5", copy)
    edit(copy, lambda config: config["generator"].update(word_dim=8))
    line = line_of(copy)
    assert "the text encoder with word and sentence features of 6 values" in line
    assert "the generator with 8" in line
