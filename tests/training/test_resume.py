"""A run that stopped and went on ends where one that never stopped ends, to the last bit.

What a session does about it, moment by moment, stands in `session/test_session.py`, with a stub.
"""

import dataclasses
import os
import shutil
import signal

import numpy as np
import pytest
from faults.tiny_run import differences, results
from tiny_training import CONFIG, PRETRAINING

from dmgan_tf.errors import Interrupted
from dmgan_tf.training import dmgan_run
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.session.interruption import StopRequests


def assert_same_results(one, other):
    """Checkpoints, models and sheets, to the last bit."""
    assert len(results(one)) >= 6
    assert differences(one, other) == []


def stop_at(monkeypatch, step):
    """Makes SIGTERM come within a step."""
    original, steps = StopRequests.on_train_batch_end, []

    def interrupted(self, batch, logs=None):
        steps.append(batch)
        if len(steps) == step:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.getsignal(signal.SIGTERM)  # Python handles the signal before it goes on
        original(self, batch, logs)

    monkeypatch.setattr(StopRequests, "on_train_batch_end", interrupted)


def test_dmgan(prepared_data, damsm_directory, finished_run, tmp_path, monkeypatch):
    """Its networks are built anew for each half, as in another process."""
    arguments = CONFIG, prepared_data, damsm_directory, tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="after step 2, saved"):
        stop_at(patch, 2)
        train_dmgan(*arguments)
    train_dmgan(*arguments, resume=True)
    assert_same_results(tmp_path / "run", finished_run)


def test_damsm(prepared_data, finished_pretraining, tmp_path, monkeypatch):
    """Its dropout's random numbers, the learning rate of the epoch and the epoch's means, too."""
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="after step 2, saved"):
        stop_at(patch, 2)
        pretrain_damsm(PRETRAINING, prepared_data, tmp_path / "run")
    pretrain_damsm(PRETRAINING, prepared_data, tmp_path / "run", resume=True)
    assert_same_results(tmp_path / "run", finished_pretraining[0])


def test_damsm_within_the_epochs_of_words(prepared_data, tmp_path, monkeypatch):
    config = dataclasses.replace(PRETRAINING, word_epochs=1, word_reader=True)
    pretrain_damsm(config, prepared_data, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="after step 2, saved"):
        stop_at(patch, 2)
        pretrain_damsm(config, prepared_data, tmp_path / "run")
    pretrain_damsm(config, prepared_data, tmp_path / "run", resume=True)
    assert_same_results(tmp_path / "run", tmp_path / "whole")


@pytest.mark.usefixtures("traced_once")
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


@pytest.mark.usefixtures("traced_once")
def test_the_end_of_a_finished_run_is_made_up_for(
    prepared_data, damsm_directory, finished_run, tmp_path
):
    """Where its model and its sheet are gone; no step is taken."""
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(run / "model")
    for name in ("step-00000006.png", "latest.png"):
        (run / "samples" / name).unlink()
    train_dmgan(CONFIG, prepared_data, damsm_directory, run, resume=True)
    assert_same_results(run, finished_run)


@pytest.mark.slow
def test_the_loss_scale_of_float16_goes_on(prepared_data, damsm_directory, tmp_path, monkeypatch):
    config = dataclasses.replace(CONFIG, precision="float16")
    train_dmgan(config, prepared_data, damsm_directory, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_at(patch, 2)
        train_dmgan(config, prepared_data, damsm_directory, tmp_path / "run")
    train_dmgan(config, prepared_data, damsm_directory, tmp_path / "run", resume=True)
    assert_same_results(tmp_path / "run", tmp_path / "whole")
    with np.load(tmp_path / "run/checkpoints/step-00000006.npz") as checkpoint:
        names = [name for name in checkpoint if "dynamic_scale" in name]
        assert len(names) == 2 and all(checkpoint[name] >= 1 for name in names)
