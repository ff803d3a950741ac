"""Model directories: what was saved comes back, and every damage has its one clear line."""

import contextlib
import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import (
    find_model_directory,
    load_model_directory,
    save_model_directory,
)
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(["a", "red", "green", "apple"])
GENERATOR = {"channels": 4, "noise_dim": 5, "condition_dim": 3, "word_dim": 6, "base_size": 16}


def built(model):
    model.build()
    return model


def components():
    return {
        "vocabulary": VOCABULARY,
        "text_encoder": built(TextEncoder(len(VOCABULARY), word_dim=6, embedding_dim=4)),
        "generator": built(Generator(**GENERATOR, num_residual_blocks=1, num_stages=2)),
        "discriminators": [built(Discriminator(size, 2, 6)) for size in (16, 32)],
        "image_encoder": built(ImageEncoder(6, "small_cnn", channels=4, input_size=32)),
        "extra": {"training": {"epochs": 3}},
        "readme": "# A model\n",
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved") / "model"
    parts = components()
    save_model_directory(directory, **parts)
    return directory, parts


@pytest.fixture
def copy(saved, tmp_path):
    """A copy to damage."""
    return shutil.copytree(saved[0], tmp_path / "model")


def assert_same_weights(a, b):
    for x, y in zip(a.weights, b.weights, strict=True):
        assert x.shape == y.shape
        np.testing.assert_array_equal(x.numpy(), y.numpy(), err_msg=x.path)


def test_everything_comes_back(saved):
    directory, parts = saved
    assert sorted(path.name for path in directory.iterdir()) == [
        "README.md",
        "config.json",
        "discriminators.weights.h5",
        "generator.weights.h5",
        "image_encoder.weights.h5",
        "text_encoder.weights.h5",
        "vocabulary.txt",
    ]
    loaded = load_model_directory(directory)
    assert loaded.readme == "# A model\n"
    assert loaded.vocabulary == VOCABULARY
    assert loaded.extra == {"training": {"epochs": 3}}
    for name in ("text_encoder", "generator", "image_encoder"):
        assert_same_weights(getattr(loaded, name), parts[name])
        assert_same_configuration(getattr(loaded, name), parts[name])
    for ours, original in zip(loaded.discriminators, parts["discriminators"], strict=True):
        assert_same_weights(ours, original)
        assert_same_configuration(ours, original)


def assert_same_configuration(a, b):
    configurations = [model.get_config() for model in (a, b)]
    for configuration in configurations:
        del configuration["name"]
    assert configurations[0] == configurations[1]


def test_a_directory_may_hold_encoders_only(tmp_path):
    parts = components()
    kept = {name: parts[name] for name in ("vocabulary", "text_encoder")}
    save_model_directory(tmp_path / "damsm", **kept)
    loaded = load_model_directory(tmp_path / "damsm")
    assert loaded.generator is None and loaded.image_encoder is None
    assert loaded.discriminators == [] and loaded.extra == {}
    assert "# Networks of" in loaded.readme and "| vocabulary | 4 words |" in loaded.readme


def test_a_run_directory_leads_to_its_model(saved, tmp_path):
    shutil.copytree(saved[0], tmp_path / "run" / "model")
    assert find_model_directory(tmp_path / "run") == tmp_path / "run" / "model"
    assert load_model_directory(tmp_path / "run").vocabulary == VOCABULARY


def test_weights_of_float32_load_into_mixed_precision(saved):
    directory, parts = saved
    loaded = load_model_directory(directory, dtype="mixed_bfloat16")
    assert loaded.generator.compute_dtype == "bfloat16"
    assert_same_weights(loaded.generator, parts["generator"])
    # What was chosen for this session is not written down for the next one.
    save_model_directory(directory.with_name("again"), **vars(loaded))
    again = load_model_directory(directory.with_name("again"))
    assert again.generator.compute_dtype == "float32"


def remove_config(directory):
    (directory / "config.json").unlink()


def break_json(directory):
    path = directory / "config.json"
    path.write_text(path.read_text()[:-30])


def edit_config(edit):
    def damage(directory):
        path = directory / "config.json"
        config = json.loads(path.read_text())
        edit(config)
        path.write_text(json.dumps(config))

    return damage


def empty_config(directory):
    (directory / "config.json").write_text("[]")


def swap_words(directory):
    Vocabulary(["red", "a", "green", "apple"]).save(directory / "vocabulary.txt")


def larger_vocabulary(directory):
    """As somebody does who knows about the hash and not about the encoder."""
    vocabulary = Vocabulary([*VOCABULARY.words[1:], "pear"])
    vocabulary.save(directory / "vocabulary.txt")
    edit_config(lambda config: config["tokenizer"].update(vocabulary_sha256=vocabulary.sha256))(
        directory
    )


def remove(name):
    return lambda directory: (directory / name).unlink()


def truncate(name):
    def damage(directory):
        data = (directory / name).read_bytes()
        (directory / name).write_bytes(data[: len(data) // 2])

    return damage


def overwrite(name, model):
    return lambda directory: built(model).save_weights(directory / name)


def not_a_number(directory):
    generator = Generator(**GENERATOR, num_residual_blocks=1, num_stages=2)
    generator.build()
    kernel = generator.to_images[1].kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    generator.save_weights(directory / "generator.weights.h5")


DAMAGES = {
    "no config": (remove_config, "Expected a model directory .*train"),
    "broken JSON": (break_json, "config.json at .*cannot be read as one"),
    "a list for a config": (empty_config, "config.json at .*cannot be read as one"),
    "format of tomorrow": (
        edit_config(lambda config: config.update(format_version=99)),
        "format 99.*Update dmgan_tf",
    ),
    "format in words": (
        edit_config(lambda config: config.update(format_version="new")),
        "config.json",
    ),
    "no text encoder in the config": (
        edit_config(lambda config: config.pop("text_encoder")),
        "text_encoder",
    ),
    "no hash in the config": (
        edit_config(lambda config: config["tokenizer"].pop("vocabulary_sha256")),
        "config.json.*vocabulary_sha256",
    ),
    "an option of another version": (
        edit_config(lambda config: config["generator"].update(magic=1)),
        "config.json does not describe a Generator.*magic",
    ),
    "a size that cannot be": (
        edit_config(lambda config: config["generator"].update(base_size=17)),
        "config.json does not describe a Generator.*power of two",
    ),
    "a list for a network": (
        edit_config(lambda config: config.update(generator=[])),
        "config.json does not describe a Generator",
    ),
    "no vocabulary": (remove("vocabulary.txt"), "vocabulary"),
    "words in another order": (swap_words, "not the one its text encoder was trained with"),
    "another vocabulary, hash and all": (larger_vocabulary, "5 ids, .*Received one of 6"),
    "no weights": (remove("generator.weights.h5"), "Expected the weights of the generator"),
    "half of the weights": (truncate("generator.weights.h5"), "does not contain the weights"),
    "half of the encoder": (truncate("text_encoder.weights.h5"), "does not contain the weights"),
    "half of the discriminators": (truncate("discriminators.weights.h5"), "does not contain"),
    "weights of a wider network": (
        overwrite(
            "generator.weights.h5",
            Generator(**{**GENERATOR, "channels": 8}, num_residual_blocks=1, num_stages=2),
        ),
        "does not contain the weights of the generator",
    ),
    "weights of a network with fewer stages": (
        overwrite(
            "generator.weights.h5", Generator(**GENERATOR, num_residual_blocks=1, num_stages=1)
        ),
        "does not contain the weights of the generator",
    ),
    "weights of another network": (
        overwrite("generator.weights.h5", TextEncoder(5, word_dim=6, embedding_dim=4)),
        "does not contain the weights of the generator",
    ),
    "weights that are not numbers": (not_a_number, "not finite .*to_image_1"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras' own, on top of the error
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_line(name, copy):
    damage, message = DAMAGES[name]
    damage(copy)
    with pytest.raises(InputError, match=message) as caught:
        load_model_directory(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value) or "5 ids" in message


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="nothing there"):
        load_model_directory(tmp_path / "nowhere")
    with pytest.raises(InputError, match="a directory without one"):
        load_model_directory(tmp_path)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_save_replaces_the_whole_directory(copy):
    parts = components()
    kept = {name: parts[name] for name in ("vocabulary", "text_encoder", "generator")}
    save_model_directory(copy, **kept)
    assert "image_encoder.weights.h5" not in contents(copy)
    assert_same_weights(load_model_directory(copy).generator, parts["generator"])
    assert [path.name for path in copy.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("failing", ["save_weights", "rename"])
def test_a_save_that_fails_leaves_the_old_model(copy, monkeypatch, failing):
    before = contents(copy)
    if failing == "save_weights":

        def full_disk(self, path, *arguments, **options):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(keras.Model, "save_weights", full_disk)
    else:
        rename = type(copy).rename

        def refused(self, target):
            if self.suffix == ".tmp":
                raise OSError(13, "Permission denied")
            return rename(self, target)

        monkeypatch.setattr(type(copy), "rename", refused)
    expected = (InputError, OSError)[failing == "rename"]
    with pytest.raises(expected, match="disk full.*previous model is kept|Permission"):
        save_model_directory(copy, **components())
    monkeypatch.undo()
    assert contents(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == ["model"]


def test_a_vocabulary_of_another_size_is_not_saved(tmp_path):
    parts = {**components(), "vocabulary": Vocabulary(["a", "red"])}
    with pytest.raises(InputError, match="5 ids, .*Received one of 3"):
        save_model_directory(tmp_path / "model", **parts)
    assert not (tmp_path / "model").exists()


def encoders_only():
    parts = components()
    return {name: parts[name] for name in ("vocabulary", "text_encoder")}


def test_versions_are_written_down(tmp_path, monkeypatch):
    save_model_directory(tmp_path / "model", **encoders_only())
    versions = json.loads((tmp_path / "model/config.json").read_text())["versions"]
    assert versions["keras"] == keras.__version__
    assert versions["backend"] == "tensorflow"
    assert versions["backend_version"] == importlib.metadata.version("tensorflow")
    assert "dmgan_tf" in versions

    def not_installed(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", not_installed)
    save_model_directory(tmp_path / "model", **encoders_only())
    versions = json.loads((tmp_path / "model/config.json").read_text())["versions"]
    assert versions["dmgan_tf"] == versions["backend_version"] == "unknown"


def tree(directory):
    return {p.relative_to(directory): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_a_run_directory_is_not_erased(saved, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(saved[0], run / "model")
    (run / "checkpoints").mkdir()
    (run / "checkpoints/step-00000006.npz").write_bytes(b"weeks of work")
    before = tree(tmp_path)
    parts = vars(load_model_directory(run))
    with pytest.raises(InputError, match="run. Received: a directory of other things.*Choose"):
        save_model_directory(run, **parts)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("content", ["{}", "[]", "3", "{", '{"name": "another program\'s"}'])
def test_a_directory_with_the_configuration_of_something_else_is_not_erased(tmp_path, content):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text(content)
    with pytest.raises(InputError, match="a directory of other things"):
        save_model_directory(tmp_path / "other", **encoders_only())
    assert (tmp_path / "other/config.json").read_text() == content


def test_a_file_is_not_replaced_and_an_empty_directory_is_filled(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="Received: a file"):
        save_model_directory(tmp_path / "file", **encoders_only())
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    save_model_directory(tmp_path / "empty", **encoders_only())
    assert load_model_directory(tmp_path / "empty").vocabulary == VOCABULARY


@contextlib.contextmanager
def files_of_at_most(limit):
    """No file of this process grows beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# The space ends in the vocabulary, or in one array or another of the weights.
@pytest.mark.parametrize("limit", [1_000, 100_000])
def test_a_full_disk_leaves_the_previous_model(saved, tmp_path, limit):
    directory = shutil.copytree(saved[0], tmp_path / "model")
    before = tree(tmp_path)
    vocabulary = Vocabulary([f"word{i}" for i in range(2000)])
    text_encoder = built(TextEncoder(len(vocabulary), word_dim=64, embedding_dim=200))
    for place, kept in (
        (directory, "the previous model is kept"),
        (tmp_path / "other", "no model"),
    ):
        with pytest.raises(InputError, match=f"disk full while writing .*{place}; {kept}"):
            with files_of_at_most(limit):
                save_model_directory(place, vocabulary=vocabulary, text_encoder=text_encoder)
    assert tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.fixture
def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_killed_processes_left_is_swept_away(tmp_path, dead_process):
    leftovers = [f".model.{dead_process}.tmp", f".model.{dead_process}.old"]
    others = [
        f".model.{os.getppid()}.tmp",  # of one that is alive
        f".model2.{dead_process}.tmp",
        f".model.x.{dead_process}.tmp",
        ".model.notes.tmp",
    ]
    for name in [*leftovers, *others]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_text("half")
    save_model_directory(tmp_path / "model", **encoders_only())
    assert {path.name for path in tmp_path.iterdir()} == {"model", *others}


def test_a_model_that_a_killed_process_had_moved_aside_comes_back(saved, tmp_path, dead_process):
    shutil.copytree(saved[0], tmp_path / f".model.{dead_process}.old")
    parts = {**encoders_only(), "extra": {"unwritable": object()}}
    with pytest.raises(TypeError):
        save_model_directory(tmp_path / "model", **parts)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert contents(tmp_path / "model") == contents(saved[0])
