"""Finds the backend of Keras before Keras is imported."""

import importlib.util
import json
import os
import pathlib
import sys

from dmgan_tf.errors import InputError

_BACKENDS = ("tensorflow", "jax", "torch", "numpy", "openvino")


def backend_name() -> str:
    """Returns the backend that Keras has, or will have once it is imported."""
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    return os.environ.get("KERAS_BACKEND") or _configured()


def check_tensorflow(purpose: str) -> None:
    """Raises an error unless Keras runs on TensorFlow.

    Args:
        purpose: What needs it, for the message: `an export`.
    """
    name = backend_name()
    if name != "tensorflow":
        raise InputError(
            f"Expected Keras on TensorFlow for {purpose}. Received: {name}. Set "
            "KERAS_BACKEND=tensorflow; it reads the same models."
        )


def check_installed() -> None:
    """Raises an error if the configured backend of Keras is not installed."""
    name = backend_name()
    if name not in _BACKENDS or importlib.util.find_spec(name) is None:
        raise InputError(
            f"Expected a backend of Keras that is installed, by KERAS_BACKEND or keras.json. "
            f"Received: {name}. Set KERAS_BACKEND=tensorflow."
        )


def _configured():
    """The content of `keras.json`, where Keras looks for it."""
    directory = os.environ.get("KERAS_HOME")
    if directory is None:
        home = os.path.expanduser("~")
        directory = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    try:
        text = pathlib.Path(directory, "keras.json").expanduser().read_text(encoding="utf-8")
        return json.loads(text)["backend"]
    except (OSError, ValueError, LookupError, TypeError):
        return "tensorflow"  # as Keras has it
