"""Writing files: which errors mean that the disk is full."""

import errno
import os
import pathlib

import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import is_disk_full, remove_leftovers, replacing, replacing_directory


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EFBIG, "File too large"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        # As h5py words what HDF5 tells it.
        (OSError("Can't write data (file write failed: errno = 28, error message = 'No')"), True),
        (RuntimeError("Can't decrement id ref count (file write failed: errno = 28)"), True),
        (RuntimeError("Can't decrement id ref count (file write failed: errno = 5)"), False),
        (RuntimeError("28 problems"), False),
    ],
)
def test_errors_of_a_full_disk(error, expected):
    assert is_disk_full(error) is expected


@pytest.mark.parametrize("write", [replacing, replacing_directory])
def test_an_address_is_no_place_to_write_to(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="an address of gs://"), write("gs://bucket/model"):
        pass
    assert not any(tmp_path.iterdir())


def test_a_directory_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "directory"
    with pytest.raises(KeyboardInterrupt):
        with replacing_directory(target) as temporary:
            (temporary / "part").write_text("half")
            raise KeyboardInterrupt
    assert list(target.parent.iterdir()) == []
    with replacing_directory(target) as temporary:
        (temporary / "part").write_text("whole")
        assert not target.exists()
    assert (target / "part").read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_link_to_a_directory_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with replacing_directory(tmp_path / "link") as temporary:
        (temporary / "a.txt").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "new"


def test_a_signal_between_the_two_renames_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").write_text("")
    rename = pathlib.Path.rename

    def interrupted(path, target):
        rename(path, target)
        if path.name == "model":
            raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing_directory(tmp_path / "model") as directory:
        (directory / "new").write_text("")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == [
        "model",
        "model/old",
    ]


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError) as raised, replacing(tmp_path / "a.png"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(tmp_path / "a.png")


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_path_without_a_name_is_no_file(path):
    with pytest.raises(IsADirectoryError, match="Is a directory"), replacing(path):
        pass


def test_what_killed_processes_left_of_a_file(tmp_path):
    ended, running = 2**22 + 1, os.getppid()  # beyond the largest number that Linux gives
    for name in ("a", "b"):
        for process in (ended, running):
            (tmp_path / f".{name}.{process}.tmp.png").write_text("half")
    (tmp_path / ".a.hidden.tmp.png").write_text("another's")
    remove_leftovers(tmp_path / "a.png")
    left = {f".a.{running}.tmp.png", f".b.{running}.tmp.png", ".a.hidden.tmp.png"}
    assert {path.name for path in tmp_path.iterdir()} == left | {f".b.{ended}.tmp.png"}
    remove_leftovers(tmp_path / "*.png")
    assert {path.name for path in tmp_path.iterdir()} == left
