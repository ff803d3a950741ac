"""Writes files atomically: a reader never sees a partial file."""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator

from dmgan_tf.files.paths import check_local

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_HDF5_ERROR_NUMBER = re.compile(r"\berrno = (\d+)")  # its only trace in what h5py raises


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path`, and renames it to `path` when the block succeeds.

    The temporary name keeps the suffix of `path`, because some writers choose their format by it.
    Parent directories are created. If the block raises, the temporary file is removed and an
    existing file at `path` is unchanged.

    Args:
        path: The file to write.

    Yields:
        The path to write to.

    Raises:
        InputError: If it is an address, such as `gs://BUCKET/FILE`.
    """
    check_local(path)
    path = pathlib.Path(path)
    if not path.name:  # "", "." and "/", beside which no file could be named
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())  # the rename must not be on the disk before the bytes
        os.replace(temporary, path)
    except OSError as error:
        if is_disk_full(error) and error.filename is None:  # Python names no file for a `write`
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: str | os.PathLike) -> None:
    """Removes temporary files of processes that were killed while they wrote a file.

    Args:
        path: The file; its name may contain wildcards, for several files of its directory.
    """
    path = pathlib.Path(path)
    for leftover in path.parent.glob(f".{path.stem}.*.tmp{path.suffix}"):
        number = leftover.name.removesuffix(f".tmp{path.suffix}").rpartition(".")[2]
        if number.isdecimal() and not _runs_elsewhere(int(number)):
            leftover.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` to `path` as UTF-8, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing_directory(directory: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary directory that replaces `directory` if the block succeeds.

    If the block raises, an existing `directory` is unchanged. Leftovers of a killed process are
    removed, or restored if nothing else is left.

    Args:
        directory: The directory to write.

    Yields:
        The directory to write into.

    Raises:
        InputError: If it is an address, such as `gs://BUCKET/DIRECTORY`.
    """
    check_local(directory)
    directory = pathlib.Path(directory).resolve()  # follows a link, so that the link is kept
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    retired = temporary.with_suffix(".old")
    directory.parent.mkdir(parents=True, exist_ok=True)
    _sweep_leftovers(directory)
    temporary.mkdir()
    try:
        yield temporary
        if directory.exists():
            directory.rename(retired)
        temporary.rename(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if directory.exists():
            shutil.rmtree(retired, ignore_errors=True)
        elif retired.exists():  # an error or a signal between the two renames
            retired.rename(directory)


def _sweep_leftovers(directory: pathlib.Path) -> None:
    """Removes leftovers of processes that were killed in `replacing_directory`."""
    pattern = re.compile(rf"\.{re.escape(directory.name)}\.(\d+)\.(tmp|old)")
    for path in sorted(directory.parent.iterdir()):
        match = pattern.fullmatch(path.name)
        if not match or _runs_elsewhere(int(match.group(1))):
            continue
        if match.group(2) == "old" and not directory.exists():
            path.rename(directory)  # killed between the two renames
        else:
            shutil.rmtree(path, ignore_errors=True)


def _runs_elsewhere(process: int) -> bool:
    """Whether another process of this number is alive; false where that is unknown."""
    if process == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is another user's, so it exists
    return True


def check_space(directory: str | os.PathLike, num_bytes: int) -> None:
    """Raises the `OSError` of a full disk if a file of this size cannot be written now.

    For writers that cannot handle it: HDF5 crashes at the end of the process if a file could not be
    closed.

    Args:
        directory: The directory of the file; it exists.
        num_bytes: Its size.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with tempfile.TemporaryFile(dir=directory) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        except OSError as error:
            if is_disk_full(error):
                raise  # other errors mean that the file system does not support the check


def is_disk_full(error: BaseException) -> bool:
    """Returns whether an error means that a disk, a quota or a file's largest size is exhausted.

    h5py raises `OSError` or `RuntimeError` with the error number in the message only.
    """
    if getattr(error, "errno", None) in _DISK_FULL:
        return True
    return any(int(number) in _DISK_FULL for number in _HDF5_ERROR_NUMBER.findall(str(error)))
