"""Another discriminator and another backbone: trained, stored, and not run unless allowed."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import pytest
from tiny_training import (
    CONFIG,
    PRETRAINING,
    VOCABULARY,
    make_batch,
    make_encoders,
    take_step,
    values_of,
)

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import load_model_directory, save_model_directory
from dmgan_tf.registry import lookup
from dmgan_tf.registry.catalogue import IMAGE_BACKBONES
from dmgan_tf.registry.lookup import Choice
from dmgan_tf.training.damsm_run import build_damsm
from dmgan_tf.training.dmgan_run import build_dmgan
from dmgan_tf.training.optimizer import adam

FOLDER = pathlib.Path(__file__).parent
DISCRIMINATOR = "another_discriminator:ProjectionDiscriminator(slope=0.1)"
BACKBONE = "another_backbone:PatchBackbone(patch=4)"
EMBEDDING = "another_embedding:SpelledEmbedding(letters='aelpr')"


@pytest.fixture(autouse=True)
def nothing_is_allowed(monkeypatch):
    monkeypatch.setattr(lookup, "_allowed_modules", set())
    monkeypatch.syspath_prepend(FOLDER)


def directory_of(tmp_path, **networks):
    save_model_directory(tmp_path / "model", vocabulary=VOCABULARY, **networks)
    return tmp_path / "model", json.loads((tmp_path / "model" / "config.json").read_text())


def assert_same(network, expected):
    assert lookup.own_config(network) == lookup.own_config(expected)
    for one, other in zip(values_of(network.weights), values_of(expected.weights), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["discriminator", "backbone", "embedding"])
def test_an_addition_is_a_short_file(name):
    assert len((FOLDER / f"another_{name}.py").read_text("utf-8").splitlines()) <= 40


def test_another_discriminator(tmp_path, monkeypatch):
    config = dataclasses.replace(CONFIG, discriminator=DISCRIMINATOR)
    dmgan = build_dmgan(config, make_encoders(VOCABULARY))
    before = values_of(dmgan.discriminators[1].weights)
    logs = take_step(dmgan, make_batch(0))
    assert np.isfinite(list(logs.values())).all() and logs["discriminators_bad_steps"] == 0
    assert not any("sigma" in name for name in logs)
    for old, new in zip(before, values_of(dmgan.discriminators[1].weights), strict=True):
        assert not np.array_equal(old, new)

    directory, stored = directory_of(
        tmp_path,
        text_encoder=dmgan.text_encoder,
        generator=dmgan.generator,
        discriminators=dmgan.discriminators,
    )
    name, _, _ = DISCRIMINATOR.partition("(")
    sizes = {"image_size": 32, "channels": 4, "sentence_dim": 8}
    assert stored["discriminators"][1] == {"class": name, **sizes, "slope": 0.1}
    monkeypatch.setattr(lookup, "_allowed_modules", set())
    with pytest.raises(InputError, match="--allow_module=another_discriminator") as caught:
        DMGANTextToImage.from_preset(directory)
    assert "\n" not in str(caught.value) and str(directory) in str(caught.value)
    model = DMGANTextToImage.from_preset(directory, allow_modules=["another_discriminator"])
    for network, expected in zip(model.discriminators, dmgan.discriminators, strict=True):
        assert_same(network, expected)


def test_another_backbone(tmp_path, monkeypatch):
    config = dataclasses.replace(PRETRAINING, image_backbone=BACKBONE, encoder_input_size=None)
    damsm = build_damsm(config, len(VOCABULARY), image_size=32)
    encoder = damsm.image_encoder
    assert encoder.input_size == 128 and not encoder.freeze_backbone
    damsm.compile(adam(1e-3, "float32"))
    before = values_of(encoder.trainable_weights)
    assert len(before) == 7
    assert np.isfinite(take_step(damsm, make_batch(0))["loss"])
    for old, new in zip(before, values_of(encoder.trainable_weights), strict=True):
        assert not np.array_equal(old, new)

    directory, stored = directory_of(
        tmp_path, text_encoder=damsm.text_encoder, image_encoder=encoder
    )
    assert stored["image_encoder"]["backbone"] == {
        "class": "another_backbone:PatchBackbone",
        "channels": 4,
        "patch": 4,
    }
    assert "word_embedding" not in stored["text_encoder"]
    monkeypatch.setattr(lookup, "_allowed_modules", set())
    with pytest.raises(InputError, match="--allow_module=another_backbone"):
        load_model_directory(directory)
    loaded = load_model_directory(directory, allow_modules=["another_backbone"]).image_encoder
    assert_same(loaded, encoder)
    images = make_batch(1)["images"][1]
    np.testing.assert_array_equal(loaded(images)["image_code"], encoder(images)["image_code"])


def test_another_word_embedding(tmp_path, monkeypatch):
    """Its table of words is made once, is not trained, and travels in the model."""
    config = dataclasses.replace(PRETRAINING, word_embedding=EMBEDDING)
    damsm = build_damsm(config, len(VOCABULARY), image_size=32)
    embedding = damsm.text_encoder.embedding
    embedding.start_from(VOCABULARY.words)
    table = embedding.table.numpy()
    np.testing.assert_array_equal(table[VOCABULARY.id_of("apple")], [1, 1, 1, 2, 0])
    kernel = embedding.projection.kernel.numpy()
    damsm.compile(adam(1e-3, "float32"))
    take_step(damsm, make_batch(0))
    np.testing.assert_array_equal(embedding.table, table)
    assert not np.array_equal(embedding.projection.kernel, kernel)

    directory, stored = directory_of(tmp_path, text_encoder=damsm.text_encoder)
    name, _, _ = EMBEDDING.partition("(")
    sizes = {"vocabulary_size": len(VOCABULARY), "embedding_dim": 6}
    expected = {"class": name, **sizes, "letters": "aelpr"}
    assert stored["text_encoder"]["word_embedding"] == expected
    monkeypatch.setattr(lookup, "_allowed_modules", set())
    with pytest.raises(InputError, match="--allow_module=another_embedding"):
        load_model_directory(directory)
    loaded = load_model_directory(directory, allow_modules=["another_embedding"])
    assert_same(loaded.text_encoder, damsm.text_encoder)


@pytest.fixture(scope="module")
def stored_model(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(lookup, "_allowed_modules", set())
        monkeypatch.syspath_prepend(FOLDER)
        config = dataclasses.replace(PRETRAINING, image_backbone=BACKBONE)
        encoder = build_damsm(config, len(VOCABULARY), image_size=32).image_encoder
        return directory_of(tmp_path_factory.mktemp("stored"), image_encoder=encoder)[0]


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("small_cn", None, "inception_v3, small_cnn, or module:Class.*Did you mean 'small"),
        ("absent_network:Net", None, "Received: no such module"),
        ("raising_network:Net", "1 / 0", "ZeroDivisionError: division by zero"),
        ("lacking_network:Net", "import nothing_of_this_name", "No module named 'nothing_of"),
        ("strange_network:Net", "class Net: pass", "inherits from .*ImageBackbone. Received: the"),
        ("another_backbone:Net", None, "a module without it"),
    ],
)
def test_what_can_be_wrong_with_a_class_is_told_apart(
    stored_model, tmp_path, monkeypatch, name, source, message
):
    module = name.partition(":")[0]
    monkeypatch.syspath_prepend(tmp_path)
    if source:
        (tmp_path / f"{module}.py").write_text(source)
    config = json.loads((stored_model / "config.json").read_text())
    config["image_encoder"]["backbone"] = name
    for path in stored_model.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message) as caught:
        load_model_directory(tmp_path, allow_modules=[module])
    assert "\n" not in str(caught.value) and str(tmp_path / "config.json") in str(caught.value)


def test_no_code_runs_before_it_is_allowed(stored_model, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "writing_network.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "model").mkdir()
    for path in stored_model.iterdir():
        (tmp_path / "model" / path.name).write_bytes(path.read_bytes())
    text = (stored_model / "config.json").read_text().replace("another_backbone", "writing_network")
    (tmp_path / "model" / "config.json").write_text(text)
    with pytest.raises(InputError, match="--allow_module=writing_network"):
        load_model_directory(tmp_path / "model")
    assert not (tmp_path / "ran").exists()


def test_options_that_keras_takes_are_not_for_a_file(stored_model, tmp_path):
    config = json.loads((stored_model / "config.json").read_text())
    for options in ({"inputs": [], "outputs": []}, {"trainable": False}, {"size": 3}):
        config["image_encoder"]["backbone"] = {"class": "inception_v3", **options}
        for path in stored_model.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(InputError, match="it takes inception_variant"):
            load_model_directory(tmp_path)


@pytest.mark.parametrize("option", ["num_classes=5", "variant='fid_2015'"])
def test_inception_has_no_option_that_would_not_be_saved(option):
    with pytest.raises(InputError, match=r"\(it takes inception_variant\)"):
        IMAGE_BACKBONES.create(Choice.parse(f"inception_v3({option})"))


def test_a_network_may_be_given_as_an_object(tmp_path):
    keras.utils.set_random_seed(0)
    backbone = IMAGE_BACKBONES.create(Choice.parse("small_cnn(channels=3)"))
    encoder = ImageEncoder(8, backbone)
    encoder.build()
    _, stored = directory_of(tmp_path, image_encoder=encoder)
    assert stored["image_encoder"]["backbone"] == {"class": "small_cnn", "channels": 3}
    assert_same(load_model_directory(tmp_path / "model").image_encoder, encoder)
