"""A state dict in PyTorch's old format, written without PyTorch."""

import os
import pickle
from collections.abc import Mapping

import numpy as np

from dmgan_tf.convert.pytorch_file import MAGIC_NUMBER, PROTOCOL_VERSION
from dmgan_tf.errors import InputError
from dmgan_tf.files import atomic

_PICKLE_PROTOCOL = 2  # the highest that Python 2.7 reads, on which the release runs
_SYSTEM = {
    "protocol_version": PROTOCOL_VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
_STORAGES = {"float32": ("FloatStorage", "<f4"), "int64": ("LongStorage", "<i8")}

# Opcodes and their results, in order: a pickle is a program for a stack machine.
_MARK, _TUPLE, _REDUCE, _SET_ITEMS, _STOP = b"(", b"t", b"R", b"u", b"."
_PERSISTENT = b"Q"  # a storage, whose elements follow the pickles
_EMPTY_ORDERED_DICT = b"ccollections\nOrderedDict\n" + b")" + _REDUCE
_REBUILD_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


def write_pytorch_file(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as `torch.save` of a state dict did up to PyTorch 1.5.

    That format is the one that the tools of the release read (PyTorch 0.4 on Python 2.7), and that
    today's PyTorch still loads, with `weights_only=True` too.

    Args:
        path: The file to write, completely or not at all; an older one is replaced.
        arrays: By the names of the state dict, in its order; float32 or int64, of any shape.

    Raises:
        InputError: If an array has another dtype.
    """
    stored = {}
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.name not in _STORAGES:
            raise InputError(
                f"Expected float32 or int64 for {name} in {path}. Received: {array.dtype.name}."
            )
        stored[name] = array
    with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
        for value in (MAGIC_NUMBER, PROTOCOL_VERSION, _SYSTEM):
            file.write(pickle.dumps(value, _PICKLE_PROTOCOL))
        file.write(_state_dict_pickle(stored))
        file.write(pickle.dumps([str(key) for key in range(len(stored))], _PICKLE_PROTOCOL))
        for array in stored.values():
            _, byte_order = _STORAGES[array.dtype.name]
            file.write(array.size.to_bytes(8, "little"))
            file.write(np.ascontiguousarray(array, dtype=byte_order))


def _state_dict_pickle(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An OrderedDict from names to tensors, each with a storage of its own by its place."""
    items = b"".join(
        _value(name) + _tensor(str(key), array) for key, (name, array) in enumerate(arrays.items())
    )
    start = pickle.PROTO + bytes([_PICKLE_PROTOCOL])
    return start + _EMPTY_ORDERED_DICT + _MARK + items + _SET_ITEMS + _STOP


def _tensor(key: str, array: np.ndarray) -> bytes:
    """A call that makes a tensor: storage, offset, sizes, strides, no gradient, no hooks."""
    strides = [1]
    for size in array.shape[:0:-1]:
        strides.insert(0, strides[0] * size)
    storage_type, _ = _STORAGES[array.dtype.name]
    storage = (
        _MARK
        + _value("storage")
        + f"ctorch\n{storage_type}\n".encode("ascii")
        + b"".join(map(_value, (key, "cpu", array.size, None)))
        + _TUPLE
        + _PERSISTENT
    )
    view = (0, array.shape, tuple(strides[: array.ndim]), False)
    arguments = storage + b"".join(map(_value, view)) + _EMPTY_ORDERED_DICT
    return _REBUILD_TENSOR + _MARK + arguments + _TUPLE + _REDUCE


def _value(value) -> bytes:
    """The opcodes that push a plain value: its pickle without the first one and the last."""
    return pickle.dumps(value, _PICKLE_PROTOCOL)[2:-1]
