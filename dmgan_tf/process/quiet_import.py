"""Imports TensorFlow and Keras without their messages and with one configuration."""

import contextlib
import functools
import importlib.machinery
import os
import signal
import sys
from collections.abc import Iterator

from dmgan_tf.process.keras_backend import check_installed

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # 0 shows all, 3 only errors that end the process
_HIDING = "3"
_DONE = b"\0done\0"  # written last, after a success


@contextlib.contextmanager
def importing_quietly() -> Iterator[None]:
    """Gives Keras and TensorFlow the same configuration when the block imports them.

    TensorFlow's messages during its import are shown only if the import fails or the process
    crashes, or with `TF_CPP_MIN_LOG_LEVEL=0`. Where that is not set, TensorFlow's later messages
    are hidden, too: it raises exceptions for errors. Keras takes only its backend from the
    environment or the user's `keras.json`, not settings that would change results.

    Yields:
        Nothing.

    Raises:
        InputError: If the configured backend of Keras is not installed.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    """Finds Keras and TensorFlow like Python, but imports them as described above."""

    def find_spec(self, name, path=None, target=None):
        if name == "keras":
            check_installed()
        if name not in _RUN:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(_RUN[name], spec.loader.exec_module)
        return spec


def _run_tensorflow(execute, module):
    # TensorFlow uses oneDNN by default only where a processor has AVX-512 VNNI or better; with
    # AVX2 alone, training is half as fast without it.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    level = os.environ.setdefault(LEVEL, _HIDING)
    with contextlib.nullcontext() if level == "0" else stderr_if_it_fails():
        execute(module)


def _run_keras(execute, module):
    execute(module)
    module.config.set_floatx("float32")
    module.config.set_epsilon(1e-7)
    module.config.set_image_data_format("channels_last")


_RUN = {"keras": _run_keras, "tensorflow": _run_tensorflow}


@contextlib.contextmanager
def stderr_if_it_fails() -> Iterator[None]:
    """Hides what the block writes to standard error, from C++ too, unless it fails.

    Another process buffers it, which survives a crash of this one: TensorFlow aborts where a
    processor lacks an instruction that it was compiled for.

    Yields:
        Nothing.
    """
    if sys.stderr is None or not hasattr(os, "fork"):  # none to write to, or Windows
        yield
        return
    sys.stderr.flush()
    reading, writing = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.close(writing)
        _hold(reading)
    os.close(reading)
    before = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)
    has_failed = True
    try:
        yield
        has_failed = False
    except KeyboardInterrupt:
        has_failed = False
        raise
    finally:
        sys.stderr.flush()
        if not has_failed:
            os.write(2, _DONE)
        os.dup2(before, 2)
        os.close(before)
        os.waitpid(holder, 0)


def _hold(reading):
    """Reads until the other end is closed, writes the text unless it was a success, and exits."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they reach the other process, too, which ends
    held = bytearray()
    while piece := os.read(reading, 1 << 16):
        held += piece
    if _DONE not in held:
        os.write(2, held)
    os._exit(0)


def hides_messages() -> bool:
    """Whether TensorFlow is installed and its messages are hidden."""
    return "tensorflow" in sys.modules and os.environ.get(LEVEL) == _HIDING
