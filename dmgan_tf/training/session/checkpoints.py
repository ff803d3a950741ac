"""Checkpoints of a run: every variable, exactly, in one file per step."""

import errno
import json
import logging
import os
import pathlib
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import is_disk_full, remove_leftovers, replacing

_FORMAT_VERSION = 1
_FILE_NAME = re.compile(r"step-(\d{8,})\.npz")
_VARIABLE_PREFIX = "variables/"
_METADATA = "metadata"
_DAMAGE = (  # the exceptions of zipfile, zlib, NumPy and json for damaged bytes
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(KeyError, TypeError, ValueError, RuntimeError, OverflowError, MemoryError),
)
# Not damage: a file of another user, a network file system that does not answer.
_UNREACHABLE = {errno.EACCES, errno.EPERM, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE}


def named_variables(prefix: str, variables: Iterable) -> dict:
    """Returns the variables of a list by names that are stable between two processes.

    Keras numbers its automatic names by the layers that the process has made before, so they change
    when a notebook builds a model twice. The position in the list does not; the path, without its
    numbers, is added for error messages.
    """
    named = {}
    for position, variable in enumerate(variables):
        path = getattr(variable, "path", None) or variable.name.split(":")[0]
        path = re.sub(r"_\d+(?=_|/|$)", "", path)
        named[f"{prefix}/{position:04d}/{path}"] = variable
    return named


class CheckpointStore:
    """The checkpoints of one run, newest last; only the newest few are kept.

    One file stores one step: the variables, of any dtype, and a dict of metadata. It is written
    under a temporary name, read back, and renamed, so that a crash or a full disk does not damage
    the last good one; a damaged file is detected by its checksums.

    Args:
        directory: The directory of the files `step-00001200.npz`. Created by the first `save`.
        keep: How many of the newest checkpoints are kept, at least 1.
        writes: False for a worker that only reads another's checkpoints: it neither saves nor
            renames files.
    """

    def __init__(self, directory: str | os.PathLike, keep: int = 3, writes: bool = True):
        self.directory = pathlib.Path(directory)
        self.keep = keep
        self.writes = writes

    def steps(self) -> list[int]:
        """Returns the steps that have a checkpoint, ascending."""
        if not self.directory.is_dir():
            return []
        matches = (_FILE_NAME.fullmatch(path.name) for path in self.directory.iterdir())
        return sorted(int(match.group(1)) for match in matches if match)

    def latest(self) -> int | None:
        """Returns the newest step that has a checkpoint."""
        steps = self.steps()
        return steps[-1] if steps else None

    def save(self, step: int, variables: Mapping, metadata: Mapping | None = None) -> pathlib.Path:
        """Writes one checkpoint and removes the oldest beyond `keep`.

        Args:
            step: Number of training steps taken.
            variables: Keras or TensorFlow variables by stable, unique names. Mirrored ones are read
                in the cross-replica context.
            metadata: A JSON value, returned by `restore`.

        Raises:
            InputError: If the disk is full; earlier checkpoints are kept.
        """
        arrays = {
            _VARIABLE_PREFIX + name: np.asarray(variable.numpy())
            for name, variable in variables.items()
        }
        header = {"format_version": _FORMAT_VERSION, "step": step, "metadata": metadata or {}}
        arrays[_METADATA] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        path = self._path(step)
        if not self.writes:  # reading the variables may have needed every worker
            return path
        try:
            remove_leftovers(self.directory / "step-*.npz")  # of a process that was killed
            with replacing(path) as temporary:
                np.savez(temporary, **arrays)
                _verify(temporary)
            _sync(self.directory)
        except OSError as error:
            if not is_disk_full(error):
                raise
            last = self.latest()
            kept = "there is none yet" if last is None else f"the last good one is step {last}"
            raise InputError(
                f"disk full while writing checkpoint {path} ({error.strerror}); {kept}. "
                "Free some space and continue with --resume."
            ) from error
        for old in self.steps()[: -self.keep]:
            self._path(old).unlink(missing_ok=True)
        return path

    def restore(self, variables: Mapping, except_for: Collection[str] = ()) -> dict | None:
        """Loads the newest undamaged checkpoint into `variables`.

        A damaged file gives a warning and is renamed, and the one before it is used.

        Args:
            variables: Variables with the names, shapes and dtypes that were saved.
            except_for: Names of variables that keep their values.

        Returns:
            The metadata, with `"step"` added, or None where there is no checkpoint.

        Raises:
            InputError: If the variables are not those of the checkpoint, it cannot be read, is of
                another version, or every file is damaged.
        """
        damaged = []
        for step in reversed(self.steps()):
            path = self._path(step)
            contents = _read_if_whole(path)
            if contents is None:
                damaged.append(path)
                continue
            arrays, header = contents
            _check_same_variables(path, arrays, variables)
            for name, variable in variables.items():
                if name not in except_for:
                    variable.assign(arrays[name])
            self._move_aside(damaged)
            return {**header["metadata"], "step": header["step"]}
        if damaged:
            raise InputError(
                f"Expected an undamaged checkpoint in {self.directory}, but all {len(damaged)} are "
                "damaged. Start again with another --run."
            )
        return None

    def _path(self, step):
        return self.directory / f"step-{step:08d}.npz"

    def _move_aside(self, paths):
        for path in paths if self.writes else ():
            try:
                os.replace(path, path.with_name(path.name + ".damaged"))
            except OSError as error:
                logging.warning("%s could not be renamed: %s", path, error)


