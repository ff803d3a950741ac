import dataclasses
import hashlib
import json
import logging
import os
import resource
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.data import preparation, records
from dmgan_tf.data.sources.image_folder import embedded_dataset_path, read_image_folder
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary

FINGERPRINT_OF_EMOJI = "6949fce316163729513a96adf95e668f6bbb535e40d10c8a61057f36e1e67adf"
COLOURS = ["red", "green", "blue", "white", "black", "yellow"]


def make_image(folder, number, captions=None, size=20):
    path = folder / f"{number}.png"
    if size:
        pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    captions = captions or (f"a {COLOURS[number % 6]} square", "a square")
    return CaptionedImage(path, path.name, tuple(captions), class_id=number // 2)


@pytest.fixture
def splits(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    return {
        "train": [make_image(folder, number) for number in range(10)],
        "test": [make_image(folder, number) for number in range(10, 14)],
    }


def prepare(splits, output, **settings):
    return preparation.prepare(splits, output, **{"name": "squares", "image_size": 16, **settings})


def read_all(info, split):
    dataset = tf.data.TFRecordDataset(info.shard_paths(split)).map(records.parse_example)
    return list(dataset.as_numpy_iterator())


def digests(directory):
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_what_is_written(splits, tmp_path):
    info = prepare(splits, tmp_path / "out", num_shards=3)
    assert records.load_dataset_info(tmp_path / "out") == info
    train, test = info.splits["train"], info.splits["test"]
    assert (train.num_images, train.num_captions, train.num_classes) == (10, 20, 5)
    assert (test.num_images, test.num_captions, test.num_classes) == (4, 8, 2)
    assert [shard.num_images for shard in train.shards] == [3, 3, 4]
    assert (info.image_size, info.stored_size, info.skipped) == (16, 19, {})
    assert info.vocabulary().words[1:3] == ("a", "square")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "dataset.json",
        "source_versions.json",
        "vocabulary.txt",
        "test-00000-of-00001.tfrecord",
        *(f"train-{index:05d}-of-00003.tfrecord" for index in range(3)),
    }
    stored = read_all(info, "train")
    assert {row["file_name"].decode() for row in stored} == {f"{n}.png" for n in range(10)}
    assert [row["file_name"] for row in stored] != sorted(row["file_name"] for row in stored)
    assert [row["file_name"] for row in read_all(info, "test")] == [
        f"{number}.png".encode() for number in range(10, 14)
    ]
    for row in stored:
        number = int(row["file_name"].decode().removesuffix(".png"))
        assert row["class_id"] == number // 2
        assert list(row["captions"]) == [f"a {COLOURS[number % 6]} square".encode(), b"a square"]
        assert tf.io.decode_jpeg(row["image"]).shape == (19, 19, 3)


def test_bytes_do_not_depend_on_the_workers(splits, tmp_path):
    prepare(splits, tmp_path / "one", num_workers=1, num_shards=2)
    prepare(splits, tmp_path / "many", num_workers=7, num_shards=2)
    assert digests(tmp_path / "one") == digests(tmp_path / "many")


def test_vocabulary_is_that_of_the_training_captions(splits, tmp_path):
    splits["test"].append(make_image(tmp_path, 20, ["a purple square"]))
    assert prepare(splits, tmp_path / "out").vocabulary().id_of("purple") is None


def test_given_vocabulary_is_kept_word_for_word(splits, tmp_path):
    vocabulary = Vocabulary(["zebra", "square", "a"])
    info = prepare(splits, tmp_path / "out", vocabulary=vocabulary)
    assert info.vocabulary() == vocabulary


def test_skips_are_counted_named_and_left_out(splits, tmp_path, caplog):
    folder = tmp_path / "source"
    (folder / "0.png").write_bytes((folder / "0.png").read_bytes()[:200])
    (folder / "1.png").unlink()
    splits["train"] += [
        make_image(folder, 30, [""]),
        make_image(folder, 31, ["", "a square"]),
        make_image(folder, 32, size=8),
    ]
    splits["test"].append(make_image(folder, 33, ["purple", "pink"]))
    with caplog.at_level(logging.WARNING):
        info = prepare(
            splits, tmp_path / "out", small_images="skip", max_skipped_fraction=0.5, num_shards=2
        )
    assert info.skipped == {
        "broken image": 1,
        "missing image": 1,
        "small image": 1,
        "no caption": 2,
        "empty caption": 2,
        "caption without a known word": 2,
    }
    assert (info.splits["train"].num_images, info.splits["test"].num_images) == (9, 4)
    names = {row["file_name"] for row in read_all(info, "train")}
    assert names == {f"{n}.png".encode() for n in (2, 3, 4, 5, 6, 7, 8, 9, 31)}
    lines = (tmp_path / "out/skipped.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 9 and any(line.startswith("0.png\tbroken image\t") for line in lines)
    assert any("Skipped 0.png: broken image" in line for line in caplog.messages)


def test_too_many_skips_are_an_error_that_a_higher_limit_mends(splits, tmp_path):
    for number in (0, 1):
        (tmp_path / f"source/{number}.png").write_bytes(b"")
    with pytest.raises(InputError, match="2 of 14.*broken image.*--max_skipped_fraction"):
        prepare(splits, tmp_path / "out", max_skipped_fraction=0.1)
    assert not (tmp_path / "out/dataset.json").exists()
    assert prepare(splits, tmp_path / "out", max_skipped_fraction=0.2).skipped


def test_a_mended_image_of_the_same_size_is_read_again(splits, tmp_path, monkeypatch):
    path = tmp_path / "source/3.png"
    splits["test"][0] = make_image(tmp_path / "source", 10, ["purple", "a square"])
    right = path.read_bytes()
    path.write_bytes(bytes(len(right)))
    with pytest.raises(InputError, match="1 of 14.*Repair the source and start again"):
        prepare(splits, tmp_path / "out", max_skipped_fraction=0, num_shards=2)
    path.write_bytes(right)
    read, encode = [], preparation.encode_image
    monkeypatch.setattr(
        preparation, "encode_image", lambda image, *s: read.append(image.path) or encode(image, *s)
    )
    info = prepare(splits, tmp_path / "out", max_skipped_fraction=0, num_shards=2)
    assert info.splits["train"].num_images == 10
    assert info.skipped == {"caption without a known word": 1}
    assert path in read and len(read) == 5  # the other two shards had lost no image
    assert "3.png" not in (tmp_path / "out/skipped.txt").read_text()


def test_no_list_of_skips_is_left_once_there_are_none(splits, tmp_path):
    path = tmp_path / "source/3.png"
    right = path.read_bytes()
    path.write_bytes(bytes(len(right)))
    with pytest.raises(InputError, match="1 of 14"):
        prepare(splits, tmp_path / "out", max_skipped_fraction=0)
    path.write_bytes(right)
    prepare(splits, tmp_path / "out", max_skipped_fraction=0)
    assert not (tmp_path / "out/skipped.txt").exists()


def test_an_unfinished_data_set_goes_on_with_images_that_were_mended(splits, tmp_path):
    (tmp_path / "source/3.png").write_bytes(b"")
    with pytest.raises(InputError, match="1 of 14"):
        prepare(splits, tmp_path / "out", max_skipped_fraction=0)
    make_image(tmp_path / "source", 3)
    prepare(splits, tmp_path / "out", max_skipped_fraction=0)
    prepare(splits, tmp_path / "new", max_skipped_fraction=0)
    assert digests(tmp_path / "out") == digests(tmp_path / "new")


def test_an_unfinished_data_set_of_a_source_that_changed(splits, tmp_path):
    (tmp_path / "source/3.png").write_bytes(b"")
    with pytest.raises(InputError, match="1 of 14"):
        prepare(splits, tmp_path / "out", max_skipped_fraction=0)
    splits["test"].pop()
    with pytest.raises(InputError) as caught:
        prepare(splits, tmp_path / "out", max_skipped_fraction=0)
    assert str(caught.value) == (
        "Expected an empty directory, or one that contains this data set, at "
        f"{tmp_path / 'out'}. Received: an unfinished one, of a source or settings that have "
        "changed since. Give --overwrite to start again, or choose another --output."
    )


def mend(path, size=20, seed=99, keep_times=True):
    """Another image in place of one, of as many bytes if it is a BMP of the same size."""
    status = path.stat()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    if keep_times:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture
def bitmaps(tmp_path):
    """Images whose files keep their size when they are mended."""
    folder = tmp_path / "bitmaps"
    folder.mkdir()
    paths = [folder / f"{number}.bmp" for number in range(6)]
    for number, path in enumerate(paths):
        Image.new("RGB", (20, 20), (40 * number, 0, 0)).save(path)
    images = [CaptionedImage(path, path.name, ("a square",), n) for n, path in enumerate(paths)]
    return {"train": images[:4], "test": images[4:]}


@pytest.mark.parametrize("size", [20, 24])
def test_mended_images_are_prepared_again(bitmaps, tmp_path, caplog, size):
    """Also where they have the size and the time of those before."""
    output = tmp_path / "out"
    prepare(bitmaps, output, num_shards=2)
    before = digests(output)
    mend(bitmaps["train"][1].path, size)
    info = prepare(bitmaps, output, num_shards=2)
    assert "1 images have changed since" in caplog.text and "1.bmp" in caplog.text
    prepare(bitmaps, tmp_path / "new", num_shards=2)
    assert digests(output) == digests(tmp_path / "new")
    changed = {name for name, digest in digests(output).items() if before[name] != digest}
    assert len([name for name in changed if name.endswith(".tfrecord")]) == 1
    caplog.clear()
    assert prepare(bitmaps, output, num_shards=2) == info
    assert "changed" not in caplog.text


def test_a_copy_of_the_source_is_not_prepared_again(bitmaps, tmp_path, monkeypatch):
    info = prepare(bitmaps, tmp_path / "out")
    folder = bitmaps["train"][0].path.parent
    shutil.copytree(folder, tmp_path / "checkout", copy_function=shutil.copyfile)
    shutil.rmtree(folder)
    os.rename(tmp_path / "checkout", folder)
    monkeypatch.setattr(preparation, "encode_image", lambda *_: pytest.fail("read again"))
    assert prepare(bitmaps, tmp_path / "out") == info


def test_images_that_are_gone_take_none_from_a_data_set(bitmaps, tmp_path):
    prepare(bitmaps, tmp_path / "out")
    before = digests(tmp_path / "out")
    bitmaps["train"][1].path.unlink()
    with pytest.raises(InputError, match="another source or other settings"):
        prepare(bitmaps, tmp_path / "out", max_skipped_fraction=0.5)
    assert digests(tmp_path / "out") == before


@pytest.mark.parametrize("content", [None, "", "[]", '{"identity": ""}'])
def test_a_data_set_of_an_earlier_version_is_whole(bitmaps, tmp_path, monkeypatch, content):
    """It says nothing of its images but their sizes; no more does one whose list is damaged."""
    info = prepare(bitmaps, tmp_path / "out")
    path = tmp_path / "out/source_versions.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(preparation, "encode_image", lambda *_: pytest.fail("read again"))
    assert prepare(bitmaps, tmp_path / "out") == info


def test_finished_shards_are_made_again_for_a_mended_image_alone(bitmaps, tmp_path, monkeypatch):
    encode, read = preparation.encode_image, []

    def failing(image, *arguments):
        read.append(image.file_name)
        if image.file_name == "5.bmp":
            raise KeyboardInterrupt
        return encode(image, *arguments)

    monkeypatch.setattr(preparation, "encode_image", failing)
    with pytest.raises(KeyboardInterrupt):
        prepare(bitmaps, tmp_path / "out", num_shards=2, num_workers=1)
    assert len(read) >= 5
    mend(bitmaps["train"][0].path)
    read.clear()
    monkeypatch.setattr(
        preparation, "encode_image", lambda image, *s: read.append(image) or encode(image, *s)
    )
    prepare(bitmaps, tmp_path / "out", num_shards=2, num_workers=1)
    assert len(read) == 2 + 2 and bitmaps["train"][0] in read
    prepare(bitmaps, tmp_path / "new", num_shards=2)
    assert digests(tmp_path / "out") == digests(tmp_path / "new")


def test_nothing_but_broken_images(splits, tmp_path):
    for path in (tmp_path / "source").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="14 of 14"):
        prepare(splits, tmp_path / "out", max_skipped_fraction=1.0)


def test_small_image_is_an_error_by_default(splits, tmp_path):
    splits["train"].append(make_image(tmp_path / "source", 30, size=8))
    with pytest.raises(InputError, match="8x8"):
        prepare(splits, tmp_path / "out")


def test_interrupted_preparation_goes_on(splits, tmp_path, monkeypatch):
    prepare(splits, tmp_path / "whole", num_shards=3)
    encode = preparation.encode_image
    calls = []

    def failing(path, *arguments):
        calls.append(path)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return encode(path, *arguments)

    monkeypatch.setattr(preparation, "encode_image", failing)
    with pytest.raises(KeyboardInterrupt):
        prepare(splits, tmp_path / "out", num_shards=3, num_workers=1)
    assert not (tmp_path / "out/dataset.json").exists()
    assert not list((tmp_path / "out").glob(".*tmp*"))
    (tmp_path / "out/.train-00002-of-00003.1.tmp.tfrecord").write_bytes(b"of a killed process")
    first = tmp_path / "out/train-00000-of-00003.tfrecord"
    written = first.stat().st_mtime_ns
    calls = [None] * 10  # so that no call fails
    prepare(splits, tmp_path / "out", num_shards=3, num_workers=1)
    assert len(calls) == 10 + 8  # the six images of two finished shards were not read again
    assert first.stat().st_mtime_ns == written
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_full_disk_is_an_error_of_the_system_and_leaves_no_half_shard(splits, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        with pytest.raises(OSError, match="Cannot write"):
            prepare(splits, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((tmp_path / "out").glob("*.tfrecord"))
    assert prepare(splits, tmp_path / "out").splits["train"].num_images == 10


def test_a_whole_data_set_is_left_alone_and_a_lost_shard_made_again(splits, tmp_path, monkeypatch):
    prepare(splits, tmp_path / "out", num_shards=2)
    before = digests(tmp_path / "out")
    (tmp_path / "out/train-00001-of-00002.tfrecord").unlink()
    prepare(splits, tmp_path / "out", num_shards=2)
    assert digests(tmp_path / "out") == before
    monkeypatch.setattr(preparation, "encode_image", lambda *_: pytest.fail("read again"))
    prepare(splits, tmp_path / "out", num_shards=2)
    assert digests(tmp_path / "out") == before


def test_another_data_set_is_not_overwritten(splits, tmp_path):
    prepare(splits, tmp_path / "out")
    before = digests(tmp_path / "out")
    other = {**splits, "test": splits["test"][1:]}
    for changed, settings in ((other, {}), (splits, {"image_size": 18})):
        with pytest.raises(InputError, match="another source or other settings"):
            prepare(changed, tmp_path / "out", **settings)
    assert digests(tmp_path / "out") == before
    (tmp_path / "out/notes.txt").write_text("mine")
    preparation.remove_dataset(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]
    assert prepare(other, tmp_path / "out").splits["test"].num_images == 3


def test_what_is_to_be_overwritten_stays_if_the_new_data_cannot_be_prepared(splits, tmp_path):
    prepare(splits, tmp_path / "out")
    before = digests(tmp_path / "out")
    with pytest.raises(InputError, match="in \\[0, 1\\]. Received: 10"):
        prepare(splits, tmp_path / "out", overwrite=True, max_skipped_fraction=10)
    with pytest.raises(InputError):
        prepare(splits, tmp_path / "out", overwrite=True, min_word_count=1000)
    assert digests(tmp_path / "out") == before
    info = prepare(splits, tmp_path / "out", overwrite=True, image_size=18)
    assert info.image_size == 18


def test_a_validation_split(splits, tmp_path):
    held_out = [make_image(tmp_path / "source", n, ["a purple square"]) for n in range(20, 24)]
    held_out[3] = make_image(tmp_path / "source", 23, ["pink"])
    divided = {**splits, "validation": held_out}
    info = prepare(divided, tmp_path / "out", num_shards=2)
    assert list(info.splits) == ["train", "test", "validation"]
    assert records.load_dataset_info(tmp_path / "out") == info
    assert info.splits["validation"] == records.Split(
        3, 3, 2, (records.Shard("validation-00000-of-00001.tfrecord", 3),)
    )
    names = [row["file_name"].decode() for row in read_all(info, "validation")]
    assert names == ["20.png", "21.png", "22.png"]  # in order, that without a known word left out
    assert info.skipped["caption without a known word"] == 1
    assert info.vocabulary().id_of("purple") is None  # it is that of the training captions

    assert info.fingerprint != prepare(splits, tmp_path / "two").fingerprint
    preparation.remove_dataset(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_data_sets_without_validation_are_as_they_always_were(tmp_path):
    """One made before there were validation splits is found to be whole, not another one."""
    splits = read_image_folder(embedded_dataset_path())
    info = prepare(splits, tmp_path / "out", name="emoji", image_size=64)
    assert list(info.splits) == ["train", "test"]
    assert info.fingerprint == FINGERPRINT_OF_EMOJI


def test_no_test_images(splits, tmp_path):
    info = prepare({"train": splits["train"], "test": []}, tmp_path / "out")
    assert info.splits["test"] == records.Split(0, 0, 0, ())
    with pytest.raises(InputError, match="images in: train"):
        info.split("test")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"image_size": 8}, "16 pixels"),
        ({"small_images": "crop"}, "small_images"),
        ({"max_skipped_fraction": 2.0}, "fraction"),
        ({"num_shards": 0}, "shards"),
        ({"num_workers": 0}, "workers"),
        ({"min_word_count": 100}, "100 time"),
    ],
)
def test_settings_are_checked(splits, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        prepare(splits, tmp_path / "out", **settings)


def test_progress_marks_are_json_that_names_what_was_skipped(splits, tmp_path):
    Image.new("I;16", (20, 20)).save(tmp_path / "source/3.png")
    with pytest.raises(InputError, match="1 of 14"):
        prepare(splits, tmp_path / "out", max_skipped_fraction=0.0)
    (report,) = (tmp_path / "out/.preparing").glob("train-*.json")
    ((name, reason, _),) = json.loads(report.read_text())["skipped"]
    assert (name, reason) == ("3.png", "unsupported pixels")


def test_too_many_missing_images_are_an_error_before_anything_is_written(splits, tmp_path):
    for number in (3, 12):
        (tmp_path / f"source/{number}.png").unlink()
    with pytest.raises(InputError, match="image .*3.png, .* 2 of 14 .* --max_.*=0.143") as caught:
        prepare(splits, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    fraction = float(str(caught.value).rpartition("=")[2].rstrip("."))
    info = prepare(splits, tmp_path / "out", max_skipped_fraction=fraction)
    assert info.skipped == {"missing image": 2}


def test_images_are_cropped_around_their_boxes(splits, tmp_path):
    first = prepare(splits, tmp_path / "out").fingerprint
    box = (2, 2, 11, 6)
    boxed = [dataclasses.replace(image, box=box) for image in splits["train"]]
    info = prepare({**splits, "train": boxed}, tmp_path / "boxed", small_images="upscale")
    # The middle is (7, 5), half the side 8: from 0 to 15 across, and to 13 down.
    assert all(
        tf.io.decode_jpeg(row["image"]).shape == (16, 18, 3) for row in read_all(info, "train")
    )
    assert all(
        tf.io.decode_jpeg(row["image"]).shape == (19, 19, 3) for row in read_all(info, "test")
    )
    assert info.fingerprint != first
