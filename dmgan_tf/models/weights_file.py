"""HDF5 files of weights, checked before anything is read from them.

HDF5 is more than arrays: a name in a file may be a link to another file, or a cycle; an array may
be a view of other files, or declare terabytes and store nothing. None of it is needed for weights,
and a downloaded file is not trusted.
"""

import math
import os

import h5py
import numpy as np

from dmgan_tf.errors import InputError, first_line

_MOST_OBJECTS = 100_000  # groups and arrays; Inception-v3 has under 1,000
_MOST_EXPANSION = 100  # bytes of arrays per byte of file, where they are compressed
_SMALL_FILE = 2**24  # bytes of arrays for which the expansion does not matter
_KINDS = "fiuV"  # numbers; V is how bfloat16 is stored
_OPTIMIZER, _SEEDS = "/optimizer", "seed_generator"  # what Keras may store beside weights
_HALF_PRECISION = 2.0**-11  # of float16: the largest rounding error of a value near 1


def check_weights_file(
    path: str | os.PathLike, num_arrays: int | None = None, num_values: int | None = None
) -> tuple[int, int]:
    """Raises an error for an HDF5 file that is damaged, or has anything but its own number arrays.

    Args:
        path: The file.
        num_arrays: The largest number of arrays of weights; None for any number.
        num_values: The largest total number of values; None for what the file can store.

    Returns:
        How many arrays of weights there are, and how many values they have together.

    Raises:
        InputError: If the file cannot be read as HDF5, has more arrays or values, or has a link, an
            array in another file, or one of something else than numbers.
    """
    try:
        with h5py.File(path, "r") as file:
            most_bytes = max(_SMALL_FILE, _MOST_EXPANSION * os.path.getsize(path))
            arrays, values, num_bytes, problem = _survey(file)
    except Exception as error:  # damaged files raise many exception types
        raise InputError(
            f"Expected a file of weights in HDF5 at {path}; it cannot be read "
            f"({first_line(error)[:200]}). Copy it again."
        ) from error
    if problem is None:
        if num_arrays is not None and arrays > num_arrays:
            problem = f"{arrays} arrays, where the network has {num_arrays}"
        elif num_values is not None and values > num_values:
            problem = f"{values} values, where the network has {num_values}"
        elif num_bytes > most_bytes:
            problem = f"arrays of {num_bytes} bytes, more than the file can store"
    if problem is not None:
        raise InputError(
            f"Expected weights and nothing else in {path}. Received: {problem}. Copy the file "
            "again, from a source that you trust."
        )
    return arrays, values


def halve_weights_file(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Copies a file of weights with its matrices and kernels as float16, half as large.

    Vectors stay unchanged: they are few, and statistics among them have a large range. So does an
    array whose values are so large or so small that float16 would lose more precision.

    Args:
        source: A file of float32 weights that Keras wrote.
        target: The file to write; it need not exist.
    """
    with h5py.File(source, "r") as whole, h5py.File(target, "w") as halved:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                copied = halved.require_group(name)
            else:
                copied = halved.create_dataset(name, data=_halved(item[()]))
            copied.attrs.update(item.attrs)

        whole.visititems(copy)
        halved.attrs.update(whole.attrs)


def _halved(values):
    if values.ndim < 2 or values.dtype != np.float32:
        return values
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
        error = np.abs(halves - values).max(initial=0)
    return halves if error <= _HALF_PRECISION * np.abs(values).max(initial=0) else values


def _survey(file) -> tuple[int, int, int, str | None]:
    """Numbers of arrays, values and bytes, and the problems of the file."""
    seen, waiting = set(), [file["/"]]
    arrays = values = num_bytes = 0
    while waiting:
        group = waiting.pop()
        for name in group:
            item, problem = _item_of(group, name, seen)
            if problem is not None:
                shown = f"{group.name.rstrip('/')}/{name}"[-80:]
                return arrays, values, num_bytes, f"{problem} at {shown!r}"
            if isinstance(item, h5py.Group):
                waiting.append(item)
                continue
            if not (group.name.startswith(_OPTIMIZER) or _SEEDS in group.name):
                arrays += 1
                values += item.size
            num_bytes += item.size * item.dtype.itemsize
    return arrays, values, num_bytes, None


def _item_of(group, name, seen):
    """The object of a name in a group, and its problem."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return None, "a link to elsewhere"
    item = group[name]
    address = h5py.h5o.get_info(item.id).addr
    if address in seen:
        return item, "the same object under a second name"
    seen.add(address)
    if len(seen) > _MOST_OBJECTS:
        return item, f"more than {_MOST_OBJECTS} groups and arrays"
    return item, None if isinstance(item, h5py.Group) else _problem_of_array(item)


def _problem_of_array(item) -> str | None:
    """The problem of one array, from its description only."""
    if not isinstance(item, h5py.Dataset):
        return "something that is not an array"
    if item.is_virtual or item.external:
        return "an array whose values are in other files"
    if item.shape is None or item.dtype.kind not in _KINDS or item.dtype.fields:
        return "an array of something else than numbers"
    if item.chunks and math.prod(item.chunks) > max(item.size, 1):
        return "an array in chunks that are larger than itself"
    return None
