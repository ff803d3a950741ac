import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.training.distribution import replicas


def on_two(strategy, function, *values):
    """Runs `function` on two replicas, each with its entry of every value, and gives both."""

    @tf.function(autograph=False)
    def run():
        per_replica = [
            strategy.experimental_distribute_values_from_function(
                lambda context, value=value: tf.constant(
                    value[context.replica_id_in_sync_group], tf.float32
                )
            )
            for value in values
        ]
        return strategy.experimental_local_results(strategy.run(function, args=per_replica))

    return [tf.nest.map_structure(np.asarray, result) for result in run()]


def test_gather_joins_in_the_order_of_the_replicas(two_replicas):
    results = on_two(two_replicas, replicas.gather, [[1.0, 2.0], [3.0, 4.0]])
    for result in results:
        np.testing.assert_array_equal(result, [1.0, 2.0, 3.0, 4.0])


def test_gather_takes_bfloat16(two_replicas):
    """For which TensorFlow has no exchange; the gradient comes back in it, too."""

    def gather(values):
        values = tf.cast(values, tf.bfloat16)
        with tf.GradientTape() as tape:
            tape.watch(values)
            joined = replicas.gather(values)
        gradient = tape.gradient(joined, values)
        assert joined.dtype == gradient.dtype == tf.bfloat16
        return tf.cast(joined, tf.float32), tf.cast(gradient, tf.float32)

    for joined, gradient in on_two(two_replicas, gather, [[1.0, 2.0], [3.0, 4.0]]):
        np.testing.assert_array_equal(joined, [1.0, 2.0, 3.0, 4.0])
        np.testing.assert_array_equal(gradient, [2.0, 2.0])


def test_gradient_of_gather_sums_over_the_replicas(two_replicas):
    """Each replica weighs the gathered rows by its own numbers; a row's gradient is their sum."""

    def gradient(values, weights):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(replicas.gather(values) ** 2 * weights)
        return tape.gradient(loss, values)

    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    weights = np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]])
    results = on_two(two_replicas, gradient, values, weights)
    expected = 2 * values.reshape(-1) * weights.sum(axis=0)
    np.testing.assert_allclose(np.concatenate(results), expected)


def test_replica_rows_are_contiguous(two_replicas):
    drawn = tf.range(8)
    results = on_two(two_replicas, lambda _: replicas.replica_rows(drawn), [0.0, 0.0])
    np.testing.assert_array_equal(results, [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_on_one_device_nothing_is_exchanged():
    x = tf.constant([1.0, np.inf])
    assert replicas.gather(x) is x
    assert replicas.replica_rows(x) is x
    assert replicas.num_replicas() == 1
    assert replicas.replica_index() == 0


def test_strategies_by_name():
    assert replicas.get_strategy("default").num_replicas_in_sync == 1
    mirrored = replicas.get_strategy("mirrored", ["CPU:0", "CPU:1"])
    assert mirrored.num_replicas_in_sync == 2


def test_several_workers_need_a_description(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match="TF_CONFIG.*Received: nothing.*for example"):
        replicas.get_strategy("multi_worker")


def test_it_is_too_late_for_several_workers(monkeypatch):
    """TensorFlow has computed before, in this process."""
    description = (
        '{"cluster": {"worker": ["127.0.0.1:2222"]}, "task": {"type": "worker", "index": 0}}'
    )
    monkeypatch.setenv("TF_CONFIG", description)
    tf.constant(1.0)
    with pytest.raises(InputError, match="a process that computed nothing before"):
        replicas.get_strategy("multi_worker")


def test_one_process_is_the_chief(two_replicas):
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        assert replicas.worker_of(strategy) == (0, 1)
        assert replicas.is_chief(strategy)


def test_every_replica_gets_its_part_in_order(two_replicas):
    def make_dataset(worker, replicas_per_worker):
        assert (worker, replicas_per_worker) == ((0, 1), 2)
        return tf.data.Dataset.range(8).batch(2, drop_remainder=True)

    distributed = iter(replicas.distribute(two_replicas, make_dataset))
    for step in range(2):
        first, second = two_replicas.experimental_local_results(next(distributed))
        np.testing.assert_array_equal(first, [4 * step, 4 * step + 1])
        np.testing.assert_array_equal(second, [4 * step + 2, 4 * step + 3])


def test_one_device_gets_the_data_set_itself():
    dataset = tf.data.Dataset.range(3)
    strategy = tf.distribute.get_strategy()
    assert replicas.distribute(strategy, lambda **part: dataset) is dataset


def test_a_batch_that_cannot_be_shared(two_replicas):
    replicas.check_batch_size(4, two_replicas)
    with pytest.raises(InputError, match="multiple of the 2 devices. Received: 5"):
        replicas.check_batch_size(5, two_replicas)
