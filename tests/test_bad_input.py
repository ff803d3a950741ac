"""Every command meets bad input with one clear line, a non-zero status and no trace on disk."""

import errno
import hashlib
import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from tiny_training import CONFIG, PRETRAINING, flags_of, save_damsm

from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.session import checkpoints

COMMANDS = (
    *("prepare_data", "pretrain_damsm", "train", "finetune", "sample"),
    *("evaluate", "convert", "export", "visualize", "demo"),
)


def digests(directory):
    """What a directory holds, to be compared before and after."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def assert_in_order(line, *parts):
    position = 0
    for part in parts:
        assert str(part) in line[position:], (part, line)
        position = line.index(str(part), position) + len(str(part))


@pytest.fixture
def train_line(error_line, prepared_data, damsm_directory, tmp_path):
    """The error line of `train` on the tiny data, with some flags changed; no run is left."""

    def run(*changes, trace=False):
        flags = (f"--data={prepared_data}", f"--damsm={damsm_directory}", f"--run={tmp_path}/run")
        line = error_line("train", *flags, *flags_of(CONFIG), *changes)
        assert trace or not (tmp_path / "run").exists()
        return line

    return run


@pytest.fixture
def pretrain_line(error_line, prepared_data, tmp_path):
    """The same of `pretrain_damsm`."""

    def run(*changes):
        flags = (f"--data={prepared_data}", f"--run={tmp_path}/run")
        line = error_line("pretrain_damsm", *flags, *flags_of(PRETRAINING), "--epochs=1", *changes)
        assert not (tmp_path / "run").exists()
        return line

    return run


@pytest.fixture
def prepare_line(error_line, image_folder, tmp_path):
    """The same of `prepare_data`, which may leave marks of its progress but nothing to read."""

    def run(*changes):
        flags = (f"--source={image_folder}", f"--output={tmp_path}/data", "--image_size=32")
        line = error_line("prepare_data", *flags, *changes)
        assert not (tmp_path / "data/dataset.json").exists()
        return line

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_flag(error_line, command):
    line = error_line(command, "--bach_size=4")
    assert_in_order(line, "'bach_size'", "--help")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_word_that_is_no_flag(error_line, command):
    assert_in_order(error_line(command, "batch_size=4"), "flags only", "batch_size=4")


def test_a_flag_of_the_wrong_kind_and_a_flag_file_that_is_not_there(error_line, tmp_path):
    assert "epochs" in error_line("train", "--epochs=many")
    assert "none.txt" in error_line("train", f"--flagfile={tmp_path}/none.txt")


def test_no_such_folder(prepare_line, pretrain_line, train_line, error_line, tmp_path):
    none = tmp_path / "none"
    assert_in_order(prepare_line(f"--source={none}"), none, "no folder")
    assert_in_order(pretrain_line(f"--data={none}"), none, "prepare_data")
    assert_in_order(train_line(f"--data={none}"), none, "prepare_data")
    assert_in_order(train_line(f"--damsm={none}"), none, "dmgan_tf.pretrain_damsm")
    assert str(none) in error_line("sample", f"--model={none}", "--caption=a red disc")
    assert not none.exists()


def test_a_folder_without_captions(prepare_line, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    Image.new("RGB", (40, 40)).save(folder / "1.png")
    assert_in_order(prepare_line(f"--source={folder}"), "metadata.jsonl", "no captions", folder)


def test_an_image_smaller_than_the_target(prepare_line):
    line = prepare_line("--image_size=64")
    assert_in_order(line, ".png", "40x40", "--small_images")


def test_a_data_set_is_not_replaced_by_another(error_line, prepared_data, image_folder):
    before = digests(prepared_data)
    flags = (f"--source={image_folder}", f"--output={prepared_data}", "--image_size=16")
    assert_in_order(error_line("prepare_data", *flags), prepared_data, "--overwrite")
    assert digests(prepared_data) == before


def test_an_output_that_is_a_file(prepare_line, tmp_path):
    (tmp_path / "data").write_text("mine")
    assert str(tmp_path / "data") in prepare_line()
    assert (tmp_path / "data").read_text() == "mine"


def test_a_directory_that_is_no_prepared_data(train_line, pretrain_line, image_folder):
    for line in (train_line, pretrain_line):
        assert_in_order(line(f"--data={image_folder}"), image_folder, "prepare_data")


def test_data_prepared_for_smaller_images(train_line, pretrain_line):
    assert_in_order(train_line("--num_stages=3"), "64 pixels", "prepared for 32", "--image_size=64")
    assert_in_order(pretrain_line("--image_size=64"), "64 pixels", "prepared for 32")


@pytest.mark.parametrize(
    ("flag", "part"),
    [
        ("--base_size=20", "--base_size to be a power of two"),
        ("--objective=hinge", "'hinge'"),
        ("--seed=-1", "--seed"),
        ("--batch_size=15", "14 images"),
        ("--sample_captions=zeppelin", "zeppelin"),
    ],
)
def test_training_settings_that_cannot_be(train_line, flag, part):
    assert part in train_line(flag)


@pytest.mark.parametrize(
    ("flag", "part"),
    [
        ("--dropout=1.5", "--dropout"),
        ("--word_dim=7", "--word_dim to be an even number"),
        ("--encoder_input_size=20", "multiple of 16"),
        ("--seed=-1", "--seed"),
        ("--batch_size=15", "14 images"),
        ("--image_weights=w.weights.h5", "--image_backbone=inception_v3"),
    ],
)
def test_pretraining_settings_that_cannot_be(pretrain_line, flag, part):
    assert part in pretrain_line(flag)


def test_a_vocabulary_that_is_not_the_encoders(train_line, prepared_data, tmp_path):
    save_damsm(tmp_path / "other", Vocabulary(["a", "cat", "dog"]))
    line = train_line(f"--damsm={tmp_path / 'other'}")
    assert_in_order(line, prepared_data, tmp_path / "other")


def test_a_damsm_without_image_encoder(train_line, prepared_data, tmp_path):
    vocabulary = Vocabulary.load(prepared_data / "vocabulary.txt")
    save_damsm(tmp_path / "text_only", vocabulary, with_image_encoder=False)
    line = train_line(f"--damsm={tmp_path / 'text_only'}")
    assert_in_order(line, tmp_path / "text_only", "image encoder", "dmgan_tf.pretrain_damsm")


@pytest.mark.parametrize("damage", ["truncated", "missing", "other vocabulary"])
def test_a_damaged_damsm(train_line, damsm_directory, tmp_path, damage):
    damsm = shutil.copytree(damsm_directory, tmp_path / "damaged")
    weights = damsm / "image_encoder.weights.h5"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "missing":
        weights.unlink()
    else:
        Vocabulary(["cat"]).save(damsm / "vocabulary.txt")
    assert str(damsm) in train_line(f"--damsm={damsm}")


@pytest.mark.parametrize("command", ["train", "pretrain_damsm"])
def test_a_directory_that_holds_another_run(
    error_line, prepared_data, damsm_directory, tmp_path, command
):
    run = tmp_path / "run"
    run.mkdir()
    (run / "flags.txt").write_text("--epochs=9\n")
    flags = [f"--data={prepared_data}", f"--run={run}"]
    if command == "train":
        flags += [f"--damsm={damsm_directory}", *flags_of(CONFIG)]
    else:
        flags += flags_of(PRETRAINING)
    assert_in_order(error_line(command, *flags), run, "--resume", "--run")
    assert digests(run).keys() == {"flags.txt"}
    assert (run / "flags.txt").read_text() == "--epochs=9\n"


def test_a_run_directory_that_is_a_file(train_line, tmp_path):
    (tmp_path / "run").write_text("mine")
    assert "to be a directory" in train_line(trace=True)
    assert (tmp_path / "run").read_text() == "mine"


def test_resuming_with_another_architecture(train_line, finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    before = digests(run)
    line = train_line("--resume", "--channels=5", trace=True)
    assert_in_order(line, run, "another architecture", "flags.txt")
    assert digests(run) == before  # the flags that it points to above all


def test_resuming_with_another_batch_size(train_line, finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    before = digests(run)
    line = train_line("--resume", "--batch_size=6", trace=True)
    assert_in_order(line, "3 steps per epoch", "give 2", "flags.txt")
    assert digests(run) == before


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--caption=zeppelin"], "zeppelin"),
        (["--caption=a red disc", "--caption= "], "--caption"),
        (["--caption=a red disc", "--seed=-1"], "seed"),
        (["--captions_file=none.txt"], "none.txt"),
    ],
)
def test_what_cannot_be_drawn(error_line, vivid_model, tmp_path, arguments, part):
    output = tmp_path / "out"
    assert part in error_line("sample", f"--model={vivid_model}", f"--output={output}", *arguments)
    assert not output.exists()


def test_a_model_that_cannot_draw(error_line, damsm_directory, vivid_model, tmp_path):
    line = error_line("sample", f"--model={damsm_directory}", "--caption=a red disc")
    assert_in_order(line, damsm_directory, "no generator", "dmgan_tf.train")
    damaged = shutil.copytree(vivid_model, tmp_path / "damaged")
    (damaged / "generator.weights.h5").write_bytes(b"no weights")
    line = error_line("sample", f"--model={damaged}", "--caption=a red disc")
    assert_in_order(line, damaged / "generator.weights.h5")
    (damaged / "config.json").write_text("{")
    line = error_line("sample", f"--model={damaged}", "--caption=a red disc")
    assert_in_order(line, damaged / "config.json")


def test_a_disk_that_fills_up_within_a_checkpoint(
    run_command, train_line, prepared_data, damsm_directory, finished_run, tmp_path, monkeypatch
):
    savez = np.savez

    def fill_up(path, **arrays):
        savez(path, **dict(list(arrays.items())[: len(arrays) // 2]))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run = shutil.copytree(finished_run, tmp_path / "run")
    before = digests(run / "checkpoints")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.np, "savez", fill_up)
        line = train_line("--epochs=3", "--resume", trace=True)
    assert_in_order(line, "disk full", "step-00000009.npz", "last good one is step 6", "--resume")
    assert digests(run / "checkpoints") == before
    flags = (f"--data={prepared_data}", f"--damsm={damsm_directory}", f"--run={run}")
    status, _, stderr = run_command("train", *flags, *flags_of(CONFIG), "--epochs=2", "--resume")
    assert status == 0 and "steps so far: 6" in (run / "model/README.md").read_text(), stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MiB in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield disk
    # Lazily: the run that ended in an error may not have closed its log yet.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk(
    error_line, run_command, prepared_data, damsm_directory, finished_run, small_disk
):
    run = shutil.copytree(finished_run, small_disk / "run")
    before = {part: digests(run / part) for part in ("model", "checkpoints")}
    ballast = small_disk / "ballast"
    with pytest.raises(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))
    os.truncate(ballast, ballast.stat().st_size - 200_000)  # enough for logs and a sheet
    flags = [
        f"--data={prepared_data}",
        f"--damsm={damsm_directory}",
        f"--run={run}",
        *flags_of(CONFIG),
    ]
    line = error_line("train", *flags, "--epochs=3", "--resume")
    assert_in_order(line, "disk full", "last good one is step 6", "--resume")
    assert {part: digests(run / part) for part in before} == before
    ballast.unlink()
    status, _, stderr = run_command("train", *flags, "--epochs=3", "--resume")
    assert status == 0 and "steps so far: 9" in (run / "model/README.md").read_text(), stderr
