"""What every command does around its `main`: its exit status, and the one line it ends with."""

import io
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import types

import pytest
from absl import flags
from source_imports import ROOT

from dmgan_tf import command
from dmgan_tf.errors import InputError, Interrupted, TrainingDiverged, WorkerLost
from dmgan_tf.files.atomic import replacing_directory


@pytest.fixture
def end_of(monkeypatch, capsys):
    """Runs a `main` as a command: `(exit status, stderr)`."""

    def run(main, *arguments, **settings):
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        with pytest.raises(SystemExit) as exited:
            command.run(main, **settings)
        flags.FLAGS.unparse_flags()
        return exited.value.code or 0, capsys.readouterr().err

    return run


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("Expected a.\nReceived: b."), 2, "error: Expected a. Received: b.\n"),
        (FileNotFoundError(2, "No such file", "x"), 2, "error: [Errno 2] No such file: 'x'\n"),
        (TrainingDiverged("at step 7"), 3, "error: at step 7\n"),
        (WorkerLost("worker 1 is gone"), 4, "error: worker 1 is gone\n"),
        (
            Interrupted("stopped by SIGTERM after step 7", 75),
            75,
            "stopped by SIGTERM after step 7\n",
        ),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C\n"),
    ],
)
def test_what_goes_wrong_has_a_status_and_a_line(end_of, error, status, line):
    assert end_of(raising(error)) == (status, line)


def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(ZeroDivisionError):
        command.run(lambda: 1 / 0)
    flags.FLAGS.unparse_flags()


def test_a_name_that_a_terminal_cannot_write(end_of, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    assert end_of(lambda: print("é 红 \udcff", flush=True)) == (0, "")
    assert written.getvalue() == b"\xe9 ? ?\n"


def test_a_bug_says_that_messages_were_hidden(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["command"])
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with pytest.raises(ZeroDivisionError) as raised:
        command.run(lambda: 1 / 0)
    assert raised.value.__notes__ == [
        "TensorFlow's own messages were hidden; TF_CPP_MIN_LOG_LEVEL=0 shows them."
    ]
    flags.FLAGS.unparse_flags()


def test_every_status_is_documented():
    documented = set(map(int, re.findall(r"^    (\d+) ", command.__doc__, re.MULTILINE)))
    assert documented == {0, 1, 2, 3, 4, 75, 130, 143}


@pytest.mark.parametrize("status", [143, 75])
def test_sigterm_leaves_nothing_half_written(end_of, tmp_path, status):
    before = signal.getsignal(signal.SIGTERM)

    def main():
        with replacing_directory(tmp_path / "output") as directory:
            (directory / "half").write_text("")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    assert end_of(main, sigterm_status=status) == (status, "stopped by SIGTERM\n")
    assert not any(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_that_is_terminated(tmp_path):
    script = """
        import pathlib, sys, time
        from dmgan_tf import command
        from dmgan_tf.files.atomic import replacing

        def main():
            with replacing(file) as temporary:
                temporary.write_text("half")
                print("writing", flush=True)
                time.sleep(60)

        file = sys.argv.pop()
        command.run(main)
        """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "file")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (143, "stopped by SIGTERM\n")
    assert not any(tmp_path.iterdir())


def test_a_command_runs_another_with_flags_of_its_own(end_of):
    seen = []

    def define_flags():
        flags.DEFINE_string("run", "inner", "")
        flags.DEFINE_integer("steps", 1, "")

    def inner():
        seen.append((flags.FLAGS.run, flags.FLAGS.steps, "mine" in flags.FLAGS))
        if flags.FLAGS.steps > 2:
            raise InputError("too many")

    other = types.SimpleNamespace(define_flags=define_flags, main=inner)

    def main():
        command.call(other, ["--steps=2"], instead_of=("run", "mine"))
        seen.append((flags.FLAGS.run, flags.FLAGS.mine, "steps" in flags.FLAGS))
        command.call(other, ["--steps=3", "--run=x"], instead_of=("run", "mine"))

    flags.DEFINE_string("run", "outer", "")
    flags.DEFINE_string("mine", None, "")
    try:
        assert end_of(main, "--mine=m") == (2, "error: too many\n")
        assert seen == [("inner", 2, False), ("outer", "m", False), ("x", 3, False)]
    finally:
        for name in ("run", "mine"):
            delattr(flags.FLAGS, name)
