"""StackGAN's fine-tuned Inception: a TensorFlow 1 checkpoint, and the names it gives its variables.

The network is TensorFlow-Slim's first Inception-v3, the one of `inception/slim/inception_model.py`
in TensorFlow's old models repository. Its layers have other names than those of the later
`inception_v3.ckpt`, and batch normalisation without a learned scale.
"""

import collections
import dataclasses
import glob
import math
import os
import pathlib
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from dmgan_tf.convert.release_layout import as_is, load
from dmgan_tf.convert.state_dict import NetworkKind, StateDict
from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files.folder_listing import leftover_kind
from dmgan_tf.models.inception import InceptionV3

_STEM = {
    "Conv2d_1a_3x3": "conv0",
    "Conv2d_2a_3x3": "conv1",
    "Conv2d_2b_3x3": "conv2",
    "Conv2d_3b_1x1": "conv3",
    "Conv2d_4a_3x3": "conv4",
}
_BLOCKS = {
    "Mixed_5b": "mixed_35x35x256a",
    "Mixed_5c": "mixed_35x35x288a",
    "Mixed_5d": "mixed_35x35x288b",
    "Mixed_6a": "mixed_17x17x768a",
    "Mixed_6b": "mixed_17x17x768b",
    "Mixed_6c": "mixed_17x17x768c",
    "Mixed_6d": "mixed_17x17x768d",
    "Mixed_6e": "mixed_17x17x768e",
    "Mixed_7a": "mixed_17x17x1280a",  # so named there, although it is 8 x 8
    "Mixed_7b": "mixed_8x8x2048a",
    "Mixed_7c": "mixed_8x8x2048b",
}
_CLASSIFIER = "logits/logits"
_KIND = NetworkKind("StackGAN's Inception", f"{_CLASSIFIER}/weights")
_AVERAGE = "/ExponentialMovingAverage"
_PART_OF_CHECKPOINT = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_TABLE_END = bytes.fromhex("57fb808b247547db")  # of TensorFlow's and LevelDB's sorted tables
_UNREADABLE = (tf.errors.OpError, ValueError, IndexError, RuntimeError)


@dataclasses.dataclass(frozen=True)
class _CheckpointTensor:
    """One variable of a checkpoint, not read yet; to a `StateDict`, a stored tensor."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


def find_checkpoint(source: str | os.PathLike) -> pathlib.Path | None:
    """Returns the prefix of the checkpoint's files that `source` stands for, or None.

    Args:
        source: A prefix such as `model.ckpt`, one of the files `model.ckpt.index`,
            `model.ckpt.meta` or `model.ckpt.data-00000-of-00001`, a checkpoint of one file, or a
            directory with one checkpoint.

    Raises:
        InputError: If the directory holds several checkpoints.
    """
    source = pathlib.Path(source)
    if source.is_dir():
        return _only_checkpoint(source)
    prefix = source.parent / _PART_OF_CHECKPOINT.sub("", source.name)
    if prefix != source or pathlib.Path(f"{prefix}.index").is_file() or _is_one_file(prefix):
        return prefix
    return None


def _only_checkpoint(directory):
    """The checkpoint in a directory; its `checkpoint` file may contain another machine's path."""
    files = [path for path in directory.iterdir() if leftover_kind(path.name) is None]
    prefixes = {path.with_suffix("") for path in files if path.suffix == ".index"}
    if not prefixes:
        prefixes = {path for path in files if _is_one_file(path)}
    if len(prefixes) > 1:
        names = ", ".join(sorted(path.name for path in prefixes))
        raise InputError(
            f"Expected one checkpoint in {directory}. Received: {names}. Give the path of one."
        )
    return prefixes.pop() if prefixes else None


def _is_one_file(path):
    """Whether a file is a complete checkpoint of TensorFlow before version 0.12."""
    if _PART_OF_CHECKPOINT.search(path.name) or not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(-min(len(_TABLE_END), path.stat().st_size), os.SEEK_END)
        return file.read() == _TABLE_END


