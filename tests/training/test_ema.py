import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_training import values_of

from dmgan_tf.training.ema import ExponentialMovingAverage


def make_network(seed):
    keras.utils.set_random_seed(seed)
    network = keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization()])
    network.build((None, 2))
    return network


def set_random(network, seed):
    random = np.random.default_rng(seed)
    for variable in network.weights:
        variable.assign(random.normal(size=variable.shape))


@pytest.mark.parametrize("warmup", [False, True])
@pytest.mark.parametrize("in_graph", [False, True])
def test_average_is_that_of_the_formula(warmup, in_graph):
    model, averaged = make_network(0), make_network(1)
    average = ExponentialMovingAverage(model, averaged, decay=0.6, warmup=warmup)
    average.copy()
    expected = values_of(model.weights)
    update = tf.function(average.update) if in_graph else average.update
    for step in [0, 1, 2, 50, 1000]:
        set_random(model, step)
        update(tf.constant(step, tf.int64))
        decay = min(0.6, (1 + step) / (10 + step)) if warmup else 0.6
        for index, value in enumerate(values_of(model.weights)):
            expected[index] = decay * expected[index] + (1 - decay) * value
    assert any(not variable.trainable for variable in model.weights)  # statistics of batch norm
    for value, other in zip(expected, values_of(averaged.weights), strict=True):
        np.testing.assert_allclose(other, value, rtol=1e-5, atol=1e-6)


def test_copying_makes_them_equal_and_leaves_two_networks():
    model, averaged = make_network(0), make_network(1)
    ExponentialMovingAverage(model, averaged).copy()
    copied = values_of(averaged.weights)
    for one, other in zip(copied, values_of(model.weights), strict=True):
        np.testing.assert_array_equal(one, other)
    set_random(model, 5)
    for one, other in zip(copied, values_of(averaged.weights), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_bad_step_leaves_the_average_to_the_byte():
    model, averaged = make_network(0), make_network(1)
    average = ExponentialMovingAverage(model, averaged, decay=0.6)
    set_random(model, 1)
    set_random(averaged, 2)
    averaged.weights[0].assign(np.full(averaged.weights[0].shape, -0.0))
    before = [value.tobytes() for value in values_of(averaged.weights)]
    model.weights[0].assign(np.full(model.weights[0].shape, np.nan))
    average.update(tf.constant(0), is_good=tf.constant(False))
    assert [value.tobytes() for value in values_of(averaged.weights)] == before
