import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.training import distribution


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
    results = on_two(two_replicas, distribution.gather, [[1.0, 2.0], [3.0, 4.0]])
    for result in results:
        np.testing.assert_array_equal(result, [1.0, 2.0, 3.0, 4.0])


def test_gradient_of_gather_sums_over_the_replicas(two_replicas):
    """Each replica weighs the gathered rows by its own numbers; a row's gradient is their sum."""

    def gradient(values, weights):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(distribution.gather(values) ** 2 * weights)
        return tape.gradient(loss, values)

    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    weights = np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]])
    results = on_two(two_replicas, gradient, values, weights)
    expected = 2 * values.reshape(-1) * weights.sum(axis=0)
    np.testing.assert_allclose(np.concatenate(results), expected)


def test_replica_rows_are_contiguous(two_replicas):
    drawn = tf.range(8)
    results = on_two(two_replicas, lambda _: distribution.replica_rows(drawn), [0.0, 0.0])
    np.testing.assert_array_equal(results, [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_shares_of_the_mean_sum_to_it(two_replicas):
    results = on_two(
        two_replicas, lambda x: distribution.global_batch_mean(x, 4), [[1.0, 2.0], [3.0, 6.0]]
    )
    assert sum(results) == 3.0


def test_one_overflow_is_seen_everywhere(two_replicas):
    def check(gradient):
        return distribution.finite_everywhere([gradient, None, tf.ones(2)])

    for gradients in on_two(two_replicas, check, [[1.0], [np.inf]]):
        assert np.all(np.isnan(gradients[0])) and np.all(np.isnan(gradients[2]))
        assert gradients[1] == np.array(None)


def test_finite_gradients_are_left_alone(two_replicas):
    def check(gradient):
        return distribution.finite_everywhere([gradient])

    np.testing.assert_array_equal(on_two(two_replicas, check, [[1.0], [2.0]]), [[[1.0]], [[2.0]]])


def test_the_norm_is_that_of_the_sum(two_replicas):
    def clip(gradient):
        return distribution.clip_by_global_norm([gradient], 1.0)[0]

    results = on_two(two_replicas, clip, [[3.0, -5.0], [0.0, 9.0]])
    np.testing.assert_allclose(sum(results), [0.6, 0.8], rtol=1e-6)


def test_loss_scale_is_taken_out_of_the_norm():
    clipped = distribution.clip_by_global_norm([tf.constant([300.0, 400.0]), None], 2.5, scale=100)
    np.testing.assert_allclose(clipped[0], [150.0, 200.0], rtol=1e-6)
    assert clipped[1] is None
    small = distribution.clip_by_global_norm([tf.constant([3.0, 4.0])], 10.0)
    np.testing.assert_array_equal(small[0], [3.0, 4.0])


def test_on_one_device_nothing_is_exchanged():
    x = tf.constant([1.0, np.inf])
    assert distribution.gather(x) is x
    assert distribution.replica_rows(x) is x
    assert distribution.finite_everywhere([x])[0] is x
    assert distribution.num_replicas() == 1
    assert distribution.replica_index() == 0


def test_strategies_by_name():
    assert distribution.get_strategy("default").num_replicas_in_sync == 1
    mirrored = distribution.get_strategy("mirrored", ["CPU:0", "CPU:1"])
    assert mirrored.num_replicas_in_sync == 2
    with pytest.raises(InputError, match="Received: 'tpu'"):
        distribution.get_strategy("tpu")