def _verify(path):
    """Compares every array of a file with its checksum."""
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
    if bad is not None:
        raise OSError(errno.EIO, f"{bad} does not read back as it was written", str(path))


def _sync(directory):
    """Flushes a rename to the disk, before older files are deleted."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
            raise
    finally:
        os.close(descriptor)


def _read_if_whole(path):
    """The arrays and the header of a file; None, and a warning, if it is damaged."""
    try:
        arrays, header = _read(path)
    except _DAMAGE as error:
        if getattr(error, "errno", None) in _UNREACHABLE:
            raise InputError(
                f"Checkpoint {path} cannot be read: {error.strerror}. It may not be damaged: "
                "make it readable, and try again."
            ) from error
        logging.warning("Checkpoint %s is damaged (%s); trying the one before.", path, error)
        return None
    if header["format_version"] != _FORMAT_VERSION:
        raise InputError(
            f"Expected format_version {_FORMAT_VERSION} in checkpoint {path}. Received: "
            f"{header['format_version']!r}. Continue with the version that wrote it."
        )
    return arrays, header


def _read(path):
    _verify(path)  # first, so that a damaged header cannot allocate all memory
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(file[_METADATA].tobytes())
        header = {
            "format_version": header["format_version"],
            "step": int(header["step"]),
            "metadata": dict(header["metadata"]),
        }
        arrays = {
            key.removeprefix(_VARIABLE_PREFIX): file[key]
            for key in file.files
            if key.startswith(_VARIABLE_PREFIX)
        }
    return arrays, header


def _check_same_variables(path, arrays, variables):
    for name in [*variables, *arrays]:
        if name not in arrays:
            problem = f"it lacks {name}"
        elif name not in variables:
            problem = f"it has {name}, which this model lacks"
        else:
            saved, shape = arrays[name], tuple(variables[name].shape)
            dtype = getattr(variables[name].dtype, "name", variables[name].dtype)
            if (saved.shape, saved.dtype.name) == (shape, dtype):
                continue
            problem = f"{name} is {saved.dtype.name}{saved.shape}, not {dtype}{shape}"
        raise InputError(
            f"Checkpoint {path} does not match: {problem}. The run was made with another "
            "architecture or precision: give the flags in its flags.txt, or another --run."
        )
