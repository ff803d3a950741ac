"""What an export holds, and that it is written whole or not at all."""

import errno
import hashlib
import json
import os
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import find_model_directory
from dmgan_tf.serving import export
from dmgan_tf.serving.export import export_model
from dmgan_tf.serving.fast import FastGenerator
from dmgan_tf.serving.signatures import Signatures
from dmgan_tf.text.vocabulary import Vocabulary

CAPTIONS = ["a red disc", "the square is blue and the disc is green"]


class Archive:
    """Keras' archive but for the graph, which takes seconds to trace and has tests of its own."""

    def __init__(self):
        self.endpoints = []

    def track(self, resource):
        assert resource is not None  # the table of the vocabulary

    def add_endpoint(self, name, function, input_signature):
        assert callable(function) and input_signature
        self.endpoints.append(name)

    def write_out(self, directory, verbose):
        pathlib.Path(directory, "variables").mkdir(parents=True)
        pathlib.Path(directory, "assets").mkdir()
        for name in ("saved_model.pb", "fingerprint.pb", "variables/variables.index"):
            pathlib.Path(directory, name).write_text(" ".join(self.endpoints), encoding="utf-8")


@pytest.fixture
def quick_archive(monkeypatch):
    monkeypatch.setattr(keras.export, "ExportArchive", Archive)


def stages(signature, captions=CAPTIONS):
    """Every stage of some captions with the same noise, from the signature that takes it."""
    random = np.random.default_rng(0)
    noise = {
        name: tf.constant(random.standard_normal((len(captions), size)), tf.float32)
        for name, size in (("noise", 5), ("condition_noise", 4))
    }
    outputs = signature(captions=tf.constant(captions), **noise)
    return {name: outputs[name].numpy() for name in ("images_16", "images_32")}


def files_below(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_the_record_says_what_was_exported(exported, vivid_model):
    record = json.loads((exported / "assets.extra" / "dmgan_export.json").read_text("utf-8"))
    assert record["model"] == str(vivid_model)
    assert (record["precision"], record["fast"]) == ("float32", False)
    assert record["batch_sizes"] == [1, 2, 4, 8]
    assert (record["image_sizes"], record["noise_dim"], record["condition_dim"]) == ([16, 32], 5, 4)
    assert record["versions"] == {"keras": keras.__version__, "tensorflow": tf.__version__}
    assert record["sha256"] == {
        name: hashlib.sha256((vivid_model / name).read_bytes()).hexdigest()
        for name in ("text_encoder.weights.h5", "generator.weights.h5", "vocabulary.txt")
    }


def test_another_version_leaves_the_first_and_the_settings_alone(
    exported, vivid_model, tmp_path, quick_archive
):
    output = shutil.copytree(exported.parent, tmp_path / "shapes")
    (output / "batching_parameters.txt").write_text("max_batch_size { value: 64 }\n")
    (output / "README.md").write_text("of an older version")
    before = {name: (output / "1" / name).stat() for name in files_below(output / "1")}
    assert export_model(vivid_model, output, batch_sizes=[2]) == output / "2"
    assert set(files_below(output / "2")) < set(before)
    assert {name: (output / "1" / name).stat() for name in before} == before
    assert "64" in (output / "batching_parameters.txt").read_text("utf-8")
    assert "TensorFlow Serving" in (output / "README.md").read_text("utf-8")
    names = {"1", "2", "README.md", "batching_parameters.txt", "models.config"}
    assert {path.name for path in output.iterdir()} == names


def test_what_was_asked_for_is_what_is_recorded_and_loaded(vivid_model, tmp_path, quick_archive):
    settings = {"precision": "bfloat16", "fast": True}
    directory = export_model(vivid_model, tmp_path / "fast", batch_sizes=[1], **settings)
    record = json.loads((directory / "assets.extra" / "dmgan_export.json").read_text("utf-8"))
    assert {name: record[name] for name in settings} == settings
    assert "rewritten for speed, in bfloat16" in (tmp_path / "fast" / "README.md").read_text(
        "utf-8"
    )
    endpoints = (directory / "saved_model.pb").read_text("utf-8").split()
    assert endpoints[0] == "serving_default" and len(endpoints) == 6


@pytest.mark.parametrize(
    ("precision", "fast", "smallest", "largest"),
    [("float32", True, 0, 1e-4), ("bfloat16", False, 1e-4, 0.05)],
)
def test_other_networks_draw_nearly_the_same(
    served, vivid_model, precision, fast, smallest, largest
):
    model = export._load(find_model_directory(vivid_model), precision, fast=fast)
    assert isinstance(model.generator, FastGenerator) == fast
    # As they are called in the graph: one function of the networks, which every signature calls.
    drawn = stages(Signatures(model).generate_with_noise)
    for name, expected in stages(served["generate_with_noise"]).items():
        assert drawn[name].dtype == np.float32
        difference = np.abs(drawn[name] - expected)
        assert smallest <= difference.mean() and difference.mean() < largest, name


@pytest.mark.slow  # the graph of the fast networks, written and read
def test_a_fast_export_in_bfloat16_answers(served, vivid_model, tmp_path):
    settings = {"precision": "bfloat16", "fast": True}
    directory = export_model(vivid_model, tmp_path / "fast", batch_sizes=[1], **settings)
    expected = stages(served["generate_with_noise"])
    for name, drawn in stages(saved(directory)).items():
        assert 1e-4 < np.abs(drawn - expected[name]).mean() < 0.05, name


def saved(directory):
    model = tf.saved_model.load(directory)
    signature = model.signatures["generate_with_noise"]
    signature.model = model  # so that its weights stay
    return signature


@pytest.mark.parametrize("failing", ["warm_up.write_requests", "keras.export.ExportArchive"])
def test_a_failure_leaves_no_version(vivid_model, tmp_path, monkeypatch, quick_archive, failing):
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if failing.startswith("keras"):
        error = tf.errors.ResourceExhaustedError(None, None, "no space left on device")

    def fail(*arguments, **settings):
        raise error

    monkeypatch.setattr(f"dmgan_tf.serving.export.{failing}", fail)
    with pytest.raises(InputError, match="(?i)no space left on device.*Nothing is there") as caught:
        export_model(vivid_model, tmp_path / "shapes")
    assert str(tmp_path / "shapes" / "1") in str(caught.value)
    assert files_below(tmp_path / "shapes") == []


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"precision": "int8"}, "float32, bfloat16"),
        ({"batch_sizes": []}, "none"),
        ({"batch_sizes": [2, 1]}, "2,1"),
        ({"batch_sizes": [0, 1]}, "0,1"),
        ({"batch_sizes": [1, 1]}, "1,1"),
        ({"version": -1}, "version=-1"),
    ],
)
def test_settings_that_cannot_be(vivid_model, tmp_path, settings, part):
    with pytest.raises(InputError, match=part):
        export_model(vivid_model, tmp_path / "shapes", **settings)
    assert not (tmp_path / "shapes").exists()


