import glob
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.summary.summary_iterator import summary_iterator

from dmgan_tf.training.session import callbacks
from dmgan_tf.training.session.checkpoints import CheckpointStore
from dmgan_tf.training.session.interruption import Interruption, StopRequests


class Counting(keras.Model):
    """A model whose log is the number of steps it has taken."""

    def __init__(self):
        super().__init__()
        self.count = self.add_weight(name="count", initializer="zeros", trainable=False)
        self.built = True

    def train_step(self, data):
        self.count.assign_add(1.0)
        count = float(self.count.numpy())
        return {"loss": count, "other": -count}


def fit(*used, epochs=2, steps=3, initial_epoch=0):
    model = Counting()
    model.compile(run_eagerly=True)
    dataset = tf.data.Dataset.from_tensors(np.zeros((4, 1), "float32")).repeat()
    used = [callback(model) if callable(callback) else callback for callback in used]
    model.fit(
        dataset,
        epochs=epochs,
        initial_epoch=initial_epoch,
        steps_per_epoch=steps,
        verbose=0,
        shuffle=False,
        callbacks=used,
    )
    return model


def scalars(directory):
    found = {}
    for path in glob.glob(f"{directory}/events*"):
        for event in summary_iterator(path):
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    return found


def progress_of(epochs, total_steps, batch_size=4, initial_step=0, metrics=("loss",), **names):
    return callbacks.Progress(epochs, total_steps, batch_size, initial_step, metrics, **names)


def saver_of(store, model, every=None, initial_step=0, is_healthy=lambda: True):
    """A saver of a run of three steps an epoch that nothing stops."""
    requests = StopRequests(Interruption())
    counts = {"count": model.count}
    return callbacks.CheckpointSaver(
        store, counts, 3, every, initial_step, lambda: {"who": "me"}, requests, is_healthy
    )


def test_without_a_terminal_there_is_one_line_an_epoch(capsys):
    progress = progress_of(2, 6)
    fit(progress)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "epoch 1/2: loss=3",
        "epoch 2/2: loss=6",
    ]
    assert all("other=-" in line and "images/s" in line for line in lines)
    assert progress.images_per_second() > 0


def test_on_a_terminal_one_bar_counts_the_whole_run(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fit(
        progress_of(4, 12, initial_step=6, metrics=["other"]),
        epochs=4,
        initial_epoch=2,
    )
    shown = capsys.readouterr().err
    assert "6/12" in shown and "12/12" in shown
    assert "other=-6" in shown and "images/s" in shown


def test_a_second_fit_goes_on_where_the_first_ended(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = progress_of(3, 9, initial_step=2)
    fit(progress, epochs=1, steps=1)
    assert "epoch 1/3" in capsys.readouterr().err
    fit(progress, epochs=3, initial_epoch=1)
    shown = capsys.readouterr().err
    assert "9/9" in shown and "2/9" not in shown


def test_speed_leaves_out_what_stands_between_epochs(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: float(next(clock)))
    progress = progress_of(2, 4, batch_size=10)
    for epoch in range(2):
        for step in range(2):
            progress.on_train_batch_begin(step)
            progress.on_train_batch_end(step, {"loss": 1.0})
        for _ in range(20):
            next(clock)  # validation
        progress.on_epoch_end(epoch, {})
    assert progress.images_per_second() == 10.0


def test_scalars_are_written_by_global_step(tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "_SCALARS_EVERY", 2)
    fit(callbacks.ScalarLogger(tmp_path, initial_step=10))
    found = scalars(tmp_path)
    assert found["loss"] == {12: 2.0, 14: 4.0, 16: 6.0}
    assert found["epoch/other"] == {13: -3.0, 16: -6.0}


@pytest.mark.parametrize(("every", "steps"), [(None, [12, 15]), (2, [10, 12, 14, 15])])
def test_checkpoints_after_epochs_and_between(tmp_path, every, steps):
    store = CheckpointStore(tmp_path, keep=9)
    fit(lambda model: saver_of(store, model, every, initial_step=9))
    assert store.steps() == steps
    loaded = Counting()
    metadata = store.restore({"count": loaded.count})
    assert metadata == {"who": "me", "step": 15}
    assert float(loaded.count.value) == 6.0


def test_a_checkpoint_comes_before_the_work_of_an_epochs_end(tmp_path):
    store, saved = CheckpointStore(tmp_path), []
    looks = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: saved.append(store.latest()))
    fit(looks, lambda model: saver_of(store, model))
    assert saved == [3, 6]


def test_what_is_not_healthy_is_not_saved(tmp_path):
    store, healthy = CheckpointStore(tmp_path, keep=9), iter([True, True, False, True, False, True])
    fit(lambda model: saver_of(store, model, every=1, is_healthy=lambda: next(healthy)))
    assert store.steps() == [1, 2, 4, 6]


def test_what_was_due_while_not_healthy_is_saved_when_it_is_again(tmp_path, caplog):
    store, healthy = CheckpointStore(tmp_path, keep=9), iter([True, True, False, False, True, True])
    fit(lambda model: saver_of(store, model, is_healthy=lambda: next(healthy)))
    assert store.steps() == [5, 6]
    assert caplog.text.count("No checkpoint at step 3: saving waits for good steps.") == 1


def feed(means, *losses):
    for loss in losses:
        means.on_train_batch_end(0, {"loss": loss})


def ended(means, **logs):
    means.on_epoch_end(0, logs)
    return logs


def test_epoch_means_replace_the_last_steps_logs():
    means = callbacks.EpochMeans()
    feed(means, 1.0, 2.0, 6.0)
    assert ended(means, loss=6.0, accuracy=0.5) == {"loss": 3.0, "accuracy": 0.5}
    feed(means, 4.0)
    assert ended(means) == {"loss": 4.0}


def test_a_bad_step_does_not_spoil_an_epochs_mean():
    means = callbacks.EpochMeans()
    feed(means, 1.0, float("nan"), float("inf"), 3.0)
    assert ended(means) == {"loss": 2.0}


def test_bad_steps_are_counted_and_shown_if_there_were_any(capsys):
    means = callbacks.EpochMeans()
    for bad_step in (1.0, 0.0, 1.0):
        logs = {"loss": 2.0, "generator_bad_steps": bad_step, "discriminators_bad_steps": 0.0}
        means.on_train_batch_end(0, logs)
    logs = {}
    means.on_epoch_end(0, logs)
    assert logs == {"loss": 2.0, "generator_bad_steps": 2.0, "discriminators_bad_steps": 0.0}
    for metrics in (["loss"], None):
        progress = progress_of(1, 3, epoch_metrics=metrics)
        progress.on_epoch_end(0, logs)
        line = capsys.readouterr().err.strip()
        assert line == "epoch 1/1: loss=2, generator_bad_steps=2, 0.0 images/s"


def test_epoch_means_go_on_after_an_interruption():
    before = callbacks.EpochMeans()
    feed(before, 0.1, 0.2)
    after = callbacks.EpochMeans(json.loads(json.dumps(before.state())))
    for means in (before, after):
        feed(means, 0.6)
    assert ended(after) == ended(before) == {"loss": (0.1 + 0.2 + 0.6) / 3}
    feed(after, 5.0)
    assert ended(after) == {"loss": 5.0}
