"""`channels_first` in a user's `keras.json` is not followed: images are channels last here."""

import pathlib
import runpy

import keras
import numpy as np
import pytest

from dmgan_tf.models.efficientnet_lite import EfficientNetLite0
from dmgan_tf.models.inception import InceptionV3


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def test_the_networks_give_the_same(channels_first):
    program = runpy.run_path(str(pathlib.Path(__file__).with_name("backend_program.py")))
    random = np.random.RandomState(0)
    inputs = {
        "token_ids": np.array([[1, 2, 3, 4], [2, 4, 0, 0]], "int32"),
        "class_ids": np.array([0, 1], "int32"),
        "noise": random.normal(size=(2, 5)).astype("float32"),
        "condition_noise": random.normal(size=(2, 3)).astype("float32"),
        "images": random.uniform(-1, 1, (2, 32, 32, 3)).astype("float32"),
    }
    models = program["networks"]()
    outputs = program["run"](models, inputs)
    keras.config.set_image_data_format("channels_last")
    others = program["networks"]()
    for name, model in others.items():
        model.set_weights(models[name].get_weights())
    expected = program["run"](others, inputs)
    for name, value in outputs.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)


def test_the_other_convolutions(channels_first):
    for network, shape in ((InceptionV3(), (1, 75, 75, 3)), (EfficientNetLite0(), (1, 32, 32, 3))):
        network(np.zeros(shape, "float32"))
        first = network.weights[0].shape
        assert first[:3] == (3, 3, 3), first  # of the images' colours, not of their height
