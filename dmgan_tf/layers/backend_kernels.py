"""Chooses the operations of the backend that Keras runs on."""

from types import ModuleType

import keras


def backend_kernels() -> ModuleType | None:
    """Returns `layers.tensorflow_kernels`, or None where Keras runs on another backend."""
    if keras.backend.backend() != "tensorflow":
        return None
    from dmgan_tf.layers import tensorflow_kernels

    return tensorflow_kernels
