import json

import pytest
from PIL import Image

from dmgan_tf.data import records, stored


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    lines = []
    for number in range(8):
        Image.new("RGB", (40, 40), (30 * number, 0, 0)).save(folder / f"{number}.jpg")
        lines.append(json.dumps({"file_name": f"{number}.jpg", "text": f"red {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_command_prepares_and_says_what(source, tmp_path, run_command, error_line, caplog):
    (source / "3.jpg").write_bytes((source / "3.jpg").read_bytes()[:300])
    output = tmp_path / "out"
    status, stdout, stderr = run_command(
        "prepare_data",
        "--dataset=image_folder",
        f"--source={source}",
        f"--output={output}",
        "--image_size=32",
        "--test_fraction=0.25",
        "--max_skipped_fraction=0.2",
    )
    assert status == 0, stderr
    assert "skipped: 1 broken image" in stdout
    assert "3.jpg" in caplog.text and "\r" not in stderr  # no bar where there is no terminal
    info = records.load_dataset_info(output)
    assert sum(split.num_images for split in info.splits.values()) == 7
    arguments = (f"--source={source}", f"--output={output}", "--image_size=16")
    assert "--overwrite" in error_line("prepare_data", *arguments)


def validation_names(output):
    listed = stored.list_captions(output, "validation")
    return set(listed.file_names)


def test_validation_images_are_held_out_of_training(source, tmp_path, run_command):
    def prepare(*arguments):
        return run_command(
            "prepare_data",
            f"--source={source}",
            f"--output={tmp_path / 'out'}",
            "--image_size=32",
            "--test_fraction=0.25",
            *arguments,
        )

    assert prepare()[0] == 0
    words = records.load_dataset_info(tmp_path / "out").vocabulary()
    test = stored.list_captions(tmp_path / "out", "test").file_names
    status, _, stderr = prepare("--validation_fraction=0.34")
    assert status == 2 and "--overwrite" in stderr
    status, stdout, stderr = prepare("--validation_fraction=0.34", "--overwrite")
    assert status == 0, stderr
    assert "validation: 2 images of 2 classes, 2 captions, 1 shard(s)" in stdout
    info = records.load_dataset_info(tmp_path / "out")
    assert list(info.splits) == ["train", "validation", "test"]
    assert [split.num_images for split in info.splits.values()] == [4, 2, 2]
    assert stored.list_captions(tmp_path / "out", "test").file_names == test
    held_out = validation_names(tmp_path / "out")
    for name in held_out:  # each has a word of its own: "red 5"
        number = name.removesuffix(".jpg")
        assert words.id_of(number) and not info.vocabulary().id_of(number)

    listing = source / "metadata.jsonl"
    listing.write_text("\n".join(reversed(listing.read_text().split("\n"))))
    assert prepare("--validation_fraction=0.34", "--overwrite")[0] == 0
    assert validation_names(tmp_path / "out") == held_out
    assert prepare("--overwrite")[0] == 0
    assert not list((tmp_path / "out").glob("validation*"))
    assert records.load_dataset_info(tmp_path / "out").splits.keys() == {"train", "test"}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda source: [f"--source={source}/none"], "no folder"),
        (lambda source: [f"--source={source}", "--image_size=64"], "40x40"),
    ],
)
def test_bad_input_is_one_line(source, tmp_path, error_line, change, message):
    assert message in error_line("prepare_data", f"--output={tmp_path / 'out'}", *change(source))


@pytest.mark.parametrize(
    "fraction, message",
    [
        ("-0.1", "[0.0, 0.5]"),
        ("0.6", "[0.0, 0.5]"),
        ("nan", "[0, 0.5]"),
        ("0.05", "0.05 of 7 in {source}, which holds out none. Give 0.14 or more"),
    ],
)
def test_validation_fraction_that_cannot_be_used(source, tmp_path, error_line, fraction, message):
    line = error_line(
        "prepare_data",
        f"--source={source}",
        f"--output={tmp_path / 'out'}",
        f"--validation_fraction={fraction}",
    )
    assert message.format(source=source) in line
    assert not (tmp_path / "out").exists()


def test_one_class_for_all_is_refused(source, tmp_path, error_line):
    listing = source / "metadata.jsonl"
    lines = [json.loads(line) | {"class_id": 0} for line in listing.read_text().split("\n")]
    listing.write_text("\n".join(map(json.dumps, lines)))
    arguments = (f"--source={source}", f"--output={tmp_path / 'out'}", "--image_size=32")
    line = error_line("prepare_data", *arguments)
    assert "8 of class_id 0 only" in line and "Leave class_id out" in line
    halves = [line | {"class_id": number % 2} for number, line in enumerate(lines)]
    listing.write_text("\n".join(map(json.dumps, halves)))  # one class is held out: one is left
    assert "only" in error_line("prepare_data", *arguments)
    assert not (tmp_path / "out").exists()


def test_the_report_counts_every_file(source, tmp_path, run_command):
    (source / "notes.md").write_text("mine")
    (source / ".DS_Store").write_bytes(b"")
    arguments = (f"--source={source}", f"--output={tmp_path / 'out'}", "--image_size=32")
    for _ in range(2):  # also where there is nothing to do
        status, stdout, stderr = run_command("prepare_data", *arguments)
        assert status == 0, stderr
        assert "skipped: 1 neither an image nor captions" in stdout
        assert (
            "the source has 11 files: 8 images and 1 files of captions used, 1 skipped, "
            "1 ignored (1 hidden)"
        ) in stdout


def test_the_field_of_captions_is_a_flag(source, tmp_path, run_command, error_line):
    listing = source / "metadata.jsonl"
    listing.write_text(listing.read_text().replace('"text"', '"caption"'))
    arguments = (f"--source={source}", f"--output={tmp_path / 'out'}", "--image_size=32")
    assert "--caption_field=caption" in error_line("prepare_data", *arguments)
    assert run_command("prepare_data", *arguments, "--caption_field=caption")[0] == 0
    line = error_line("prepare_data", *arguments, "--dataset=cub", "--caption_field=caption")
    assert "no --caption_field with --dataset=cub" in line


def test_a_vocabulary_that_is_extended(source, tmp_path, run_command, error_line):
    (tmp_path / "words.txt").write_text("<pad>\nbird\nred\n")
    flags = (f"--source={source}", f"--output={tmp_path / 'out'}", "--image_size=32")
    assert "--vocabulary=FILE" in error_line("prepare_data", *flags, "--extend_vocabulary")
    assert not (tmp_path / "out").exists()
    given = f"--vocabulary={tmp_path / 'words.txt'}"
    status, stdout, stderr = run_command("prepare_data", *flags, given, "--extend_vocabulary")
    assert status == 0, stderr
    assert "The captions add 7 words to it." in stdout
    words = records.load_dataset_info(tmp_path / "out").vocabulary().words
    assert words[:3] == ("<pad>", "bird", "red") and len(words) == 10
