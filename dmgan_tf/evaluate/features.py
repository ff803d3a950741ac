"""The interface of feature networks, and the hash that identifies their weights."""

import dataclasses
import hashlib
from collections.abc import Callable

import keras
import numpy as np
from keras import ops


@dataclasses.dataclass(frozen=True)
class FeatureNetwork:
    """A feature network with a fixed preprocessing of images.

    Args:
        name: That of the protocol, the file or the judge.
        function: Preprocessing and network.
        sha256: Of the network's weights, or of the module that computes the features.
        dim: How many features an image has.
        metrics: Those that its outputs serve, among `"fid"`, `"is"` and `"kid"`.
        description: Network; resize; quantisation. One line, for the report.
        in_graph: Whether a call may be traced; a user's Python module may not.

    Call arguments:
        images: uint8 `(batch, height, width, 3)`, of any height and width that are known.

    Returns:
        A dict: `"features"` float32 `(batch, dim)` and, if there is an Inception Score, `"logits"`
        float32 `(batch, classes)`. NumPy arrays where `in_graph` is False.
    """

    name: str
    function: Callable
    sha256: str
    dim: int | None = None
    metrics: tuple[str, ...] = ()
    description: str = ""
    in_graph: bool = True

    def __call__(self, images: np.ndarray) -> dict:
        return self.function(images)


def weights_sha256(*models: keras.Model) -> str:
    """Returns a hash of the weights of built models: equal weights, equal hash.

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
