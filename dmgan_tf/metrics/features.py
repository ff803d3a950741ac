"""Networks whose features images are compared by, with all that a picture meets before them."""

import hashlib
import importlib.util
import os
import pathlib
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.layers.resize import resize
from dmgan_tf.metrics.protocols import PROTOCOLS, Protocol
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0
from dmgan_tf.models.inception import InceptionV3

__all__ = [
    "PROTOCOLS",
    "FeatureNetwork",
    "inception_features",
    "lite0_features",
    "load_features",
    "weights_sha256",
]

_PROBE_SIZE = 256  # pixels of the two grey images that a module is tried with
_WHERE_TO_GET = {
    "fid_2015": "pt_inception-2015-12-05-6726825d.pth of pytorch-fid",
    "torchvision": "inception_v3_google-0cc3c7bd.pth of torchvision",
    "keras_applications": "the directory of StackGAN's checkpoint, birds_valid299",
}


class FeatureNetwork:
    """A network of features behind a fixed preparation of images.

    Made by `inception_features`, `lite0_features` and `load_features`.

    Args:
        name: The protocol's, or a file's.
        description: Network; resize; quantisation. One line, for the report.
        metrics: Those that its outputs serve, among `"fid"`, `"is"` and `"kid"`.
        dim: How many features an image has.
        function: What a call does.
        network: The Keras model, or None.
        sha256: Of the network's weights, or of the module that computes the features.
        in_graph: Whether a call may be traced; one of a user's Python module may not.

    Call arguments:
        images: uint8 (B,H,W,3), of any height and width that are known.

    Returns:
        A dict: `"features"` float32 (B,dim) and, if there is an Inception Score, `"logits"`
        float32 (B,classes). NumPy arrays where `in_graph` is False.
    """

    def __init__(
        self,
        *,
        name: str,
        description: str,
        metrics: tuple[str, ...],
        dim: int,
        function: Callable,
        network: keras.Model | None,
        sha256: str,
        in_graph: bool = True,
    ):
        self.name = name
        self.description = description
        self.metrics = metrics
        self.dim = dim
        self.network = network
        self.sha256 = sha256
        self.in_graph = in_graph
        self._function = function

    def __call__(self, images):
        return self._function(images)


