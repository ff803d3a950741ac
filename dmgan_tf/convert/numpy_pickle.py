"""Pickles of NumPy arrays, read without NumPy's own functions for them, and without `pickle.load`.

A pickled array is a call of `numpy.core.multiarray._reconstruct` and a state to set: a version, the
shape, a type, whether the order is column-major, and the bytes. Placeholder classes store these
values; arrays are made from them here, after checks.
"""

import math

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.files import restricted_pickle
from dmgan_tf.files.restricted_pickle import StatefulValue

_FLOAT32 = ("f4", "<")
_MOST_DIMENSIONS = 8


class _Type(StatefulValue):
    """A placeholder for `numpy.dtype`."""

    def __init__(self, name=None, *_):
        self.name = name

    @property
    def is_float32(self):
        state = self.state
        order = state[1] if type(state) is tuple and len(state) > 1 else None
        return (self.name, order) == _FLOAT32


class _Array(StatefulValue):
    """A placeholder for `numpy.ndarray`, as `_reconstruct` makes an empty one."""

    def __init__(self, *_):
        pass

    def value(self) -> np.ndarray | None:
        """The array; None if the state is none of a float32 array."""
        if type(self.state) is not tuple or len(self.state) != 5:
            return None
        _, shape, kind, columns_first, data = self.state
        if not (isinstance(kind, _Type) and kind.is_float32 and type(data) is bytes):
            return None
        if type(shape) is not tuple or len(shape) > _MOST_DIMENSIONS:
            return None
        if not all(type(size) is int and size >= 0 for size in shape):
            return None
        if 4 * math.prod(shape) != len(data):
            return None
        return np.frombuffer(data, "<f4").reshape(shape, order="F" if columns_first else "C")


_CONSTRUCTORS = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # since NumPy 2
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Type,
}


def load_arrays(data: bytes, *, name: str) -> dict[str, list[np.ndarray]]:
    """Reads a pickled dict of lists of float32 arrays.

    Args:
        data: The bytes of the file.
        name: The file, as a message is to name it.

    Returns:
        The dict; its arrays are read-only views of the bytes.

    Raises:
        InputError: If it is something else, if it is damaged, or if it would run code.
    """
    value, _ = restricted_pickle.load(data, name=name, constructors=_CONSTRUCTORS)
    result = {}
    for key, items in value.items() if type(value) is dict else ():
        arrays = [item.value() if isinstance(item, _Array) else None for item in _listed(items)]
        if type(key) is str and arrays and not any(array is None for array in arrays):
            result[key] = arrays
    if type(value) is not dict or len(result) != len(value):
        raise InputError(
            f"Expected a dict of lists of float32 arrays in {name}. Received: something else, or a "
            "damaged file. Get the file again."
        )
    return result


def _listed(items):
    return items if type(items) is list else ()
