import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.training.distribution.replicas import distribute, num_replicas
from dmgan_tf.training.distribution.replicated_model import ReplicatedModel


class Summing(ReplicatedModel):
    """Adds up what it sees."""

    def __init__(self):
        super().__init__()
        self.total = self.add_weight(name="total", initializer="zeros", trainable=False)
        self.compile(jit_compile=False)
        self.built = True

    def train_step(self, batch):
        context = tf.distribute.get_replica_context()
        total = context.all_reduce("SUM", tf.reduce_sum(batch))
        self.total.assign_add(total)
        return {"mean": tf.reduce_mean(batch), "count": tf.constant(num_replicas()), "a": total}


class Logs(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(logs)


def parts(worker, replicas_per_worker):
    """Global batches of 4 numbers, the first 0 to 3, shared as `training_dataset` does it."""
    assert worker == (0, 1)
    return tf.data.Dataset.range(12, output_type=tf.float32).batch(4 // replicas_per_worker, True)


def fit(strategy):
    with strategy.scope():
        model = Summing()
    logs = Logs()
    data = distribute(strategy, parts)
    model.fit(data, epochs=1, steps_per_epoch=3, shuffle=False, verbose=0, callbacks=[logs])
    assert model.stop_requested is None
    return float(model.total.numpy()), logs.steps


def test_logs_are_means_over_the_replicas(two_replicas):
    one_total, one = fit(tf.distribute.get_strategy())
    two_total, two = fit(two_replicas)
    assert one_total == two_total == 66.0
    assert [step["mean"] for step in one] == [step["mean"] for step in two] == [1.5, 5.5, 9.5]
    assert [step["a"] for step in two] == [6.0, 22.0, 38.0]
    assert [step["count"] for step in one + two] == [1, 1, 1, 2, 2, 2]
    assert all("stop_requested" not in step for step in one + two)


def test_no_batch_is_spent_on_building(two_replicas):
    """Keras' own `fit` takes one first, where the data set is distributed."""
    taken = []

    def counted(worker, replicas_per_worker):
        def note(value):
            taken.append(float(value[0]))
            return value

        dataset = parts(worker, replicas_per_worker)
        return dataset.map(
            lambda value: tf.ensure_shape(tf.py_function(note, [value], "float32"), [2])
        )

    with two_replicas.scope():
        model = Summing()
    data = distribute(two_replicas, counted)
    model.fit(data, epochs=1, steps_per_epoch=3, shuffle=False, verbose=0)
    np.testing.assert_array_equal(taken, np.arange(0.0, 12.0, 2.0))
