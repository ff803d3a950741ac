import errno
import os
import signal
import subprocess
import sys

import pytest
from absl import flags
from source_imports import ROOT

from dmgan_tf.errors import InputError
from dmgan_tf.training.session import run_directory
from dmgan_tf.training.session.run_directory import RunDirectory

HOLD = """
import sys, time
from dmgan_tf.training.session.run_directory import RunDirectory
with RunDirectory(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """A run directory, and the process that trains there."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield tmp_path / "run", process
    process.kill()
    process.communicate()


def test_changed_flags_are_told(tmp_path, caplog):
    run = RunDirectory(tmp_path / "run")
    run.prepare("--epochs=2\n--seed=1\n", resume=False)
    run.prepare("--epochs=2\n--seed=1\n", resume=True)
    assert not caplog.records
    run.prepare("--epochs=3\n--seed=1\n", resume=True)
    assert "--epochs=3, instead of --epochs=2" in caplog.text and "--seed" not in caplog.text
    assert run.flags_file.read_text() == "--epochs=3\n--seed=1\n"


def test_a_new_run_gets_its_directories(tmp_path):
    run = RunDirectory(tmp_path / "runs" / "first")
    assert not run.holds_a_run()
    run.prepare("--epochs=3\n--flip=false", resume=False)
    assert run.checkpoints.is_dir() and run.logs.is_dir() and run.samples.is_dir()
    assert not run.model.exists()
    assert run.holds_a_run()


def test_flags_are_reloadable(tmp_path):
    run = RunDirectory(tmp_path)
    run.prepare("--epochs=3\n--caption=a red, round apple", resume=False)
    values = flags.FlagValues()
    flags.DEFINE_integer("epochs", 1, "", flag_values=values)
    flags.DEFINE_string("caption", "", "", flag_values=values)
    values(["program", f"--flagfile={run.flags_file}"])
    assert values.epochs == 3 and values.caption == "a red, round apple"


@pytest.mark.parametrize("trace", ["flags.txt", "checkpoints/step-00000001.npz"])
def test_another_run_is_not_overwritten(tmp_path, trace):
    path = tmp_path / trace
    path.parent.mkdir(exist_ok=True)
    path.write_text("--epochs=1\n")
    with pytest.raises(InputError, match="already contains a run .*give --resume"):
        RunDirectory(tmp_path).prepare("--epochs=2", resume=False)
    assert path.read_text() == "--epochs=1\n"


def test_resuming_takes_the_new_flags(tmp_path):
    RunDirectory(tmp_path).prepare("--epochs=1", resume=False)
    RunDirectory(tmp_path).prepare("--epochs=2", resume=True)
    assert RunDirectory(tmp_path).flags_file.read_text() == "--epochs=2\n"


def test_checking_changes_nothing(tmp_path):
    RunDirectory(tmp_path / "new").check(resume=False)
    assert not (tmp_path / "new").exists()
    RunDirectory(tmp_path).prepare("--epochs=1", resume=False)
    RunDirectory(tmp_path).check(resume=True)
    assert RunDirectory(tmp_path).flags_file.read_text() == "--epochs=1\n"
    with pytest.raises(InputError, match="already contains a run"):
        RunDirectory(tmp_path).check(resume=False)


def test_resuming_nothing_starts(tmp_path):
    RunDirectory(tmp_path / "new").prepare("--epochs=1", resume=True)
    assert RunDirectory(tmp_path / "new").holds_a_run()


def test_a_directory_without_a_run_may_be_used(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    RunDirectory(tmp_path).prepare("", resume=False)


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="to be a directory"):
        RunDirectory(tmp_path / "run").prepare("", resume=False)


def test_one_process_trains_in_a_directory(held):
    path, process = held
    with pytest.raises(InputError, match=rf"directory that process {process.pid} on .* trains in"):
        with RunDirectory(path).lock():
            pytest.fail("two hold it")
    process.communicate("")
    with RunDirectory(path).lock():
        assert str(os.getpid()) in (path / "lock").read_text()


def test_a_killed_process_holds_nothing(held):
    path, process = held
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (path / "lock").exists()  # the file, which the kernel no longer locks
    with RunDirectory(path).lock():
        pass
    assert not any(path.iterdir())


def test_two_runs_of_one_process_do_not_share_a_directory(tmp_path):
    with RunDirectory(tmp_path).lock(), pytest.raises(InputError, match=f"process {os.getpid()} "):
        with RunDirectory(tmp_path).lock():
            pytest.fail("two hold it")


def test_a_lock_whose_file_was_removed_in_between_is_no_lock(tmp_path, monkeypatch):
    """The holder removes the file and goes; who opened it before would lock what nobody sees."""
    flock, calls = run_directory.fcntl.flock, []

    def late(descriptor, operation):
        if not calls:
            (tmp_path / "lock").unlink()
        calls.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(run_directory.fcntl, "flock", late)
    with RunDirectory(tmp_path).lock():
        assert len(calls) == 2 and (tmp_path / "lock").exists()


def test_only_directories_that_stay_empty_are_removed(tmp_path):
    with RunDirectory(tmp_path / "runs/new").lock():
        assert (tmp_path / "runs/new/lock").exists()
    assert not (tmp_path / "runs").exists()
    with RunDirectory(tmp_path / "runs/new").lock():
        RunDirectory(tmp_path / "runs/new").prepare("--epochs=1", resume=False)
    assert (tmp_path / "runs/new/flags.txt").exists()
    assert not (tmp_path / "runs/new/lock").exists()


@pytest.mark.parametrize("kind", ["file system", "platform"])
def test_where_there_are_no_locks_it_says_so(tmp_path, monkeypatch, caplog, kind):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    if kind == "platform":
        monkeypatch.setattr(run_directory, "fcntl", None)
    else:
        monkeypatch.setattr(run_directory.fcntl, "flock", refuse)
    with RunDirectory(tmp_path / "run").lock(), RunDirectory(tmp_path / "run").lock():
        RunDirectory(tmp_path / "run").prepare("", resume=False)
    assert caplog.text.count(str(tmp_path / "run")) == 2
    assert {"platform": "No locks on", "file system": "No locks avail"}[kind] in caplog.text


def test_the_end_of_an_epoch_is_noted(tmp_path):
    assert RunDirectory(tmp_path).last_epoch_end() is None
    RunDirectory(tmp_path).note_epoch_end(12)
    assert RunDirectory(tmp_path).last_epoch_end() == 12
    (tmp_path / "last_epoch.json").write_text("[]")
    assert RunDirectory(tmp_path).last_epoch_end() is None
