"""Loads networks from untrusted configurations and weights."""

import pathlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files.atomic import check_space
from dmgan_tf.models.claimed_size import TooLarge, build_within, check_sizes, count_values
from dmgan_tf.models.discriminator import DiscriminatorBase
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.model_config import weights_name
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.models.weights_file import check_weights_file, halve_weights_file
from dmgan_tf.registry.catalogue import DISCRIMINATORS, IMAGE_BACKBONES, WORD_EMBEDDINGS
from dmgan_tf.registry.lookup import Choice, Registry, options_of, own_config

_HDF5_BYTES_A_WEIGHT = 4096  # the size of names and offsets, with a margin
_PACKAGE = __name__.partition(".")[0]
_LONGEST_REASON = 400  # characters of another library's error that a message repeats
_CLASSES = {
    "text_encoder": TextEncoder,
    "generator": Generator,
    "image_encoder": ImageEncoder,
    "inception": InceptionV3,
}
# The classes by name in a network: the entry that names it, its registry, networks without one.
_CHOSEN: dict[str, tuple[str, Registry, str]] = {
    "text_encoder": ("word_embedding", WORD_EMBEDDINGS, "learned"),
    "image_encoder": ("backbone", IMAGE_BACKBONES, "inception_v3"),
    "discriminators": ("class", DISCRIMINATORS, "dm_gan"),
}


class Together(keras.Model):
    """Several models as one, so that their weights are in one file.

    Args:
        models: Built models.
    """

    def __init__(self, models: Sequence[keras.Model]):
        super().__init__()
        self.models = models
        self.built = True


def save_weights(model: keras.Model, path: pathlib.Path, weights_dtype: str = "float32") -> None:
    """Writes the weights of a network.

    As float16, a file takes half the space, and kernels and embeddings, which are most of it, are
    rounded to 11 bits. Vectors, such as biases and the statistics of batch norm, stay float32, and
    so do arrays that float16 cannot represent to this precision.

    Args:
        model: A built network, or several `Together`.
        path: The file, a `pathlib.Path` that ends in `.weights.h5`; it need not exist.
        weights_dtype: `"float32"` or `"float16"`.

    Raises:
        OSError: If the disk is full.
    """
    values = sum(keras.ops.convert_to_numpy(weight).nbytes for weight in model.weights)
    check_space(path.parent, values + _HDF5_BYTES_A_WEIGHT * (len(model.weights) + 4))
    model.save_weights(path)
    if weights_dtype == "float16":
        whole = path.rename(path.with_name(f"whole-{path.name}"))
        check_space(path.parent, values + _HDF5_BYTES_A_WEIGHT * (len(model.weights) + 4))
        halve_weights_file(whole, path)
        whole.unlink()


def describe(network: keras.Model) -> dict:
    """Returns a network's entry of `config.json`, from which `load_networks` builds it."""
    config, name = own_config(network), DISCRIMINATORS.name_of(type(network))
    is_chosen = isinstance(network, DiscriminatorBase) and name != _CHOSEN["discriminators"][2]
    return {"class": name, **config} if is_chosen else config  # the default is omitted


def load_networks(
    directory: pathlib.Path, name: str, configs: Sequence[Mapping], dtype: str | None = None
) -> list[keras.Model]:
    """Builds the networks of one weights file, and reads their weights.

    The sizes in a configuration are compared with the file before memory is allocated, and the file
    with the networks: Keras would silently ignore layers that they lack.

    Args:
        directory: A model directory.
        name: The name of the weights there, such as `"generator"`.
        configs: The result of `describe` for each.
        dtype: Keras dtype policy; float32 if `None`.

    Returns:
        A list of built networks with their weights.

    Raises:
        InputError: If there is no such file, if it is damaged or has other weights than the
            configurations describe, or values that are not finite; or if they name an unknown
            class, or code of a module that is not allowed.
    """
    path = directory / weights_name(name)
    if not path.is_file():
        raise InputError(
            f"Expected the weights of the {name} at {path}; there is no such file. "
            "Copy the whole model directory."
        )
    try:
        num_arrays, num_values = check_weights_file(path)
    except InputError as error:
        raise _other_weights(path, name, error) from error
    models = []
    for config in configs:
        models.append(_build(directory, name, config, num_arrays, num_values, dtype))
        num_values -= count_values(models[-1])
    _load_weights(Together(models) if name == "discriminators" else models[0], path, name)
    return models


def _build(directory, name, config, num_arrays, num_values, dtype):
    """A built network, of no more layers and weights than there are arrays and values."""
    if not isinstance(config, dict):
        config = {"": config}  # no argument of any network
    found = _CLASSES.get(name)
    chosen = _chosen_class(directory, name, config) if name in _CHOSEN else found
    found = found or chosen

    def make():
        options = dict(config)
        if name not in _CLASSES:
            options.pop("class", None)
        unknown = [option for option in options if option not in options_of(found)]
        if unknown:
            raise InputError(f"an unknown option {unknown[0][:40]!r}")
        return found(**options, dtype=dtype or "float32")

    try:
        check_sizes(config, num_arrays)
        if chosen.__module__.partition(".")[0] == _PACKAGE:
            return build_within(make, num_values)
        model = make()  # a module that the user allowed may raise anything
        model.build()
        return model
    except TooLarge as error:
        raise _other_weights(directory / weights_name(name), name, error) from error
    except Exception as error:  # Keras and its backends raise many exception types
        raise InputError(
            f"{directory / 'config.json'} does not describe a {found.__name__} that this "
            f"version of dmgan_tf supports ({_reason(error)}). Update dmgan_tf, or copy the whole "
            "model directory again."
        ) from error


def _chosen_class(directory, name, config):
    """The class that a configuration names for a selectable part of a network."""
    entry, registry, default = _CHOSEN[name]
    try:
        return registry.find(Choice.of(config.get(entry, default)).name)
    except InputError as error:
        raise InputError(f"{directory / 'config.json'} cannot be used. {error}") from error


def _load_weights(model, path, name):
    try:
        check_weights_file(path, len(model.weights), count_values(model))
        model.load_weights(path)
    except Exception as error:  # damaged files raise many exception types
        raise _other_weights(path, name, error) from error
    for variable in model.weights:
        if not np.all(np.isfinite(keras.ops.convert_to_numpy(variable))):
            raise InputError(
                f"{path} contains values that are not finite (in {variable.path}). "
                "Use an earlier checkpoint."
            )


def _other_weights(path, name, problem) -> InputError:
    return InputError(
        f"{path} does not contain the weights of the {name} that config.json describes "
        f"({_reason(problem)}). Copy the whole model directory again."
    )


def _reason(problem) -> str:
    text = first_line(problem) if isinstance(problem, BaseException) else problem
    return text[:_LONGEST_REASON].removesuffix(".")