def load_slim_checkpoint(source: str | os.PathLike) -> InceptionV3:
    """Reads StackGAN's fine-tuned Inception, the judge of bird images.

    Its average pooling ignores padding, in the last block too, and its batch normalisation has no
    scale: the arithmetic of `keras.applications`. Class 0 is a background that the authors drop
    before the softmax.

    Args:
        source: The argument of `find_checkpoint`.

    Returns:
        A built float32 `InceptionV3` with its weights.

    Raises:
        InputError: If it is not a checkpoint, cannot be read, or contains another network.
    """
    prefix = find_checkpoint(source) or source
    state = StateDict(prefix, _KIND, _read_checkpoint(prefix))
    num_classes = state.shape(f"{_CLASSIFIER}/weights", rank=2)[1]
    state.check_shapes({f"{_CLASSIFIER}/weights": (2048, num_classes)})
    network = InceptionV3("keras_applications", num_classes, dtype="float32")
    network.build()
    if any(f"{scope}/BatchNorm/gamma" in state for scope, _ in _scopes(network)):
        raise InputError(
            "Expected batch normalisation without a learned scale, as in StackGAN's Inception. "
            f"Received: {prefix}, which has one (BatchNorm/gamma): it is of another network."
        )
    load(_entries(network), state)
    return network


def _entries(network):
    """The table of the network's variables under the checkpoint's names; no layout differs."""
    variables = {
        f"{_CLASSIFIER}/weights": network.fc.kernel,
        f"{_CLASSIFIER}/biases": network.fc.bias,
    }
    for scope, unit in _scopes(network):
        variables[f"{scope}/weights"] = unit.conv.kernel
        for name in ("beta", "moving_mean", "moving_variance"):
            variables[f"{scope}/BatchNorm/{name}"] = getattr(unit.bn, name)
    for name, variable in variables.items():
        yield as_is(variable, name)


def _scopes(network):
    """Pairs of a variable scope of the checkpoint and the convolution unit it belongs to.

    Convolutions of one branch are `Conv`, `Conv_1`, ... in the order of their making.
    """
    count = collections.Counter()
    for name, unit in network.convolution_units():
        block, _, convolution = name.partition(".")
        if not convolution:
            yield _STEM[block], unit
            continue
        branch = f"{_BLOCKS[block]}/{re.sub('_[0-9][ab]?$', '', convolution)}"
        number = f"_{count[branch]}" if count[branch] else ""
        yield f"{branch}/Conv{number}", unit
        count[branch] += 1


def _read_checkpoint(prefix):
    """The variables of a checkpoint, still in their file, by their plain names.

    Where training kept a moving average of a variable, the average is used, as in the authors'
    evaluation, which restores `variables_to_restore()`.
    """
    try:
        reader = tf.train.load_checkpoint(os.fspath(prefix))
        shapes = reader.get_variable_to_shape_map()
        _check_sizes(prefix, shapes)
    except _UNREADABLE as error:
        raise InputError(_unreadable(prefix, error)) from error

    def tensor(name, shape):
        def read():
            try:
                return np.asarray(reader.get_tensor(name), "float32")
            except _UNREADABLE as error:
                raise InputError(_unreadable(prefix, error)) from error

        return _CheckpointTensor(tuple(shape), read)

    tensors = {name: tensor(name, shape) for name, shape in shapes.items()}
    averages = {
        name.removesuffix(_AVERAGE): value
        for name, value in tensors.items()
        if name.endswith(_AVERAGE)
    }
    return {**tensors, **averages}


def _check_sizes(prefix, shapes):
    """Checks that the shapes in the index need no more memory than the files have bytes."""
    claimed = sum(math.prod(shape) for shape in shapes.values())
    prefix = pathlib.Path(prefix)
    files = [prefix, *prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*")]
    stored = sum(path.stat().st_size for path in files if path.is_file())
    if claimed > stored:
        raise InputError(
            f"Expected at least {claimed} bytes of values in the checkpoint {prefix}. Received: "
            f"{stored}; it is damaged or truncated. Copy all its files again."
        )


def _unreadable(prefix, error):
    reason = first_line(error)
    return (
        f"Expected a TensorFlow checkpoint at {prefix}; it cannot be read ({reason}). "
        "Copy all its files again: model.ckpt.index and model.ckpt.data-00000-of-00001."
    )
