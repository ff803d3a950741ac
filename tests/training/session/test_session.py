"""What surrounds the steps of a run, with a stub for its networks."""

import contextlib
import json
import logging
import os
import shutil
import signal
import types

import keras
import numpy as np
import pytest
import stub_run
import tensorflow as tf
from stub_run import LAST_STEP, STEPS_PER_EPOCH, total_after
from tensorflow.python.summary.summary_iterator import summary_iterator
from tiny_training import CONFIG, PRETRAINING

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.errors import InputError, Interrupted, TrainingDiverged
from dmgan_tf.training.config import RunSettings
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.session import callbacks, session
from dmgan_tf.training.session.run_directory import RunDirectory
from dmgan_tf.training.session.session import Session

WHOLE = total_after(*range(1, LAST_STEP + 1))
EVERY_STEP = RunSettings(checkpoint_every=1)
BAD = {"loss": np.nan, "bad_steps": 1.0}


@pytest.fixture(autouse=True)
def heed_signals():
    """Shells and nohup let what they start ignore Ctrl-C, which then stays ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def train(prepared_data, tmp_path):
    """Begins the run in `run`, or goes on with it, and gives its total."""

    def run(**arguments):
        return stub_run.train(tmp_path / "run", prepared_data, **arguments)

    return run


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


def killed_at(step, number=signal.SIGTERM):
    """Makes the process get a signal within a step."""

    def kill(at):
        if at == step:
            os.kill(os.getpid(), number)
            signal.getsignal(number)  # Python handles the signal before it goes on

    return kill


def saved_steps(run):
    return sorted(int(path.stem[5:]) for path in (run / "checkpoints").glob("step-*.npz"))


def variables(value):
    names = "w", "optimizer/0001/adam/learning_rate", "steps/0000/steps_done"
    return {name: tf.Variable(float(value)) for name in names}


def values(held):
    return [variable.numpy() for variable in held.values()]


def test_going_back_leaves_what_moves_on_and_what_was_set(prepared_data, run):
    with Session(run, PRETRAINING, RunSettings()) as held_run:
        held_run.scan(load_dataset_info(prepared_data))
        held = variables(1)
        model = types.SimpleNamespace(weights=list(held.values()), described={})
        assert held_run.is_new and held_run.restore(model, held, steps_per_epoch=3) == 0
        assert held_run.roll_back() is None and values(held) == [1, 1, 1]
        held_run.store.save(4, variables(2), {"steps_per_epoch": 3})
        assert held_run.roll_back() == 4 and values(held) == [2, 1, 1]
        held["w"].assign(7.0)
        assert held_run.restore(model, held, steps_per_epoch=3) == 4 and values(held) == [2, 1, 2]


def test_another_objective_than_that_of_the_checkpoint_is_told_of(prepared_data, tmp_path, caplog):
    with Session(tmp_path / "run", PRETRAINING, RunSettings()) as run:
        run.scan(load_dataset_info(prepared_data))
        held = variables(1)
        model = types.SimpleNamespace(weights=[], described={"objective": "R1(10)"})
        for step, before in ((3, "R1(10)"), (6, "R1(2)")):
            run.store.save(step, held, {"steps_per_epoch": 3, "objective": before})
            run.restore(model, held, steps_per_epoch=3)
            run._warn_of_what_changed()
        assert caplog.text.count("Another") == 1
        assert "Another objective than when step 6 was saved" in caplog.text


def test_as_many_checkpoints_stay_as_wanted(train, run):
    train(settings=RunSettings(checkpoint_every=1, keep_checkpoints=2))
    assert saved_steps(run) == [LAST_STEP - 1, LAST_STEP]


@pytest.mark.parametrize(
    "step", [2, 3, 5, 6]
)  # what precedes the others is saved: no such step ends
def test_a_run_that_a_signal_stopped_goes_on(train, run, step, capfd):
    """As one that none stopped, from the step that was finished and saved; its logs, too."""
    with pytest.raises(
        Interrupted, match=f"by SIGTERM after step {step}, saved; continue with --res"
    ):
        train(at_step=killed_at(step))
    assert saved_steps(run)[-1] == step and not (run / "lock").exists()
    epochs = [line for line in capfd.readouterr().err.splitlines() if line.startswith("epoch")]
    assert train() == WHOLE
    epochs += [line for line in capfd.readouterr().err.splitlines() if line.startswith("epoch")]
    assert [line.split(",")[0] for line in epochs] == ["epoch 1/2: loss=0.2", "epoch 2/2: loss=0.5"]
    recorded = [
        event.step
        for path in sorted((run / "logs").glob("events*"))
        for event in summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "epoch/loss"
    ]
    assert sorted(recorded) == [STEPS_PER_EPOCH, LAST_STEP]


def test_a_run_that_ended_before_its_step_was_saved_takes_that_step_again(train, run):
    def end(number):
        if number == 2:
            raise KeyboardInterrupt  # as a crash

    with pytest.raises(KeyboardInterrupt):
        train(at_step=end, settings=EVERY_STEP)
    assert saved_steps(run) == [1]
    assert train() == WHOLE


def test_a_run_goes_on_for_more_epochs(train, capfd):
    assert train(epochs=1) == total_after(*range(1, STEPS_PER_EPOCH + 1))
    assert "epoch 1/1: " in capfd.readouterr().err
    assert train() == WHOLE
    assert "epoch 2/2: " in capfd.readouterr().err


def test_a_finished_run_takes_no_more_steps(train, run, capfd):
    assert train() == WHOLE
    before = (run / f"checkpoints/step-{LAST_STEP:08d}.npz").read_bytes()
    capfd.readouterr()
    assert train(at_step=lambda number: pytest.fail(f"step {number}")) == WHOLE
    assert (run / f"checkpoints/step-{LAST_STEP:08d}.npz").read_bytes() == before
    assert "epoch" not in capfd.readouterr().err


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(train, run, caplog):
    caplog.set_level(logging.INFO)
    train()
    newest = run / f"checkpoints/step-{LAST_STEP:08d}.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    assert train() == WHOLE
    assert f"{newest} is damaged" in caplog.text
    assert f"from the checkpoint of step {STEPS_PER_EPOCH} of {LAST_STEP}" in caplog.text
    assert newest.with_name(f"{newest.name}.damaged").exists()


def test_bad_steps_lead_back_to_the_last_checkpoint(train, run, caplog):
    """What a step did is as if it had not been; the count of steps goes on."""
    total = train(
        at_step=lambda number: BAD if number in (4, 5) else None,
        settings=RunSettings(nan_patience=2),
    )
    assert total == total_after(1, 2, 3, LAST_STEP)
    assert f"Continuing with the weights of step {STEPS_PER_EPOCH}." in caplog.text
    assert saved_steps(run) == [STEPS_PER_EPOCH]  # the last step is still on trial


def test_bad_steps_end_the_run_if_wanted(train, run):
    settings = RunSettings(nan_patience=2, on_nan="stop")
    with pytest.raises(TrainingDiverged, match="at step 5: 2 steps in a row"):
        train(at_step=lambda number: BAD if number >= 4 else None, settings=settings)
    assert saved_steps(run) == [STEPS_PER_EPOCH]


def test_what_was_trained_is_saved_when_other_input_fails(train, run, monkeypatch):
    """Such as a full disk of the logs, in the middle of an epoch."""

    def full(self, prefix, logs):
        raise InputError("disk full while writing the TensorBoard logs")

    monkeypatch.setattr(callbacks, "_SCALARS_EVERY", 2)
    monkeypatch.setattr(callbacks.ScalarLogger, "_write", full)
    with pytest.raises(InputError, match="disk full"):
        train()
    assert saved_steps(run) == [2]


@pytest.mark.parametrize("place", ["work", "note"])
def test_the_work_of_an_epochs_end_is_done_again(train, run, monkeypatch, capfd, place):
    """After a stop in its middle, when the step is saved; with the means over all its steps."""
    drawn = []
    draw = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: drawn.append(epoch))

    def interrupted(*_):
        raise Interrupted("stopped", 75)

    stop = keras.callbacks.LambdaCallback(on_epoch_end=interrupted)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        if place == "note":
            patch.setattr(RunDirectory, "note_epoch_end", interrupted)
        train(finishing=[draw] if place == "note" else [draw, stop])
    assert saved_steps(run) == [STEPS_PER_EPOCH] and drawn == [0]
    assert (run / "model").exists() == (place == "note")
    capfd.readouterr()
    assert train(finishing=[draw]) == WHOLE
    assert drawn == [0, 0, 1] and (run / "model").exists()
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("epoch")]
    assert [line.split(",")[0] for line in lines] == ["epoch 1/2: loss=0.2", "epoch 2/2: loss=0.5"]
    assert json.loads((run / "last_epoch.json").read_text()) == {"step": LAST_STEP}


def test_the_work_of_the_last_epoch_is_done_again_where_its_model_is_gone(train, run):
    drawn = []
    draw = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: drawn.append(epoch))
    train()
    (run / "model").rmdir()
    train(finishing=[draw])
    assert drawn == [1] and (run / "model").exists()


def test_an_epoch_of_another_length_is_refused(train):
    train()
    with pytest.raises(InputError, match="Expected 3 steps per epoch, .* give 2. .*flags.txt"):
        train(steps_per_epoch=2)


def test_what_changed_beside_the_checkpoint_is_told_of(train, caplog):
    """The DAMSM is no part of it, and its flag is the same as before."""
    train()
    train()
    assert "Another" not in caplog.text
    train(frozen=2.0)
    assert f"Another DAMSM than when step {LAST_STEP} was saved" in caplog.text


def test_a_step_runs_in_order_only_if_wanted(train, monkeypatch):
    ordered = []

    def in_order(step):
        ordered.append(step)
        return step

    monkeypatch.setattr(session, "in_order", in_order)
    monkeypatch.setattr(session, "same_bits", contextlib.nullcontext)
    train()
    assert not ordered
    train(settings=RunSettings(deterministic=True))
    assert len(ordered) == 1


def test_a_second_process_is_refused_before_it_changes_anything(
    prepared_data, damsm_directory, tmp_path
):
    """A damaged checkpoint, say, is not moved away under the process that trains."""
    RunDirectory(tmp_path).prepare("--epochs=9", resume=False)
    (tmp_path / "checkpoints/step-00000001.npz").write_bytes(b"half written")
    with RunDirectory(tmp_path).lock():
        before = {path: path.stat() for path in tmp_path.rglob("*")}
        with pytest.raises(InputError, match="to be free. Received: .* process"):
            train_dmgan(CONFIG, prepared_data, damsm_directory, tmp_path, resume=True)
        with pytest.raises(InputError, match="to be free. Received: .* process"):
            pretrain_damsm(PRETRAINING, prepared_data, tmp_path, resume=True)
        assert {path: path.stat() for path in tmp_path.rglob("*")} == before


def test_the_start_says_what_was_decided_and_the_end_what_was_skipped(
    prepared_data, tmp_path, caplog
):
    data, run = shutil.copytree(prepared_data, tmp_path / "data"), tmp_path / "run"
    shard = next(data.glob("train-*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match="1 of 14.*--max_skipped_fraction"):
        stub_run.train(run, data)
    assert not run.exists()
    caplog.set_level(logging.INFO)
    stub_run.train(run, data, settings=RunSettings(max_skipped_fraction=0.1))
    for line in (
        "strategy default, one replica",
        "Precision: float32",
        "Data: shapes, 14 training images, 1 of them unreadable and skipped; "
        "3 steps of 4 images per epoch, 2 epochs",
        f"A new run of 6 steps in {run}",
        "Trained without some records: 1 of 14 records of 'train' are unreadable",
    ):
        assert line in caplog.text
    stub_run.train(run, prepared_data)
    assert "from the checkpoint of step 6 of 6" in caplog.text
    assert "readable records than when step 6 was saved" in caplog.text


def test_captions_that_a_step_cannot_read_whole_are_told_of(prepared_data, tmp_path, caplog):
    """Every image has one caption of three words and one of four."""
    caplog.set_level(logging.INFO)
    stub_run.train(tmp_path / "all", prepared_data)
    assert "Captions:" not in caplog.text
    stub_run.train(tmp_path / "some", prepared_data, max_words=3)
    assert "Captions: 14 of 28 are longer than --max_words=3; " in caplog.text
    assert f"leaves out {14 / 98:.1%} of the words of all captions" in caplog.text
