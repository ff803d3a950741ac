"""A full disk is one line and status 2, and costs nothing but the time until there is space."""

import errno

import keras
import pytest
from faults.disk_cases import cases
from faults.full_disk import Result, SmallDisk, can_mount, run_cases, table
from tiny_training import make_encoders

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import check_space
from dmgan_tf.models.model_directory import save_model_directory
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.session.callbacks import ScalarLogger


@pytest.fixture
def small_disk(tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("this process may not mount a file system in memory")
    with SmallDisk(tmp_path / "small") as disk:
        yield disk


@pytest.mark.slow
def test_every_writer_survives_a_full_disk(tmp_path):
    """On a small disk, or where none can be mounted those that a limit of file sizes stops."""
    results = run_cases(cases(), tmp_path, can_mount(tmp_path))
    print(table(results))
    assert sum(result.how is not None for result in results) >= 7
    assert [result for result in results if result.problems] == []


def test_prepare_data_on_a_full_disk(small_disk, image_folder, run_command, error_line):
    """The command in this process: it says so, leaves no part of a file, and goes on."""
    output = small_disk.path / "data"
    flags = f"--source={image_folder}", "--image_size=32", f"--output={output}"
    small_disk.leave(16_384)
    assert "No space left on device" in error_line("prepare_data", *flags)
    assert list(output.glob(".*.tmp*")) == [] and not (output / "dataset.json").exists()
    small_disk.free()
    assert run_command("prepare_data", *flags)[0] == 0
    assert (output / "dataset.json").exists() and not (output / ".preparing").exists()


def test_a_picture_on_a_full_disk(small_disk, error_line, vivid_model):
    """What was drawn before the disk was full is whole."""
    small_disk.leave(16_384)
    output = small_disk.path / "samples"
    line = error_line(
        *("sample", f"--model={vivid_model}", "--caption=a red disc", "--num_samples=8"),
        f"--output={output}",
    )
    assert line.startswith("error: disk full while writing ") and "Free some space" in line
    pictures = sorted(output.iterdir())
    assert pictures and all(path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in pictures)


def test_space_is_asked_for_and_not_taken(small_disk):
    check_space(small_disk.path, 1_000_000)
    small_disk.leave(65_536)
    for _ in range(3):
        check_space(small_disk.path, 60_000)
    with pytest.raises(OSError) as raised:
        check_space(small_disk.path, 70_000)
    assert raised.value.errno == errno.ENOSPC
    assert [path.name for path in small_disk.path.iterdir()] == ["filling"]


def test_weights_that_do_not_fit_are_not_begun(small_disk, monkeypatch):
    """HDF5 would print tracebacks and crash when the process ends."""
    vocabulary = Vocabulary(["a", "red", "disc"])
    text_encoder = make_encoders(vocabulary).text_encoder
    small_disk.leave(16_384)
    monkeypatch.setattr(keras.Model, "save_weights", lambda *_: pytest.fail("begun"))
    with pytest.raises(InputError, match="disk full while writing the model"):
        save_model_directory(
            small_disk.path / "model", vocabulary=vocabulary, text_encoder=text_encoder
        )
    assert [path.name for path in small_disk.path.iterdir()] == ["filling"]


def test_logs_on_a_full_disk(small_disk):
    small_disk.leave(0)
    with pytest.raises(InputError, match="disk full while writing the TensorBoard logs"):
        ScalarLogger(small_disk.path / "logs").on_train_begin()


def test_the_table_counts():
    results = [
        Result("a", "tmpfs", "error: disk full", []),
        Result("b", "tmpfs", "", ["exit status 1"]),
        Result("c", None, "", []),
    ]
    lines = table(results).splitlines()
    assert "tried 2, survived 1, lost 1" in lines
    assert "not tried, for mounting is not allowed: 1" in lines
