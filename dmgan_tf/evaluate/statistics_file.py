"""Files of features' mean and covariance, as pytorch-fid, TTUR and clean-fid read them."""

import os
import pathlib
import zipfile

import numpy as np

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files.atomic import replacing
from dmgan_tf.metrics.frechet import Moments

_NUMBERS = ("mu", "sigma", "count")  # all other entries of a file are notes


def save_statistics(path: str | os.PathLike, moments: Moments, **notes) -> None:
    """Writes a file of `mu` and `sigma`.

    Args:
        path: The .npz file.
        moments: What to write.
        **notes: Strings and numbers that describe their origin, such as the protocol.

    Raises:
        InputError: If it cannot be written.
    """
    arrays = {"mu": moments.mean, "sigma": moments.covariance}
    if moments.count is not None:
        arrays["count"] = np.asarray(moments.count, "int64")
    try:
        # An open file, because NumPy would append .npz to a name without it.
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays, **notes)
    except OSError as error:
        raise InputError(
            f"Expected to write statistics to {path}. Received: {first_line(error)}. "
            "Choose another file, or free some space."
        ) from error


def load_statistics(path: str | os.PathLike, dim: int | None = None) -> tuple[Moments, dict]:
    """Reads a file of `mu` and `sigma`, written by any program.

    Args:
        path: The .npz file.
        dim: The number of features that it must have; None for any.

    Returns:
        `Moments`, whose `count` is None unless the file has one; and the notes by name, strings and
        numbers.

    Raises:
        InputError: If there is no such file, or if it does not hold finite statistics of `dim`
            features. Pickled objects are not read.
    """
    arrays = _read_arrays(path)
    for name in ("mu", "sigma"):
        if name not in arrays:
            raise _not_statistics(path, f"a file without {name!r}")
        if arrays[name].dtype.kind not in "fiu":
            raise _not_statistics(path, f"{name} of type {arrays[name].dtype}")
        if not np.isfinite(arrays[name]).all():
            raise _not_statistics(path, f"{name} with NaN or infinity")
    mean, covariance = (np.asarray(arrays[name], "float64") for name in ("mu", "sigma"))
    if mean.ndim != 1 or not mean.size or covariance.shape != 2 * mean.shape:
        shapes = f"mu of shape {mean.shape} and sigma of shape {covariance.shape}"
        raise _not_statistics(path, shapes)
    if dim not in (None, len(mean)):
        raise InputError(
            f"Expected statistics of {dim} features, the network's, in {path}. "
            f"Received: {len(mean)}. Make them with the same network."
        )
    largest = np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > 1e-4 * largest or covariance.diagonal().min() < 0:
        raise _not_statistics(path, "a sigma that is no covariance")
    count = arrays.get("count")
    if count is not None:
        if count.ndim or count.dtype.kind not in "iu" or count < 2:
            raise _not_statistics(path, "a count that is not a whole number of 2 or more")
        count = int(count)
    notes = {name: array.item() for name, array in arrays.items() if array.ndim == 0}
    notes = {name: value for name, value in notes.items() if name not in _NUMBERS}
    return Moments(mean, covariance, count), notes


def _read_arrays(path):
    if not pathlib.Path(path).is_file():
        found = "a directory" if pathlib.Path(path).is_dir() else "nothing there"
        raise _not_statistics(path, found)
    if not zipfile.is_zipfile(path):
        raise _not_statistics(path, "a file of another kind")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: np.asarray(array) for name, array in arrays.items()}
    except Exception as error:  # damaged archives and pickled arrays raise many exception types
        raise _not_statistics(path, f"a file that cannot be read ({first_line(error)})") from error


def _not_statistics(path, received):
    return InputError(
        f"Expected statistics at {path}: a .npz file with a mean `mu` and a covariance `sigma`. "
        f"Received: {received}. Make it again."
    )
