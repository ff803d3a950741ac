"""A small network that predicts the attributes of an avatar drawing."""

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import layers, ops

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files import atomic

SIZE = 64  # input size in pixels; larger pictures are scaled down

# Channels, width of the kernel and stride of each convolution.
_CONVOLUTIONS = ((48, 4, 2), (96, 3, 2), (96, 3, 1), (128, 3, 2))
_PLACES = 32  # channels of each position before the final dense layers
_HIDDEN = 256


@dataclasses.dataclass(frozen=True)
class Head:
    """One classifier: the value of an attribute, in drawings of one style.

    Args:
        style: The style; empty for the classifier of the style itself.
        attribute: The attribute.
        values: Its values, in the order of the logits.
    """

    style: str
    attribute: str
    values: tuple[str, ...]


class AttributeReader(keras.Model):
    """A convolutional network with a softmax for each attribute of each style.

    Args:
        heads: Its classifiers.

    Call arguments:
        images: `(batch, height, width, 3)`, RGB in [0, 255], any dtype.

    Returns:
        Logits `(batch, sum of the number of values of all heads)`, head after head.
    """

    def __init__(self, heads: Sequence[Head], **kwargs):
        heads = tuple(heads)
        bounds = np.cumsum([0, *(len(head.values) for head in heads)])
        images = keras.Input((None, None, 3))
        x = ops.image.resize(
            ops.cast(images, "float32"), (SIZE, SIZE), antialias=True, data_format="channels_last"
        )
        x = x * (1 / 127.5) - 1
        for channels, width, stride in _CONVOLUTIONS:
            x = layers.Conv2D(channels, width, stride, padding="same", use_bias=False)(x)
            x = ops.relu(layers.BatchNormalization()(x))
        x = layers.Conv2D(_PLACES, 1, activation="relu")(x)
        x = layers.Dropout(0.2)(layers.Flatten()(x))
        x = layers.Dense(_HIDDEN, activation="relu")(x)
        super().__init__(images, layers.Dense(int(bounds[-1]))(x), **kwargs)
        self.heads = heads
        self.slices = [slice(*pair) for pair in itertools.pairwise(bounds)]

    def save(self, path: str | os.PathLike) -> None:
        """Writes heads and weights, in float16, to one `.npz`."""
        heads = json.dumps([dataclasses.astuple(head) for head in self.heads])
        arrays = {f"w{i:02d}": w.astype("float16") for i, w in enumerate(self.get_weights())}
        with atomic.replacing(pathlib.Path(path)) as temporary, open(temporary, "wb") as file:
            np.savez(file, heads=heads, **arrays)


def load_attribute_reader(path: str | os.PathLike | None = None) -> AttributeReader:
    """Loads a reader.

    Args:
        path: A file of `AttributeReader.save`; None for the one that ships with the package, for
            all styles of `prepare_data --dataset=avatars`.

    Raises:
        InputError: If the file is not such a reader.
    """
    path = pathlib.Path(path or pathlib.Path(__file__).with_name("attribute_reader.npz"))
    try:
        with np.load(path, allow_pickle=False) as arrays:
            heads = [
                Head(style, attribute, tuple(values))
                for style, attribute, values in json.loads(str(arrays["heads"]))
            ]
            weights = [arrays[name] for name in sorted(set(arrays) - {"heads"})]
        reader = AttributeReader(heads)
        reader.set_weights(weights)
    except Exception as error:  # damaged archives raise many exception types
        raise InputError(
            f"Expected an attribute reader at {path}. Received: {first_line(error)}."
        ) from error
    return reader


def heads_of(attributes: Sequence[Mapping[str, str]]) -> list[Head]:
    """Returns the heads for drawings with these attributes.

    Args:
        attributes: The attributes of each drawing by name, `style` among them.
    """
    found = {("", "style"): set()}
    for known in attributes:
        for name, value in known.items():
            key = ("", "style") if name == "style" else (known["style"], name)
            found.setdefault(key, set()).add(value)
    return [Head(*key, tuple(sorted(values))) for key, values in sorted(found.items())]


def answers(heads: Sequence[Head], attributes: Sequence[Mapping[str, str]]) -> np.ndarray:
    """Returns the labels, int `(drawings, heads)`.

    -1 for heads that do not apply: of another style, or of an unknown attribute.

    Raises:
        InputError: If a drawing has a value that no head knows.
    """
    result = np.full((len(attributes), len(heads)), -1)
    for column, head in enumerate(heads):
        indices = {value: index for index, value in enumerate(head.values)}
        for row, known in enumerate(attributes):
            value = known.get(head.attribute)
            if value is None or head.style not in ("", known["style"]):
                continue
            if value not in indices:
                raise InputError(
                    f"Expected {head.attribute} of {head.style or 'drawings'} to be one of "
                    f"{', '.join(head.values)}, which the attribute reader knows. "
                    f"Received: {value!r}."
                )
            result[row, column] = indices[value]
    return result