def test_an_export_that_was_quicker_is_not_replaced(
    vivid_model, tmp_path, monkeypatch, quick_archive
):
    other = tmp_path / "shapes" / "1"

    def write_while_another_export_ends(path, requests):
        other.mkdir()
        (other / "saved_model.pb").write_text("of the other")

    monkeypatch.setattr(
        "dmgan_tf.serving.export.warm_up.write_requests", write_while_another_export_ends
    )
    with pytest.raises(InputError, match="does not have yet.*version=1"):
        export_model(vivid_model, tmp_path / "shapes", batch_sizes=[1])
    assert files_below(tmp_path / "shapes") == ["1", "1/saved_model.pb"]


def test_another_keras_backend_is_an_error_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="on TensorFlow.*jax.*KERAS_BACKEND=tensorflow"):
        export_model(tmp_path / "no model", tmp_path / "shapes")
    assert not (tmp_path / "shapes").exists()


def test_an_exporter_with_a_gpu_makes_no_graph_for_gpus_alone(vivid_model, monkeypatch):
    # What Keras asks before it takes cuDNN's operation.
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [f"/{kind}:0"])
    token_ids = tf.TensorSpec([None, None], tf.int32)

    def operations(model):
        function = tf.function(lambda ids: model.text_encoder(ids), input_signature=[token_ids])
        graph = function.get_concrete_function().graph.as_graph_def()
        nodes = [node for function in graph.library.function for node in function.node_def]
        return {node.op for node in [*graph.node, *nodes]}

    plain = operations(DMGANTextToImage.from_preset(vivid_model))
    assert any("Cudnn" in name for name in plain)  # else there would be nothing to prevent
    directory = find_model_directory(vivid_model)
    portable = operations(export._load(directory, "float32", fast=False))
    assert not any("Cudnn" in name for name in portable)


def test_examples_and_warm_up_use_words_that_captions_can_hold():
    words = export._known_words(Vocabulary(["<end>", "red", "it's", "größe", "A"]))
    assert words == ["red", "größe"]
    assert export._caption(words, 1) == " ".join(["größe", "red"] * 4)
    with pytest.raises(InputError, match="'<end>'"):
        export._known_words(Vocabulary(["<end>"]))
