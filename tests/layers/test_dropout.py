import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers.dropout import Dropout


def on_replicas(strategy, layer, inputs):
    """What the layer gives in training for a batch that the replicas share."""
    rows = len(inputs) // strategy.num_replicas_in_sync

    @tf.function(autograph=False)
    def run():
        shares = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                inputs[context.replica_id_in_sync_group * rows :][:rows], tf.float32
            )
        )
        outputs = strategy.run(lambda x: layer(x, training=True), args=(shares,))
        return strategy.experimental_local_results(outputs)

    return np.concatenate([np.asarray(output) for output in run()])


def test_replicas_drop_what_one_device_drops(two_replicas):
    inputs = np.random.default_rng(0).normal(size=(6, 5, 4))
    alone = Dropout(0.5, seed=3)
    with two_replicas.scope():
        shared = Dropout(0.5, seed=3)
    for _ in range(2):  # of which each drops something else
        expected = on_replicas(tf.distribute.get_strategy(), alone, inputs)
        np.testing.assert_allclose(on_replicas(two_replicas, shared, inputs), expected, rtol=1e-6)
    assert 0.2 < np.mean(expected == 0) < 0.8
    assert np.any(expected[:3] != 0) and np.any((expected[:3] == 0) != (expected[3:] == 0))


def test_on_one_device_it_is_that_of_keras():
    inputs = tf.random.stateless_normal((4, 3), seed=(1, 2))
    ours, theirs = Dropout(0.3, seed=5), keras.layers.Dropout(0.3, seed=5)
    for _ in range(2):
        np.testing.assert_array_equal(ours(inputs, training=True), theirs(inputs, training=True))
    np.testing.assert_array_equal(ours(inputs), inputs)


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_configuration(rate):
    layer = Dropout(rate, seed=2, name="dropout")
    again = Dropout.from_config(layer.get_config())
    assert again.get_config() == layer.get_config() and again.rate == rate