def weights_sha256(*models: keras.Model) -> str:
    """A hash of the weights of built models: equal weights, equal hash.

    Args:
        models: In an order that matters. Names of variables do not.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for model in models:
        for variable in model.weights:
            value = np.ascontiguousarray(ops.convert_to_numpy(ops.cast(variable, "float32")))
            digest.update(f"{value.shape}".encode())
            digest.update(value.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def inception_features(protocol: str, inception: InceptionV3) -> FeatureNetwork:
    """The features and logits that a protocol defines by Inception-v3.

    Args:
        protocol: Its name in `PROTOCOLS`.
        inception: Built, with the published weights that the protocol asks for.

    Returns:
        A `FeatureNetwork`.

    Raises:
        InputError: If the network is not the protocol's.
    """
    names = [name for name, item in PROTOCOLS.items() if item.variant in _WHERE_TO_GET]
    if protocol not in names:
        raise InputError(
            f"Expected a protocol of Inception-v3: {', '.join(names)}. Received: {protocol!r}."
        )
    chosen = PROTOCOLS[protocol]
    advice = (
        "Convert the right one: python -m dmgan_tf.convert --inception=SOURCE --output=DIR, with "
        f"{_WHERE_TO_GET[chosen.variant]} for SOURCE."
    )
    if inception.variant != chosen.variant:
        raise InputError(
            f"Expected the {chosen.variant} Inception for protocol {protocol}. Received: "
            f"{inception.variant}. {advice}"
        )
    if chosen.num_classes not in (None, inception.num_classes):
        raise InputError(
            f"Expected a classifier of {chosen.num_classes} classes for protocol {protocol}. "
            f"Received: {inception.num_classes or 'none'}. {advice}"
        )
    return _protocol_features(chosen, inception, dim=2048)


def lite0_features(network: EfficientNetLite0) -> FeatureNetwork:
    """The features of protocol `lite0`, whose distances compare with no published FID.

    Args:
        network: With ImageNet's weights, as `load_efficientnet_lite0` gives it.

    Returns:
        A `FeatureNetwork`.
    """
    return _protocol_features(PROTOCOLS["lite0"], network, dim=1280)


def _protocol_features(protocol: Protocol, network, dim):
    def function(images):
        outputs = network(protocol.preprocess(images), training=False)
        result = {"features": ops.cast(outputs["pooled"], "float32")}
        if protocol.class_logits is not None:
            logits = ops.cast(outputs["logits"], "float32")
            result["logits"] = protocol.class_logits(logits, network.fc)
        return result

    return FeatureNetwork(
        name=protocol.name,
        description=protocol.description,
        metrics=protocol.metrics,
        dim=dim,
        function=function,
        network=network,
        sha256=weights_sha256(network),
    )


def load_features(path: str | os.PathLike) -> FeatureNetwork:
    """Loads a network of the user's own, for data that no Inception knows.

    Args:
        path: One of these:

            - a `.keras` model. It gets float32 RGB from 0 to 255, so its own preparation of pixels
              belongs inside it; resized with antialiased bilinear sampling if its input has a fixed
              height and width, else as the images are. It returns features (B,D), or a dict with
              `"features"` and, for an Inception Score, `"logits"` (B,classes).
            - a `.py` module with a function `features(images)`, which gets uint8 NumPy arrays
              (B,H,W,3) and returns the same as arrays. It is tried once with two grey images of 256
              pixels. The module runs as any Python does: only load your own.

    Returns:
        A `FeatureNetwork`; a module's has `in_graph` False and no `network`.

    Raises:
        InputError: If there is no such file, it cannot be loaded, or its outputs are no features.
    """
    path = pathlib.Path(path)
    loader = {".keras": _load_keras_features, ".py": _load_module_features}.get(path.suffix)
    if loader is None or not path.is_file():
        found = "no file" if not path.exists() else "something else"
        raise InputError(
            f"Expected a .keras model or a .py module with features(images) at {path}. Received: "
            f"{found}."
        )
    return loader(path)


def _load_keras_features(path):
    try:
        network = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises many kinds
        raise InputError(
            f"Expected a model that Keras can load in {path}. Received: {first_line(error)}"
        ) from error
    size = _input_size(path, network)

    def function(images):
        images = ops.cast(images, "float32")
        if size is not None:
            images = resize(images, size, antialias=True)
        return {
            name: ops.cast(value, "float32")
            for name, value in _named(network(images, training=False)).items()
        }

    try:
        shape = (None, size, size, 3)
        outputs = _named(network.compute_output_spec(keras.KerasTensor(shape, "float32")))
    except Exception as error:  # whatever a model's own code raises
        raise InputError(
            f"Expected {path} to take images of shape {shape}. Received: {first_line(error)}"
        ) from error
    _check_outputs(path, {name: tuple(value.shape) for name, value in outputs.items()}, None)
    prepared = "as the images are" if size is None else f"antialiased bilinear resize to {size} px"
    return FeatureNetwork(
        name=path.name,
        description=f"{path.name}, a Keras model; {prepared}; not rounded after the resize",
        metrics=_metrics(outputs),
        dim=outputs["features"].shape[1],
        function=function,
        network=network,
        sha256=weights_sha256(network),
    )


def _input_size(path, network):
    """Height and width that a model's one input is fixed to; None if it takes any."""
    shape = getattr(network, "input_shape", (None, None, None, 3))  # a class of one's own has none
    is_image = isinstance(shape, tuple) and len(shape) == 4 and shape[3] in (3, None)
    if not is_image or shape[1] != shape[2]:
        raise InputError(
            f"Expected {path} to have one input of square RGB images, (B,S,S,3). Received: {shape}."
        )
    return shape[1]


def _load_module_features(path):
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
            outputs = {
                name: np.asarray(value, "float32")
                for name, value in _named(compute(images)).items()
            }
        except (Exception, SystemExit) as error:
            raise InputError(
                f"Expected features(images) of {path} to take uint8 images {images.shape}. "
                f"Received: {type(error).__name__}: {first_line(error)}"
            ) from error
        _check_outputs(path, {name: value.shape for name, value in outputs.items()}, len(images))
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
        description=f"{path.name}, a Python module; uint8 images as they are",
        metrics=_metrics(outputs),
        dim=outputs["features"].shape[1],
        function=function,
        network=None,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        in_graph=False,
    )


def _named(outputs):
    """Outputs as a dict, without those that are neither features nor logits."""
    if not isinstance(outputs, dict):
        outputs = {"features": outputs}
    return {name: outputs[name] for name in ("features", "logits") if name in outputs}


def _metrics(outputs):
    return ("fid", "is", "kid") if "logits" in outputs else ("fid", "kid")


def _check_outputs(path, shapes, batch_size):
    """Raises an error unless every output is a row of numbers for each image."""
    if "features" not in shapes:
        raise InputError(
            f"Expected features (B,D) from {path}, or a dict with 'features'. Received: a dict "
            "without it."
        )
    for name, shape in shapes.items():
        if len(shape) != 2 or shape[0] != batch_size or not shape[1]:
            expected = "(B,D)" if batch_size is None else f"({batch_size},D)"
            raise InputError(
                f"Expected {name} {expected} from {path}, one row for each image. Received: shape "
                f"{shape}. Pool what has more axes."
            )
