"""A custom feature network, for data unlike Inception's training data."""

import hashlib
import importlib.util
import os
import pathlib

import keras
import numpy as np
from keras import ops

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.evaluate.features import FeatureNetwork, weights_sha256
from dmgan_tf.layers.resize import resize

_PROBE_SIZE = 256  # pixels of the two grey images that a module is tried with


def load_features(path: str | os.PathLike) -> FeatureNetwork:
    """Loads a custom feature network.

    Args:
        path: One of these:

            - a `.keras` model. It gets float32 RGB from 0 to 255, so it must do its own
              preprocessing; images are resized with antialiased bilinear sampling if its input has
              a fixed height and width, else not. It returns features `(batch, dim)`, or a dict with
              `"features"` and, for an Inception Score, `"logits"` `(batch, classes)`.
            - a `.py` module with a function `features(images)`, which gets uint8 NumPy arrays
              `(batch, height, width, 3)` and returns the same as arrays. It is tried once with two
              grey images of 256 pixels. The module's code is run: load only code that you trust.

    Returns:
        A `FeatureNetwork`; a module's has `in_graph` False.

    Raises:
        InputError: If there is no such file, it cannot be loaded, or its outputs are not features.
    """
    path = pathlib.Path(path)
    loader = {".keras": _load_model, ".py": _load_module}.get(path.suffix)
    if loader is None or not path.is_file():
        found = "no file" if not path.exists() else "something else"
        raise InputError(
            f"Expected a .keras model or a .py module with features(images) at {path}. Received: "
            f"{found}."
        )
    return loader(path)


def _load_model(path):
    try:
        network = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises many exception types
        raise InputError(
            f"Expected a model that Keras can load in {path}. Received: {first_line(error)}"
        ) from error
    size = _input_size(path, network)

    def function(images):
        images = ops.cast(images, "float32")
        if size is not None:
            images = resize(images, size, antialias=True)
        outputs = _named(network(images, training=False))
        return {name: ops.cast(value, "float32") for name, value in outputs.items()}

    shape = (None, size, size, 3)
    try:
        outputs = _named(network.compute_output_spec(keras.KerasTensor(shape, "float32")))
    except Exception as error:  # whatever a model's own code raises
        raise InputError(
            f"Expected {path} to take images of shape {shape}. Received: {first_line(error)}"
        ) from error
    _check_outputs(path, outputs, None)
    prepared = "as the images are" if size is None else f"antialiased bilinear resize to {size} px"
    return FeatureNetwork(
        name=path.name,
        function=function,
        sha256=weights_sha256(network),
        dim=outputs["features"].shape[1],
        metrics=_metrics(outputs),
        description=f"{path.name}, a Keras model; {prepared}; not rounded after the resize",
    )


def _input_size(path, network):
    """The fixed height and width of a model's one input; None if it takes any."""
    shape = getattr(network, "input_shape", (None, None, None, 3))  # a custom class has none
    is_image = isinstance(shape, tuple) and len(shape) == 4 and shape[3] in (3, None)
    if not is_image or shape[1] != shape[2]:
        raise InputError(
            f"Expected {path} to have one input of square RGB images, (batch, size, size, 3). "
            f"Received: {shape}."
        )
    return shape[1]


def _load_module(path):
    spec = importlib.util.spec_from_file_location(f"features_of_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise InputError(
            f"Expected {path} to run as a Python module. Received: {type(error).__name__}: "
            f"{first_line(error)}"
        ) from error
    compute = getattr(module, "features", None)
    if not callable(compute):
        raise InputError(
            f"Expected a function features(images) in {path}. Received: a module without it."
        )

    def computed(images):
        images = np.array(images)  # a copy, which the module may change
        try:
            outputs = _named(compute(images))
            outputs = {name: np.asarray(value, "float32") for name, value in outputs.items()}
        except (Exception, SystemExit) as error:
            raise InputError(
                f"Expected features(images) of {path} to take uint8 images {images.shape}. "
                f"Received: {type(error).__name__}: {first_line(error)}"
            ) from error
        _check_outputs(path, outputs, len(images))
        return outputs

    outputs = computed(np.full((2, _PROBE_SIZE, _PROBE_SIZE, 3), 128, "uint8"))

    def function(images):
        found = computed(images)
        if found.keys() != outputs.keys():
            raise InputError(
                f"Expected {' and '.join(outputs)} from {path} for all images. Received: "
                f"{' and '.join(found)} for images {images.shape}. Return the same for all."
            )
        return found

    return FeatureNetwork(
        name=path.name,
        function=function,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        dim=outputs["features"].shape[1],
        metrics=_metrics(outputs),
        description=f"{path.name}, a Python module; uint8 images as they are",
        in_graph=False,
    )


def _named(outputs):
    """Outputs as a dict, without those that are neither features nor logits."""
    if not isinstance(outputs, dict):
        outputs = {"features": outputs}
    return {name: outputs[name] for name in ("features", "logits") if name in outputs}


def _metrics(outputs):
    return ("fid", "is", "kid") if "logits" in outputs else ("fid", "kid")


def _check_outputs(path, outputs, batch_size):
    """Raises an error unless every output is a row of numbers for each image."""
    if "features" not in outputs:
        raise InputError(
            f"Expected features (batch, dim) from {path}, or a dict with 'features'. Received: a "
            "dict without it."
        )
    for name, value in outputs.items():
        shape = tuple(value.shape)
        if len(shape) != 2 or shape[0] != batch_size or not shape[1]:
            expected = "(batch, dim)" if batch_size is None else f"({batch_size}, dim)"
            raise InputError(
                f"Expected {name} {expected} from {path}, one row for each image. Received: shape "
                f"{shape}. Pool what has more axes."
            )
