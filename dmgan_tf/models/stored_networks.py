"""Networks from their configuration and their weights, neither of which is taken on trust."""

import inspect
import math

import keras
import numpy as np

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files.atomic import check_space
from dmgan_tf.layers.initialization import without_initial_values
from dmgan_tf.models.claimed_size import least_values
from dmgan_tf.models.model_config import weights_name
from dmgan_tf.models.weights_file import check_weights_file, halve_weights_file

_HDF5_BYTES_A_WEIGHT = 4096  # more than it takes for names and places
_LONGEST_REASON = 400  # characters of another library's error that a message repeats


class Together(keras.Model):
    """Several models as one, so that their weights share a file.

    Args:
        models: Built models.
    """

    def __init__(self, models):
        super().__init__()
        self.models = models
        self.built = True


def save_weights(model, path, weights_dtype="float32"):
    """Writes the weights of a network.

    As float16, a file takes half the space, and what was trained in float32 comes back rounded to
    11 bits: kernels and embeddings, the bulk of it, that is. Vectors, such as biases and the
    statistics of batch norm, stay as they are, and so does what float16 cannot hold so exactly.

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


def load_networks(directory, name, model_class, configs, dtype=None):
    """Builds the networks of one weights file, and reads their weights.

    The sizes in a configuration are held against the file before memory is taken for them, and the
    file against the networks: layers that they lack, Keras would pass over without a word.

    Args:
        directory: A model directory.
        name: What the weights are called there, such as `"generator"`.
        model_class: The class of the networks.
        configs: The arguments of each, as JSON gives them.
        dtype: Keras dtype policy; float32 if `None`.

    Returns:
        A list of built networks with their weights.

    Raises:
        InputError: If there is no such file, if it is damaged or holds other weights than the
            configurations describe, or values that are not finite.
    """
    path = directory / weights_name(name)
    if not path.is_file():
        raise InputError(
            f"Expected the weights of the {name} at {path}; there is no such file. "
            "Copy the whole model directory."
        )
    try:
        left = check_weights_file(path)
    except InputError as error:
        raise _other_weights(path, name, error) from error
    models = []
    for config in configs:
        model, least = _build(directory, model_class, config, left, dtype)
        left -= least
        if model is None:
            raise _other_weights(path, name, "it has too few values")
        models.append(model)
    if name == "discriminators":
        _load_weights(Together(models), path, name)
    else:
        _load_weights(models[0], path, name)
    return models


def _build(directory, model_class, config, num_values, dtype):
    """A built network, and the values it takes at least; no network if there are fewer."""
    try:
        if not isinstance(config, dict):
            raise InputError(f"a {type(config).__name__} is no configuration")
        _check_options(model_class, config)
        least = least_values(model_class.__name__, config)
        if least > num_values:
            return None, least
        model = model_class(**config, dtype=dtype or "float32")
        with without_initial_values():  # they would be replaced at once
            model.build()
    except Exception as error:  # Keras and its backends raise many kinds
        raise InputError(
            f"{directory / 'config.json'} does not describe a {model_class.__name__} that this "
            f"version of dmgan_tf knows ({_reason(error)}). Update dmgan_tf, or copy the whole "
            "model directory again."
        ) from error
    return model, least


def _check_options(model_class, config):
    """Lets the constructor's own arguments pass only.

    What else Keras takes is not for a file to give: `inputs` and `outputs` would change the class
    itself, for the rest of the process, into one that cannot be built.
    """
    parameters = inspect.signature(model_class.__init__).parameters.values()
    known = {item.name for item in parameters if item.kind is item.POSITIONAL_OR_KEYWORD}
    unknown = [name for name in config if name not in known or name == "self"]
    if unknown:
        raise InputError(f"an unknown option {unknown[0][:40]!r}")


def _load_weights(model, path, name):
    num_values = sum(math.prod(weight.shape) for weight in model.weights)
    try:
        check_weights_file(path, len(model.weights), num_values)
        model.load_weights(path)
    except Exception as error:  # of damaged files there are many kinds
        raise _other_weights(path, name, error) from error
    for variable in model.weights:
        if not np.all(np.isfinite(keras.ops.convert_to_numpy(variable))):
            raise InputError(
                f"{path} holds values that are not finite (in {variable.path}). "
                "Take an earlier checkpoint."
            )


def _other_weights(path, name, problem) -> InputError:
    return InputError(
        f"{path} does not hold the weights of the {name} that config.json describes "
        f"({_reason(problem)}). Copy the whole model directory again."
    )


def _reason(problem) -> str:
    text = first_line(problem) if isinstance(problem, BaseException) else problem
    return text[:_LONGEST_REASON].removesuffix(".")
