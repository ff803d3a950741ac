import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.data import pipeline, preparation, records, stored
from dmgan_tf.data.readable import reading
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer

COUNTS = {"train": 11, "validation": 7, "test": 5}


def captions_of(number):
    return tuple(f"caption {n} of grün {number}" for n in range(1 + number % 3))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Noise of several sizes, stored larger than asked for and, where small, as it is."""
    folder = tmp_path_factory.mktemp("source")
    splits, number = {}, 0
    for split, count in COUNTS.items():
        splits[split] = []
        for _ in range(count):
            shape = [(40, 52, 3), (33, 24, 3), (24, 24, 3)][number % 3]
            pixels = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
            path = folder / f"é{number}.png"
            Image.fromarray(pixels).save(path)
            image = CaptionedImage(path, path.name, captions_of(number), 100 + number)
            splits[split].append(image)
            number += 1
    output = tmp_path_factory.mktemp("prepared")
    preparation.prepare(splits, output, name="noise", image_size=24, num_shards=4)
    return output


def stored_rows(directory, split):
    paths = records.load_dataset_info(directory).shard_paths(split)
    dataset = tf.data.TFRecordDataset(paths).map(records.parse_example)
    return list(dataset.as_numpy_iterator())


def read(directory, **settings):
    settings = {"split": "train", "size": 20, "crop": False, "batch_size": 4, **settings}
    return list(stored.stored_images(directory, **settings).as_numpy_iterator())


@pytest.mark.parametrize("split", COUNTS)
@pytest.mark.parametrize("parsed_together", [2, 256])
def test_every_caption_in_stored_order(directory, split, parsed_together, monkeypatch):
    monkeypatch.setattr(stored, "_PARSED_TOGETHER", parsed_together)
    listed = stored.list_captions(directory, split)
    rows = stored_rows(directory, split)
    assert listed.file_names == [row["file_name"].decode() for row in rows]
    assert listed.class_ids.dtype == np.int64
    np.testing.assert_array_equal(listed.class_ids, [row["class_id"] for row in rows])
    expected = [list(captions_of(number - 100)) for number in listed.class_ids]
    assert listed.captions == expected
    assert [len(captions) for captions in listed.captions].count(1) < COUNTS[split]


def test_captions_are_listed_without_reading_an_image(tmp_path):
    image = CaptionedImage(tmp_path / "1.png", "1.png", ("a red disc",), 0)
    Image.new("RGB", (20, 20)).save(image.path)
    info = preparation.prepare(
        {"train": [image], "test": []}, tmp_path / "out", name="x", image_size=16
    )
    with tf.io.TFRecordWriter(info.shard_paths("train")[0]) as writer:
        writer.write(records.serialize_example(b"no image", ["a red disc"], 0, "1.png"))
    assert stored.list_captions(tmp_path / "out", "train").captions == [["a red disc"]]


@pytest.mark.parametrize(
    ("attribute", "named"), [("hair color", "hair color"), ("a=b", "a=b"), ("hair", "eyes")]
)
def test_attributes_that_a_record_cannot_hold_are_refused(attribute, named):
    with pytest.raises(InputError, match=f"1.png. Received: '{named}'"):
        CaptionedImage(None, "1.png", ("a",), 0, attributes=((attribute, "x"),), named=((named,),))


@pytest.mark.parametrize("split", COUNTS)
@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("size", [9, 24])
def test_images_are_those_of_evaluation_dataset_rounded(directory, split, crop, size):
    tokenizer = Tokenizer(records.load_dataset_info(directory).vocabulary())
    expected = pipeline.evaluation_dataset(
        directory,
        tokenizer=tokenizer,
        image_sizes=(8, size),
        batch_size=100,
        split=split,
        crop=crop,
    )
    (expected,) = [batch["images"][-1] for batch in expected.as_numpy_iterator()]
    batches = read(directory, split=split, crop=crop, size=size)
    assert [len(batch) for batch in batches][:-1] == [4] * (len(batches) - 1)
    images = np.concatenate(batches)
    assert images.dtype == np.uint8 and images.shape == (COUNTS[split], size, size, 3)
    difference = images - (np.float64(expected) + 1) * 127.5
    assert np.abs(difference).max() <= 0.5 + 1e-4


def test_an_image_of_the_right_size_is_its_stored_pixels(directory):
    images = np.concatenate(read(directory, split="test", size=24))
    rows = stored_rows(directory, "test")
    pixels = [tf.io.decode_jpeg(r["image"], dct_method="INTEGER_ACCURATE").numpy() for r in rows]
    same = [n for n, array in enumerate(pixels) if array.shape == (24, 24, 3)]
    assert same
    for number in same:
        np.testing.assert_array_equal(images[number], pixels[number])


def test_shape_and_type_are_known_beforehand(directory):
    dataset = stored.stored_images(
        directory, split="train", size=20, crop=True, batch_size=4, start=3
    )
    assert dataset.element_spec == tf.TensorSpec((None, 20, 20, 3), tf.uint8)
    assert len(dataset) == 2


@pytest.mark.parametrize("start", range(12))
def test_any_image_may_be_the_first(directory, start):
    everything = np.concatenate(read(directory))
    rest = read(directory, start=start)
    assert sum(len(batch) for batch in rest) == 11 - start
    if rest:
        np.testing.assert_array_equal(np.concatenate(rest), everything[start:])


def test_shards_before_the_first_image_are_not_read(directory, tmp_path):
    copy = shutil.copytree(directory, tmp_path / "data")
    info = records.load_dataset_info(copy)
    lengths = [shard.num_images for shard in info.split("train").shards]
    expected = np.concatenate(read(copy))[sum(lengths[:2]) :]
    for path in info.shard_paths("train")[:2]:
        with open(path, "wb") as file:
            file.write(b"damaged")
    images = np.concatenate(read(copy, start=sum(lengths[:2])))
    np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"start": -1}, "from 0 to 11, .* 'train' .* Received: -1"),
        ({"start": 12}, "from 0 to 11, .* 'train' .* Received: 12"),
        ({"size": 25}, "prepared for 25 pixels. Received: .* Prepare it again"),
        ({"size": 0}, "1 or more. Received: 0 and 4"),
        ({"batch_size": 0}, "1 or more. Received: 20 and 0"),
        ({"split": "dev"}, "images in: train, validation, test"),
    ],
)
def test_bad_settings(directory, settings, message):
    with pytest.raises(InputError, match=message):
        read(directory, **settings)


def test_no_data(tmp_path, directory):
    with pytest.raises(InputError, match="no dataset.json in it"):
        stored.list_captions(tmp_path, "train")
    with pytest.raises(InputError, match="images in: train, validation, test"):
        stored.list_captions(directory, "dev")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def lose_records(path):
    """Cuts a shard between two records, which its checksums cannot tell."""
    first = next(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(first)


@pytest.mark.parametrize("damage", [truncate, lose_records])
@pytest.mark.parametrize("start", [None, 0, 10])
def test_a_damaged_shard_is_named(directory, tmp_path, damage, start):
    copy = shutil.copytree(directory, tmp_path / "data")
    damage(copy / "train-00003-of-00004.tfrecord")
    with pytest.raises(InputError, match="train-00003.*prepare the data set again"):
        if start is None:
            stored.list_captions(copy, "train")
        else:
            with reading(records.load_dataset_info(copy)):
                read(copy, start=start)
