"""Orthogonal initial weights, and building without them."""

import threading

import keras
import numpy as np
import pytest

from dmgan_tf.layers.initialization import Orthogonal, without_initial_values
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator

NETWORKS = {
    "generator": lambda: Generator(channels=4, base_size=16, num_stages=2, word_dim=6),
    "attention generator": lambda: Generator(
        channels=4, base_size=16, num_stages=2, word_dim=6, refinement="attention"
    ),
    "discriminator": lambda: Discriminator(64, channels=2, sentence_dim=6),
}


def kernels(network):
    return [variable for variable in network.trainable_weights if len(variable.shape) > 1]


def draw(initializer=None):
    return np.asarray((initializer or Orthogonal())((3, 3, 2, 5)))


def test_values_are_orthogonal():
    matrix = draw().reshape(-1, 5)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(5), atol=1e-6)


def test_values_are_those_of_keras():
    np.testing.assert_array_equal(
        draw(Orthogonal(gain=2.0, seed=3)), draw(keras.initializers.Orthogonal(gain=2.0, seed=3))
    )


def test_a_configuration_brings_it_back():
    config = keras.saving.serialize_keras_object(Orthogonal(gain=2.0, seed=3))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is Orthogonal
    np.testing.assert_array_equal(draw(copy), draw(Orthogonal(gain=2.0, seed=3)))


def test_zeros_inside_only_even_after_an_error():
    with pytest.raises(KeyError), without_initial_values():
        with without_initial_values():
            assert np.all(draw() == 0)
        assert np.all(draw() == 0)
        raise KeyError
    assert np.any(draw() != 0)


def test_another_thread_still_draws():
    drawn = []
    with without_initial_values():
        thread = threading.Thread(target=lambda: drawn.append(draw()))
        thread.start()
        thread.join()
    assert np.any(drawn[0] != 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kernel_of_a_network_is_its_own_and_can_be_left_out(name):
    network = NETWORKS[name]()
    network.build()
    drawn = [kernel.numpy().tobytes() for kernel in kernels(network)]
    assert len(set(drawn)) == len(drawn)  # no two layers share a seed
    with without_initial_values():
        network = NETWORKS[name]()
        network.build()
    assert [kernel.path for kernel in kernels(network) if np.any(kernel.numpy() != 0)] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_loaded_weights_take_the_place_of_the_zeros(name, tmp_path):
    trained = NETWORKS[name]()
    trained.build()
    trained.save_weights(tmp_path / "network.weights.h5")
    network = NETWORKS[name]()
    with without_initial_values():
        network.build()
    network.load_weights(tmp_path / "network.weights.h5")
    for a, b in zip(network.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
