"""What a fine-tuning decides on, by pictures, model, time and machine."""

import dataclasses
import json
import shutil
import types

import pytest
from commands import command_module, defined_flags
from tiny_training import CONFIG

from dmgan_tf import command
from dmgan_tf.data.folder_survey import Folder
from dmgan_tf.errors import InputError
from dmgan_tf.models.building import build_discriminators
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training import finetuning
from dmgan_tf.training.config import DMGANConfig, PretrainingConfig
from dmgan_tf.training.finetuning import (
    base_settings,
    choose_image_size,
    evaluation_flags,
    stages_of,
    with_time,
)
from dmgan_tf.training.starting_point import _that_must_agree
from dmgan_tf.training.step_times import StepTimes

TIMES = StepTimes(damsm=0.1, training=0.5, precision="bfloat16")
FOLDER = Folder("stamps", "text", 0.1, 700, [70] * 10, 9, says_sides=False)


def model_of(image_sizes):
    return types.SimpleNamespace(generator=types.SimpleNamespace(image_sizes=image_sizes))


def test_the_image_size_is_the_largest_that_most_pictures_fill():
    model = model_of((16, 32, 64, 128))
    assert choose_image_size(FOLDER, model) == 64
    mixed = dataclasses.replace(FOLDER, shorter_sides=[500] * 8 + [20] * 2)
    assert choose_image_size(mixed, model) == 128
    assert choose_image_size(FOLDER, model, 256) == 256  # a further stage
    with pytest.raises(InputError, match="16, 32, 64, 128, or .* 256 or 512. Received: 100"):
        choose_image_size(FOLDER, model, 100)
    with pytest.raises(InputError, match="first stage of the model. Received: a median .* 70 in"):
        choose_image_size(FOLDER, model_of((128, 256)))


