"""The directory of a training run, which two runs never share."""

import contextlib
import errno
import json
import logging
import os
import pathlib
import socket
from collections.abc import Iterator

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import remove_leftovers, write_text
from dmgan_tf.files.paths import check_local

try:
    import fcntl
except ImportError:  # Windows has another interface
    fcntl = None

_HELD_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EACCES)


class RunDirectory:
    """A run's flags, checkpoints, logs, samples, evaluations and models.

    Args:
        path: The directory; it need not exist.
    """

    def __init__(self, path: str | os.PathLike):
        check_local(path)
        self.path = path = pathlib.Path(path)
        self.flags_file = path / "flags.txt"  # one per line, reloadable by --flagfile
        self.checkpoints = path / "checkpoints"
        self.logs = path / "logs"  # of TensorBoard
        self.samples = path / "samples"
        self.model = path / "model"  # overwritten at the end of every epoch
        self.best = path / "best"  # the model of the lowest FID, where training is evaluated
        self.evaluations = path / "evaluations.jsonl"
        self._lock_file = path / "lock"  # locked by the process that trains here, which it names
        self._epoch_end = path / "last_epoch.json"

    def last_epoch_end(self) -> int | None:
        """Returns the step of the last epoch whose work at the end is complete."""
        try:
            return json.loads(self._epoch_end.read_text(encoding="utf-8"))["step"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # then the work is repeated, which is harmless

    def note_epoch_end(self, step: int) -> None:
        """Records that the work at the end of an epoch is done: models, sheets, evaluation."""
        write_text(self._epoch_end, json.dumps({"step": step}) + "\n")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Prevents other processes, of this machine or another, from training here.

        The lock is the kernel's and is always released when the process ends. Where the file system
        or the platform has no locks, a warning says so. Directories that were created for it are
        removed again if no run has been started in them.

        Yields:
            Nothing.

        Raises:
            InputError: If another process trains here; the message names it.
        """
        if fcntl is None:
            logging.warning("No locks on this platform: let one process train in %s.", self.path)
            yield
            return
        made = _make_directories(self.path)
        try:
            with _locked(self._lock_file):
                yield
        finally:
            for directory in made:
                with contextlib.suppress(OSError):  # it is in use by now
                    directory.rmdir()

    def holds_a_run(self) -> bool:
        """Returns whether a run was started here."""
        return self.flags_file.exists() or (
            self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        )

    def check(self, resume: bool) -> None:
        """Raises an error for a directory that must not be written to; changes nothing.

        Args:
            resume: Whether to continue a run in this directory. If there is none, a new run starts,
                so that a job can always use the same command line.

        Raises:
            InputError: If the directory has a run and `resume` is False, or the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(
                f"Expected --run to be a directory. Received a file: {self.path}. "
                "Choose another --run."
            )
        if self.holds_a_run() and not resume:
            found = [path.name for path in (self.flags_file, self.checkpoints) if path.exists()]
            raise InputError(
                f"{self.path} already contains a run ({', '.join(found)}); "
                "give --resume to continue it or choose another --run."
            )

    def prepare(self, flags_text: str, resume: bool) -> None:
        """Creates the directory and writes the flags of the run into it.

        To be called after all other input is checked: bad input must not change the directory, nor
        the flags of a run in it.

        Args:
            flags_text: Flags, one per line, as absl reads them.
            resume: See `check`.
        """
        self.check(resume)
        self._tell_of_changed_flags(flags_text)
        for directory in (self.checkpoints, self.logs, self.samples):
            directory.mkdir(parents=True, exist_ok=True)
        for written in (self.flags_file, self._epoch_end, self.evaluations, self.samples / "*.png"):
            remove_leftovers(written)  # others are removed when the next is written
        write_text(self.flags_file, flags_text.rstrip("\n") + "\n")

    def _tell_of_changed_flags(self, flags_text):
        """Logs the flags that differ from the run's flags so far."""
        if not self.flags_file.exists():
            return
        before, now = (
            set(text.split("\n")) - {""}
            for text in (self.flags_file.read_text("utf-8-sig", errors="replace"), flags_text)
        )
        if before != now:
            logging.warning(
                "%s continues with other flags: %s, instead of %s",
                self.path,
                " ".join(sorted(now - before)) or "none",
                " ".join(sorted(before - now)) or "none",
            )


def _make_directories(path):
    """Creates a directory and its parents, and returns the new ones, deepest first."""
    missing = []
    for directory in (path, *path.parents):
        if directory.exists():
            break
        missing.append(directory)
    path.mkdir(parents=True, exist_ok=True)
    return missing


@contextlib.contextmanager
def _locked(path):
    descriptor = _acquire(path)
    try:
        os.ftruncate(descriptor, 0)
        who = {"process": os.getpid(), "host": socket.gethostname()}
        os.write(descriptor, json.dumps(who).encode())
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock is released: no other process can be here
        os.close(descriptor)


def _acquire(path):
    """Opens and locks a file, and returns its descriptor."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD_BY_ANOTHER:
                holder = os.read(descriptor, 1000)
                os.close(descriptor)
                raise InputError(_held_message(path, holder)) from error
            logging.warning(
                "%s cannot be locked (%s): make sure that no other process trains there.",
                path.parent,
                error.strerror,
            )
            return descriptor
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)  # its last owner has just removed it


def _held_message(path, content):
    try:
        holder = json.loads(content)
        who = f"process {int(holder['process'])} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return (
        f"Expected {path.parent} to be free. Received: a run directory that {who} trains in. Wait "
        "until it has ended or stop it, or choose another --run."
    )
