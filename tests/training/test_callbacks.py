import glob

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.summary.summary_iterator import summary_iterator

from dmgan_tf.training import callbacks
from dmgan_tf.training.checkpoints import CheckpointStore


class Counting(keras.Model):
    """A model whose log is the number of steps it has taken."""

    def __init__(self):
        super().__init__()
        self.count = self.add_weight(name="count", initializer="zeros", trainable=False)
        self.built = True

    def train_step(self, data):
        self.count.assign_add(1.0)
        return {"loss": self.count.value, "other": -self.count.value}


def fit(*used, epochs=2, steps=3, initial_epoch=0):
    model = Counting()
    model.compile(optimizer=keras.optimizers.SGD())
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


def test_without_a_terminal_there_is_one_line_an_epoch(capsys):
    progress = callbacks.Progress(total_steps=6, batch_size=4)
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
        callbacks.Progress(total_steps=12, batch_size=4, initial_step=6, metrics=["other"]),
        epochs=4,
        initial_epoch=2,
    )
    shown = capsys.readouterr().err
    assert "6/12" in shown and "12/12" in shown
    assert "other=-6" in shown and "images/s" in shown


def test_a_second_fit_goes_on_where_the_first_ended(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = callbacks.Progress(total_steps=9, batch_size=4, initial_step=2, epochs=3)
    fit(progress, epochs=1, steps=1)
    assert "epoch 1/3" in capsys.readouterr().err
    fit(progress, epochs=3, initial_epoch=1)
    shown = capsys.readouterr().err
    assert "3/9" in shown and "9/9" in shown and "2/9" not in shown


def test_speed_leaves_out_what_stands_between_epochs(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: float(next(clock)))
    progress = callbacks.Progress(total_steps=4, batch_size=10)
    progress.set_params({"epochs": 2})
    progress.on_train_begin()
    for epoch in range(2):
        for step in range(2):
            progress.on_train_batch_begin(step)
            progress.on_train_batch_end(step, {"loss": 1.0})
        for _ in range(20):
            next(clock)  # validation
        progress.on_epoch_end(epoch, {})
    progress.on_train_end()
    assert progress.images_per_second() == 10.0


def test_scalars_are_written_by_global_step(tmp_path):
    fit(callbacks.ScalarLogger(tmp_path, every=2, initial_step=10))
    found = scalars(tmp_path)
    assert found["loss"] == {12: 2.0, 14: 4.0, 16: 6.0}
    assert found["epoch/other"] == {13: -3.0, 16: -6.0}


@pytest.mark.parametrize(("every", "steps"), [(None, [13, 16]), (2, [12, 13, 14, 16])])
def test_checkpoints_at_epoch_ends_and_between(tmp_path, every, steps):
    store = CheckpointStore(tmp_path, keep=9)
    fit(
        lambda model: callbacks.CheckpointSaver(
            store, {"count": model.count}, every=every, initial_step=10, metadata={"who": "me"}
        )
    )
    assert store.steps() == steps
    loaded = Counting()
    metadata = store.restore({"count": loaded.count})
    assert metadata == {"who": "me", "epochs_done": 2, "step": 16}
    assert float(loaded.count.value) == 6.0


def test_epoch_means_replace_the_last_steps_logs():
    means = callbacks.EpochMeans()
    means.on_epoch_begin(0)
    for loss in (1.0, 2.0, 6.0):
        means.on_train_batch_end(0, {"loss": loss})
    logs = {"loss": 6.0, "retrieval_accuracy": 0.5}
    means.on_epoch_end(0, logs)
    assert logs == {"loss": 3.0, "retrieval_accuracy": 0.5}
    means.on_epoch_begin(1)
    means.on_train_batch_end(0, {"loss": 4.0})
    means.on_epoch_end(1, logs)
    assert logs["loss"] == 4.0