@pytest.mark.parametrize("num_training", [20, 700, 100_000])
@pytest.mark.parametrize("minutes", [10, 60])
def test_the_steps_take_the_time_that_is_given(num_training, minutes):
    sizes = {"batch_size": 16}
    pretraining, training = with_time(
        PretrainingConfig(**sizes), DMGANConfig(**sizes), num_training, TIMES, minutes
    )
    steps = {
        settings: settings.epochs * settings.passes_per_epoch * (num_training // 16)
        for settings in (pretraining, training)
    }
    seconds = 0.1 * steps[pretraining] + 0.5 * steps[training]
    a_pass_of_each = 0.6 * (num_training // 16)
    assert seconds < 60 * minutes + a_pass_of_each
    assert training.epochs == 1 or seconds > 0.6 * 60 * minutes
    assert training.epochs <= 18 and pretraining.epochs <= 18
    assert pretraining.precision == training.precision == "bfloat16"
    end = 0.002 * pretraining.learning_rate_decay**pretraining.epochs
    assert end == pytest.approx(0.0002, rel=0.05)


@pytest.mark.parametrize("model", ["avatars_128", None])
def test_the_commands_take_the_settings(finished_run, tmp_path, model):
    start = load_model_directory(finished_run)
    folder = dataclasses.replace(FOLDER, says_sides=True, longest_caption=30)
    settings = base_settings(folder, start, finished_run, image_size=64, is_new=model is None)
    assert settings[1].image_sizes == (16, 32, 64) and settings[1].channels == CONFIG.channels
    assert settings[0].word_dim == 8 and settings[0].backbone_channels == 4
    assert settings[0].max_words == settings[1].max_words == 30 and not settings[1].flip
    assert settings[1].generator_learning_rate == (2e-4 if model else 1e-3)
    settings = with_time(*settings, folder.num_training, TIMES, 30)
    run = tmp_path / "run"
    preparing, *trainings = stages_of(folder, *settings, TIMES, run=run, model=model)
    for stage, wanted in zip(trainings, settings, strict=True):
        with defined_flags(command_module(stage.command)) as options:
            options([stage.command, *stage.flags])
            assert command.read_settings(type(wanted)) == wanted
            assert options.init == model and options.resume
    with defined_flags(command_module("prepare_data")) as options:
        options(["prepare_data", *preparing.flags])
        assert options.image_size == 64 and options.test_fraction == 0.1
        assert options.max_skipped_fraction == 0.2  # held-out pictures may have no known word
        assert options.output == str(run / "data")
        words = str(find_model_directory(model) / "vocabulary.txt") if model else None
        assert (options.vocabulary, options.extend_vocabulary) == (words, model is not None)
    assert sum(stage.minutes for stage in trainings) == pytest.approx(30, rel=0.25)


@pytest.mark.parametrize(("minutes", "word_epochs"), [(30, 6), (1, 1)])
def test_words_are_predicted_again_if_the_model_predicts_them(
    finished_run, monkeypatch, minutes, word_epochs
):
    start = load_model_directory(finished_run)
    assert base_settings(FOLDER, start, finished_run, 32)[0].word_epochs == 0
    monkeypatch.setattr(start.image_encoder, "num_predicted_words", 7)
    late = {"word_weight": 100.0, "damsm_weight": 0.5, "mode_seeking_weight": 2.0}
    late["recombination_weight"] = 100.0
    monkeypatch.setitem(start.extra, "damsm", {"word_reader": True})
    monkeypatch.setitem(start.extra, "training", late)
    settings = base_settings(FOLDER, start, finished_run, 32)
    pretraining, training = with_time(*settings, FOLDER.num_training, TIMES, minutes)
    assert (pretraining.word_epochs, training.word_weight) == (word_epochs, 5.0)
    assert (training.damsm_weight, training.mode_seeking_weight) == (2.5, 0.0)
    assert (training.recombination_weight, pretraining.word_reader) == (0.0, False)


@pytest.mark.parametrize(
    ("models", "own"),
    [
        ("dm_gan", "dm_gan"),
        ("dm_gan(detail_gain=4)", "dm_gan(detail_gain=4)"),
        ("projected(detail_gain=4, from_size=64)", "dm_gan(detail_gain=4)"),
        ("projected", "dm_gan"),
        ("birds:Discriminator(depth=3)", "birds:Discriminator(depth=3)"),
    ],
)
def test_no_package_is_needed_for_the_discriminators(finished_run, monkeypatch, models, own):
    start = load_model_directory(finished_run)
    monkeypatch.setitem(start.extra, "training", {"discriminator": models})
    assert base_settings(FOLDER, start, finished_run, 32)[1].discriminator == own


def test_a_model_runs_no_code_that_the_user_did_not_allow(finished_run, tmp_path):
    copy = shutil.copytree(finished_run / "model", tmp_path / "model")
    config = json.loads((copy / "config.json").read_text())
    config["training"]["objective"] = "a_module_of_somebody:Objective"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="give --allow_module=a_module_of_somebody"):
        finetuning.load_start(copy)


def test_discriminators_of_a_model_without_its_settings(finished_run):
    start = load_model_directory(finished_run)
    del start.extra["training"]  # of a converted one
    settings = base_settings(FOLDER, start, finished_run, 32)[1]
    assert settings.discriminator_channels == CONFIG.discriminator_channels
    for own, new in zip(start.discriminators, build_discriminators(settings, 8), strict=True):
        assert _that_must_agree(own.get_config()) == _that_must_agree(new.get_config())


def test_a_model_that_cannot_be_continued_is_refused(damsm_directory, finished_run, monkeypatch):
    with pytest.raises(InputError, match="Received: one without generator"):
        finetuning.load_start(damsm_directory)
    monkeypatch.setattr(Vocabulary, "is_open", True)
    with pytest.raises(InputError, match="Received: one with --word_vectors"):
        finetuning.load_start(finished_run)


@pytest.mark.parametrize(
    ("num_training", "batches"), [(11, (5, 5)), (32, (16, 16)), (700, (48, 16))]
)
def test_a_batch_is_there_if_some_pictures_turn_out_to_be_unusable(
    finished_run, num_training, batches
):
    folder = dataclasses.replace(FOLDER, num_training=num_training)
    settings = base_settings(folder, load_model_directory(finished_run), finished_run, 32)
    assert tuple(each.batch_size for each in settings) == batches


def test_what_is_evaluated(prepared_data, tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (run / "data").symlink_to(prepared_data)
    flags = evaluation_flags(run, 60)
    assert "--metrics=r_precision" in flags and "--num_images=600" in flags
    monkeypatch.setattr(finetuning, "_FEWEST_FOR_KID", 6)
    monkeypatch.setattr(finetuning, "_installed_protocol", lambda: "lite0")
    flags = evaluation_flags(run, 1)
    assert {"--metrics=r_precision,kid", "--protocol=lite0", "--kid_subset_size=6"} <= set(flags)
