"""A run that stopped and went on ends where one that never stopped ends, to the last bit."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from tensorflow.python.summary.summary_iterator import summary_iterator
from tiny_training import CONFIG, PRETRAINING

from dmgan_tf.models.model_directory import load_model_directory, save_model_directory
from dmgan_tf.training import dmgan_run
from dmgan_tf.training.config import RunSettings
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.session.callbacks import CheckpointSaver


def assert_same_checkpoints(one, other):
    """Both runs' newest checkpoints are of one step and hold the same bits under every name."""
    paths = [max((run / "checkpoints").glob("step-*.npz")) for run in (one, other)]
    assert paths[0].name == paths[1].name
    with np.load(paths[0]) as first, np.load(paths[1]) as second:
        assert set(first) == set(second) and len(first) > 20
        for name in first:
            if name != "metadata":
                assert first[name].tobytes() == second[name].tobytes(), name
        headers = [json.loads(file["metadata"].tobytes()) for file in (first, second)]
    assert headers[0] == headers[1]


def recorded_steps(run):
    """The steps that TensorBoard has a loss of, in the order of their writing."""
    return [
        (value.tag, event.step)
        for path in sorted((run / "logs").glob("events*"))
        for event in summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "epoch/damsm_loss"
    ]


def stop_after(monkeypatch, step):
    """Makes the process end, as by Ctrl-C, after this step, before it is saved."""
    original = CheckpointSaver.on_train_batch_end

    def interrupted(self, batch, logs=None):
        if self.step + 1 == step:
            raise KeyboardInterrupt
        original(self, batch, logs)

    monkeypatch.setattr(CheckpointSaver, "on_train_batch_end", interrupted)


def test_dmgan_after_an_epoch(prepared_data, damsm_directory, finished_run, tmp_path, capsys):
    arguments = prepared_data, damsm_directory, tmp_path / "run"
    train_dmgan(dataclasses.replace(CONFIG, epochs=1), *arguments)
    assert "epoch 1/1: " in capsys.readouterr().err
    train_dmgan(CONFIG, *arguments, resume=True)
    assert "epoch 2/2: " in capsys.readouterr().err
    assert_same_checkpoints(tmp_path / "run", finished_run)
    assert recorded_steps(tmp_path / "run") == recorded_steps(finished_run)
    assert [step for _, step in recorded_steps(finished_run)] == [3, 6]


def test_dmgan_within_an_epoch(
    prepared_data, damsm_directory, finished_run, tmp_path, monkeypatch, capsys
):
    run = tmp_path / "run"
    arguments = CONFIG, prepared_data, damsm_directory, run
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        train_dmgan(*arguments, settings=RunSettings(checkpoint_every=1))
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000001.npz"]
    capsys.readouterr()
    train_dmgan(*arguments, resume=True)
    lines = [line.split(":")[0] for line in capsys.readouterr().err.splitlines() if "loss" in line]
    assert lines == ["epoch 1/2", "epoch 2/2"]
    assert_same_checkpoints(run, finished_run)
    assert recorded_steps(run) == recorded_steps(finished_run)
    sheets = [path / "samples/step-00000006.png" for path in (run, finished_run)]
    assert sheets[0].read_bytes() == sheets[1].read_bytes()


def test_the_learning_rates_of_today_count(
    prepared_data, damsm_directory, finished_run, tmp_path, monkeypatch
):
    made, build = [], dmgan_run.build_dmgan

    def remember(*arguments):
        made.append(build(*arguments))
        return made[-1]

    monkeypatch.setattr(dmgan_run, "build_dmgan", remember)
    slower = dataclasses.replace(CONFIG, generator_learning_rate=1e-5)
    run = shutil.copytree(finished_run, tmp_path / "run")
    train_dmgan(slower, prepared_data, damsm_directory, run, resume=True)
    assert float(made[0].optimizer.learning_rate) == pytest.approx(1e-5)
    assert float(made[0].discriminator_optimizer.learning_rate) == pytest.approx(2e-4)
    assert int(made[0].steps_done.numpy()) == 6


def test_another_damsm_in_the_same_place_is_told_of(
    prepared_data, damsm_directory, finished_run, tmp_path, caplog
):
    """It is no part of the checkpoint, and its flag is the same as before."""
    damsm = load_model_directory(damsm_directory)
    run = shutil.copytree(finished_run, tmp_path / "run")
    train_dmgan(CONFIG, prepared_data, damsm_directory, run, resume=True)
    assert "Another" not in caplog.text
    weight = damsm.text_encoder.trainable_variables[0]
    weight.assign(weight + 1)
    save_model_directory(
        tmp_path / "damsm",
        vocabulary=damsm.vocabulary,
        text_encoder=damsm.text_encoder,
        image_encoder=damsm.image_encoder,
        extra=damsm.extra,
    )
    train_dmgan(CONFIG, prepared_data, tmp_path / "damsm", run, resume=True)
    assert "Another DAMSM than when step 6 was saved" in caplog.text


def test_damsm_after_an_epoch(prepared_data, tmp_path):
    """Its dropout's random numbers go on, too."""
    pretrain_damsm(PRETRAINING, prepared_data, tmp_path / "whole")
    once = dataclasses.replace(PRETRAINING, epochs=1)
    pretrain_damsm(once, prepared_data, tmp_path / "halves")
    pretrain_damsm(PRETRAINING, prepared_data, tmp_path / "halves", resume=True)
    assert_same_checkpoints(tmp_path / "whole", tmp_path / "halves")
