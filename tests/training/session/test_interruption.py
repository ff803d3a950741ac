"""Signals to a training process; what real processes make of them is in `test_survival.py`."""

import errno
import os
import signal
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import Interrupted
from dmgan_tf.training.session.callbacks import CheckpointSaver
from dmgan_tf.training.session.checkpoints import CheckpointStore
from dmgan_tf.training.session.interruption import Interruption, StopRequests


@pytest.fixture(autouse=True)
def heed_signals():
    """Shells and nohup let what they start ignore some signals, which `Interruption` heeds."""
    numbers = signal.SIGINT, signal.SIGHUP
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Counting(keras.Model):
    """Counts its steps, and tells how many workers ask it to stop."""

    def __init__(self, at_step=lambda step: None, several_workers=False):
        super().__init__()
        self.count = self.add_weight(name="count", initializer="zeros", trainable=False)
        self.stop_requested = tf.Variable(0.0) if several_workers else None
        self.at_step = at_step
        self.built = True
        self.compile(run_eagerly=True)

    def train_step(self, data):
        self.count.assign_add(1.0)
        self.at_step(int(self.count.numpy()))
        logs = {"loss": 1.0}
        if self.stop_requested is not None:
            logs["stop_requested"] = self.stop_requested.numpy()
        return logs


def kill(number):
    """Sends this process a signal, which Python handles before it goes on."""
    os.kill(os.getpid(), number)
    signal.getsignal(number)


def fit(model, interruption, directory, every=None, callbacks=()):
    requests = StopRequests(interruption)
    store = CheckpointStore(directory)
    counts = {"count": model.count}
    saver = CheckpointSaver(store, counts, 4, every, 0, dict, requests, lambda: True)
    data = tf.data.Dataset.from_tensors(np.zeros((1, 1), "float32")).repeat()
    with interruption:
        model.fit(
            data,
            epochs=2,
            steps_per_epoch=4,
            verbose=0,
            shuffle=False,
            callbacks=[requests, *callbacks, saver],
        )


@pytest.mark.parametrize(
    ("number", "name", "status"), [(signal.SIGTERM, "SIGTERM", 75), (signal.SIGINT, "Ctrl-C", 130)]
)
def test_the_step_is_finished_and_saved(tmp_path, capfd, number, name, status):
    model = Counting(lambda step: kill(number) if step == 3 else None)
    with pytest.raises(Interrupted) as caught:
        fit(model, Interruption(), tmp_path)
    assert str(caught.value) == f"stopped by {name} after step 3, saved; continue with --resume"
    assert caught.value.exit_status == status
    assert f"{name}: saving after this step" in capfd.readouterr().err
    assert CheckpointStore(tmp_path).steps() == [3]
    assert model.count.numpy() == 3


def test_where_every_step_is_saved_it_stops_on_the_spot(tmp_path):
    model = Counting(lambda step: kill(signal.SIGTERM) if step == 3 else None)
    with pytest.raises(Interrupted, match="after step 2, saved"):
        fit(model, Interruption(), tmp_path, every=1)
    assert CheckpointStore(tmp_path).steps() == [1, 2]


def test_at_start_up_it_stops_on_the_spot():
    with pytest.raises(Interrupted, match="stopped by SIGTERM before the first step; continue"):
        with Interruption():
            kill(signal.SIGTERM)
            pytest.fail("went on")


def test_the_work_of_an_epochs_end_is_left(tmp_path):
    evaluation = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: kill(signal.SIGTERM))
    model = Counting()
    with pytest.raises(Interrupted, match="after step 4, saved"):
        fit(model, Interruption(), tmp_path, callbacks=[evaluation])
    assert CheckpointStore(tmp_path).steps() == [4]


@pytest.mark.parametrize(
    ("several_workers", "step", "last"), [(False, 2, 2), (True, 2, 3), (True, 4, 5)]
)
def test_a_signal_while_a_checkpoint_is_written(tmp_path, monkeypatch, several_workers, step, last):
    """One process stops there; several have to agree in the next step."""
    save = CheckpointStore.save

    def interrupted(self, at, variables, metadata):
        if at == step:
            kill(signal.SIGTERM)
        save(self, at, variables, metadata)

    monkeypatch.setattr(CheckpointStore, "save", interrupted)
    model = Counting(several_workers=several_workers)
    with pytest.raises(Interrupted, match=f"after step {last}, saved"):
        fit(model, Interruption(several_workers=several_workers), tmp_path, every=2)
    assert CheckpointStore(tmp_path).latest() == last


def test_a_second_signal_stops_within_the_step(tmp_path):
    def twice(step):
        if step == 3:
            kill(signal.SIGTERM)
            kill(signal.SIGINT)
            pytest.fail("went on")

    with pytest.raises(Interrupted, match="stopped by Ctrl-C after step 2, saved as of step 0"):
        fit(Counting(twice), Interruption(), tmp_path)
    assert CheckpointStore(tmp_path).steps() == []


def test_another_sigterm_lets_the_step_finish(tmp_path):
    """A system may signal a whole group and its leader once more."""

    def twice(step):
        if step == 3:
            kill(signal.SIGTERM)
            kill(signal.SIGTERM)

    with pytest.raises(Interrupted, match="stopped by SIGTERM after step 3, saved"):
        fit(Counting(twice), Interruption(), tmp_path)


def test_a_terminal_that_is_gone_costs_nothing(tmp_path, monkeypatch):
    def broken_pipe(descriptor, line):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("dmgan_tf.training.session.interruption.os.write", broken_pipe)
    model = Counting(lambda step: kill(signal.SIGHUP) if step == 3 else None)
    with pytest.raises(Interrupted, match="stopped by SIGHUP after step 3, saved") as caught:
        fit(model, Interruption(), tmp_path)
    assert caught.value.exit_status == 75


def test_an_exception_that_was_lost_is_raised_after_the_step(tmp_path):
    """Python swallows what is raised in a finalizer."""

    def lose(step):
        if step == 3:
            try:
                kill(signal.SIGTERM)
            except Interrupted:
                pass

    with pytest.raises(Interrupted, match="after step 3, saved"):
        fit(Counting(lose), Interruption(), tmp_path, every=2)


def test_several_workers_stop_after_the_same_step(tmp_path):
    """The request travels with the next step's exchange; a step that runs is never left."""
    model = Counting(lambda step: kill(signal.SIGTERM) if step == 3 else None, several_workers=True)
    with pytest.raises(Interrupted, match="after step 4, saved"):
        fit(model, Interruption(several_workers=True), tmp_path, every=1)
    assert model.stop_requested.numpy() == 1.0


def test_another_workers_request_stops_this_one(tmp_path):
    model = Counting(several_workers=True)
    model.at_step = lambda step: model.stop_requested.assign(float(step == 2))
    seen = []
    logs = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: seen.append(set(logs)))
    with pytest.raises(Interrupted, match="stopped by SIGTERM after step 2, saved") as caught:
        fit(model, Interruption(several_workers=True), tmp_path, callbacks=[logs])
    assert caught.value.exit_status == 75
    assert seen == [{"loss"}] * 2


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_signal_that_is_ignored_stays_ignored():
    """As Ctrl-C is for a process in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            kill(signal.SIGINT)
        assert not interruption.is_requested
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def train():
        with Interruption():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [before]
