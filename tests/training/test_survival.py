"""Runs whose process is stopped or killed, and that go on as if it had never been."""

import dataclasses
import logging
import shutil
import signal

import dying_process
import numpy as np
import pytest
from faults.tiny_run import differences, results
from tiny_training import CONFIG, PRETRAINING

from dmgan_tf.errors import Interrupted
from dmgan_tf.training.config import RunSettings
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.session.callbacks import CheckpointSaver
from dmgan_tf.training.session.checkpoints import CheckpointStore

EVERY_STEP = RunSettings(checkpoint_every=1)
KILLED = -signal.SIGKILL


def assert_same_results(one, other):
    assert len(results(one)) >= 6
    assert differences(one, other) == []


@pytest.fixture(scope="module")
def whole_pretraining(prepared_data, tmp_path_factory):
    run = tmp_path_factory.mktemp("pretraining") / "run"
    pretrain_damsm(PRETRAINING, prepared_data, run)
    return run


def test_sigterm_to_a_process(prepared_data, damsm_directory, finished_run, tmp_path):
    """The whole command line's way: it finishes the step, saves, says so, and goes on."""
    arguments = prepared_data, damsm_directory, tmp_path / "run"
    status, stderr = dying_process.run(
        training="dmgan", arguments=arguments, moment="step", number=5, signal="SIGTERM"
    )
    lines = stderr.splitlines()
    assert status == 75, stderr
    assert lines[-1] == "stopped by SIGTERM after step 5, saved; go on with --resume"
    assert not any("Traceback" in line for line in lines)
    assert CheckpointStore(tmp_path / "run/checkpoints").steps() == [3, 5]
    assert not (tmp_path / "run/lock").exists()
    train_dmgan(CONFIG, *arguments, resume=True)
    assert_same_results(tmp_path / "run", finished_run)


MOMENTS = [
    ("start", None, "SIGTERM", 75),
    ("step", 2, "SIGKILL", KILLED),
    ("checkpoint", 2, "SIGKILL", KILLED),
    ("step", 3, "SIGINT", 130),
    ("epoch", None, "SIGTERM", 75),
    ("model", None, "SIGKILL", KILLED),
    ("renaming", None, "SIGKILL", KILLED),
    ("step", 5, "SIGTERM", 75),
    ("checkpoint", 6, "SIGTERM", 75),
    ("noting", None, "SIGKILL", KILLED),
]


@pytest.mark.slow
@pytest.mark.parametrize("training", ["dmgan", "damsm"])
def test_a_run_that_ends_at_every_delicate_moment(
    training, prepared_data, damsm_directory, tmp_path
):
    """One end after another, each time going on from what the one before left."""

    def train(name, **moment):
        directories = [prepared_data, damsm_directory, tmp_path / name]
        return dying_process.run(
            training=training,
            arguments=directories if training == "dmgan" else directories[::2],
            settings={"checkpoint_every": 1, "deterministic": True},
            **moment,
        )

    for moment, number, name, expected in MOMENTS:
        status, stderr = train("run", moment=moment, number=number, signal=name)
        assert status == expected, (moment, number, stderr)
    for name in ("run", "whole"):
        status, stderr = train(name)
        assert status == 0, stderr
    assert_same_results(tmp_path / "run", tmp_path / "whole")


def stop_at(monkeypatch, step):
    """Makes a signal arrive within a step."""
    original = CheckpointSaver.on_train_batch_end

    def interrupted(self, batch, logs=None):
        self.requests.is_agreed = self.step + 1 == step
        original(self, batch, logs)

    monkeypatch.setattr(CheckpointSaver, "on_train_batch_end", interrupted)


@pytest.mark.parametrize("step", [2, 3, 4])
def test_pretraining_goes_on_within_an_epoch(
    prepared_data, whole_pretraining, tmp_path, monkeypatch, step
):
    """Its dropout's random numbers, the learning rate of the epoch and the epoch's means, too."""
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match=f"after step {step}, s"):
        stop_at(patch, step)
        pretrain_damsm(PRETRAINING, prepared_data, tmp_path / "run")
    pretrain_damsm(PRETRAINING, prepared_data, tmp_path / "run", resume=True)
    assert_same_results(tmp_path / "run", whole_pretraining)


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


def test_a_damaged_newest_checkpoint(
    prepared_data, damsm_directory, finished_run, tmp_path, caplog
):
    run = shutil.copytree(finished_run, tmp_path / "run")
    newest = run / "checkpoints/step-00000006.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    with caplog.at_level(logging.INFO):
        train_dmgan(CONFIG, prepared_data, damsm_directory, run, resume=True)
    assert f"{newest} is damaged" in caplog.text
    assert "from the checkpoint of step 3 of 6" in caplog.text
    assert newest.with_name("step-00000006.npz.damaged").exists()
    assert_same_results(run, finished_run)
