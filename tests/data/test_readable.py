import json
import logging
import os
import shutil

import damaged_records as damaged
import numpy as np
import pytest
import tensorflow as tf
from damaged_records import NUM_IMAGES, example, jpeg_of, shard, start_of

from dmgan_tf.data import epochs, pipeline, records, stored
from dmgan_tf.data.readable import reading, scan_split
from dmgan_tf.data.record_file import find_records, masked_checksum, read_record
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer

BATCH, STEPS = 6, 6  # an epoch of 36 of the 40 images


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared")
    damaged.prepare_greys(tmp_path_factory.mktemp("source"), output)
    return output


@pytest.fixture
def directory(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "data")


def scan(directory, max_skipped_fraction=0.5, split="train"):
    return scan_split(records.load_dataset_info(directory), split, max_skipped_fraction)


def batches(directory, readable=None, **settings):
    tokenizer = Tokenizer(records.load_dataset_info(directory).vocabulary())
    settings = {"image_sizes": (20,), "batch_size": BATCH, "num_steps": 3 * STEPS, **settings}
    dataset = pipeline.training_dataset(
        directory, tokenizer=tokenizer, readable=readable, **settings
    )
    return list(dataset.as_numpy_iterator())


def assert_same(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def image_numbers(batches):
    """The numbers of the images, by their grey level."""
    levels = np.concatenate([batch["images"][0] for batch in batches]).mean((1, 2, 3))
    return np.round((levels + 1) * 127.5 / 6).astype(int)


def numbers_in(path):
    return [int(name.removesuffix(".png")) for name in damaged.file_names(path)]


def test_a_whole_data_set_is_trained_on_as_without_a_scan(directory, caplog):
    readable = scan(directory, 0.0)
    assert (readable.num_records, readable.num_skipped, readable.num_listed) == (40, 0, 40)
    assert readable.summary() == "all 40 records of 'train' are readable" and not caplog.messages
    assert [one.num_first for one in readable.shards] == [10] * 4
    expected = batches(directory, max_words=1)
    for cache in (True, False):
        assert_same(expected, batches(directory, readable, max_words=1, cache=cache))
    rest = batches(directory, readable, max_words=1, cache=False, start_step=8)
    assert_same(expected[8:], rest)


DAMAGE = {
    "a byte of an image": (
        lambda path: damaged.change_byte(path, start_of(path, 4) + 200),
        "checksum",
    ),
    "a checksum": (lambda path: damaged.change_byte(path, start_of(path, 5) - 2), "checksum"),
    "a length": (lambda path: damaged.change_byte(path, start_of(path, 4)), "missing"),
    "a cut": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "missing"),
    "a record less": (lambda path: damaged.write(path, damaged.read(path)[:-1]), "missing"),
    "no example": (lambda path: damaged.replace_record(path, 4, b"\xff" * 9), "no captioned image"),
    "nothing": (lambda path: damaged.replace_record(path, 4, b""), "no captioned image"),
    "no captions": (
        lambda path: damaged.replace_record(path, 4, example(captions=())),
        "no usable captions",
    ),
    "an empty caption": (
        lambda path: damaged.replace_record(path, 4, example(captions=("grey", ""))),
        "no usable captions",
    ),
    "unknown words": (
        lambda path: damaged.replace_record(path, 4, example(captions=("un oiseau",))),
        "no usable captions",
    ),
    "other bytes than text": (
        lambda path: damaged.replace_record(path, 4, example(captions=(b"grey \xff",))),
        "no usable captions",
    ),
    "half a JPEG": (
        lambda path: damaged.replace_record(path, 4, example(jpeg_of(24, 30)[:-60])),
        "broken image",
    ),
    "no JPEG": (lambda path: damaged.replace_record(path, 4, example(b"GIF89a")), "broken image"),
    "30,000 pixels squared": (
        lambda path: damaged.replace_record(
            path, 4, example(jpeg_of(24, 30, claimed=(30_000, 30_000)))
        ),
        "image of another size",
    ),
    "a JPEG of no size": (
        lambda path: damaged.replace_record(path, 4, example(jpeg_of(24, 30, claimed=(0, 30)))),
        "broken image",
    ),
    "a small image": (
        lambda path: damaged.replace_record(path, 4, example(size=(19, 40))),
        "image of another size",
    ),
    "a class of 64 bits": (
        lambda path: damaged.replace_record(path, 4, example(class_id=2**40)),
        "no captioned image",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_costs_one_record_and_is_reported(directory, damage, caplog):
    path = shard(directory, 2)
    spans = find_records(path).spans
    damage, reason = DAMAGE[damage]
    damage(path)
    readable = scan(directory, 1 / 40)
    assert readable.unreadable == {(path.name, reason): 1}
    said = f"1 of 40 records of 'train' are unreadable and left out: 1 in {path.name} ({reason})"
    assert readable.summary() == said and caplog.messages == [f"{directory}: {said}"]
    one = readable.shards[2]
    assert (one.num_first, one.num_records) in ((4, 9), (5, 9), (9, 9))
    assert len(one.others) == 9 - one.num_first
    if path.stat().st_size == spans[-1].offset + spans[-1].length + 4:  # damaged in its place
        assert one.others == tuple(spans[one.num_first + 1 :])


@pytest.mark.parametrize("damage", ["a byte of an image", "a length", "half a JPEG"])
def test_training_goes_on_without_a_damaged_record(directory, damage):
    path = shard(directory, 2)
    lost = numbers_in(path)[4]
    DAMAGE[damage][0](path)
    readable = scan(directory)
    first = batches(directory, readable, cache=False)
    assert_same(first, batches(directory, readable, cache=True))
    assert_same(first[10:], batches(directory, readable, cache=False, start_step=10))
    assert len(first) == 3 * STEPS
    assert set(image_numbers(first)) == set(range(NUM_IMAGES)) - {lost}


def test_the_fraction_that_may_be_lost(directory):
    DAMAGE["a checksum"][0](shard(directory, 2))
    assert scan(directory, 1 / 40).num_skipped == 1
    with pytest.raises(InputError, match=r"at most 2.400% .*: 1 of 40: 1 in train-00002.*raise"):
        scan(directory, 0.024)


def lose(path):
    path.unlink()


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage, reason",
    [
        (lose, "no file"),
        (replace_by_pipe, "no file"),
        (lambda path: path.write_bytes(b""), "missing"),
        (lambda path: path.write_bytes(bytes(3000)), "missing"),
        (lambda path: path.write_text("404 not found"), "missing"),
    ],
)
def test_a_shard_without_records_costs_its_own(directory, damage, reason):
    path = shard(directory, 1)
    damage(path)
    with pytest.raises(InputError, match="10 of 40: 10 in train-00001.*Restore the files"):
        scan(directory, 0.2)
    assert scan(directory, 0.25).unreadable == {(path.name, reason): 10}


@pytest.mark.parametrize("cache", [True, False])
def test_an_epoch_that_lacks_a_shard_is_topped_up(directory, cache):
    lost = set(numbers_in(shard(directory, 1)))
    shard(directory, 1).unlink()
    trained = batches(directory, scan(directory), cache=cache)
    assert set(image_numbers(trained)) == set(range(NUM_IMAGES)) - lost
    epochs = np.reshape(image_numbers(trained), (3, STEPS * BATCH))
    assert all(len(set(epoch)) == 30 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_positions_do_not_depend_on_the_damage(directory):
    """They are the seeds of what is drawn, and count what `dataset.json` lists."""
    shard(directory, 0).write_bytes(b"")
    info, readable = records.load_dataset_info(directory), scan(directory)
    settings = {"batch_size": BATCH, "seed": 0, "start_step": 4, "cache": False}
    pairs = epochs.shuffled_epochs(info, "train", readable=readable, **settings)
    positions = [int(position) for position, _ in pairs.take(60).as_numpy_iterator()]
    assert positions == list(range(24, 84))


def test_nothing_that_can_be_read(directory):
    for number in range(4):
        shard(directory, number).write_bytes(b"")
    with pytest.raises(InputError, match="Received: 40 of 40: 10 in train-00000.*10 in train-0000"):
        scan(directory, 1.0)


def test_many_damaged_files_are_named_in_one_line(directory):
    for number in range(4):
        path = shard(directory, number)
        if number:
            damaged.replace_record(path, 2, b"x")
        damaged.change_byte(path, start_of(path, 7) + 50)
    with pytest.raises(InputError) as caught:
        scan(directory, 0.01)
    assert "\n" not in str(caught.value) and "and 3 more. Restore" in str(caught.value)


def test_damage_in_a_row_and_at_both_ends(directory):
    path = shard(directory, 3)
    starts = [start_of(path, number) for number in range(10)]
    for number in (0, 3, 4, 9):
        damaged.change_byte(path, starts[number] + (20 if number % 2 else 3))
    readable = scan(directory)
    assert readable.num_skipped == 4
    assert [(one.num_first, len(one.others)) for one in readable.shards[2:]] == [(10, 0), (0, 6)]
    assert_same(batches(directory, readable, cache=False), batches(directory, readable, cache=True))


def test_records_beyond_those_listed_are_left_out(directory, caplog):
    path = shard(directory, 1)
    expected = batches(directory)
    damaged.write(path, [*damaged.read(path), example(), example()])
    readable = scan(directory, 0.0)
    assert caplog.messages == [
        f"{path} holds 2 records more than dataset.json lists; they are left out."
    ]
    for cache in (True, False):
        assert_same(expected, batches(directory, readable, cache=cache))
    with pytest.raises(InputError, match="train-00001.*Received: 12 of them"):
        batches(directory)


def test_a_shard_with_no_record_that_lists_none(directory):
    info = (directory / "dataset.json").read_text()
    empty = {"file": "train-empty.tfrecord", "num_images": 0}
    (directory / "dataset.json").write_text(info.replace("[", f"[{json.dumps(empty)},", 1))
    (directory / "train-empty.tfrecord").write_bytes(b"")
    readable = scan(directory, 0.0)
    assert readable.num_records == 40
    assert_same(batches(directory), batches(directory, readable, cache=False))


def test_a_copy_of_another_shard(directory):
    shutil.copy(shard(directory, 0), shard(directory, 2))
    with pytest.raises(InputError, match="once. Received: '.*png' in both train-00000.*00002"):
        scan(directory, 1.0)


def test_a_shard_of_another_data_set(directory, tmp_path):
    (tmp_path / "other").mkdir()
    damaged.prepare_greys(tmp_path / "other", tmp_path / "others", offset=NUM_IMAGES)
    shutil.copy(shard(tmp_path / "others", 2), shard(directory, 2))
    with pytest.raises(InputError, match="captions of 20 classes in 'train' of .*another data set"):
        scan(directory, 1.0)


def test_a_digest_says_whether_the_same_records_are_read(directory):
    first = scan(directory).digest
    assert scan(directory).digest == first
    path = shard(directory, 2)
    starts = [start_of(path, number) for number in (4, 5)]
    damaged.change_byte(path, starts[0] + 200)
    second = scan(directory).digest
    damaged.change_byte(path, starts[1] + 200)
    assert len({first, second, scan(directory).digest}) == 3


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_fraction_out_of_range(directory, fraction):
    with pytest.raises(InputError, match=r"in \[0, 1\]. Received: (-0.1|1.1|nan)"):
        scan(directory, fraction)


def test_what_is_readable_of_another_split(directory):
    with pytest.raises(InputError, match="readable of 'train'. Received: 'test'"):
        batches(directory, scan(directory, split="test"))


def train_within_reading(directory, readable, change, **settings):
    """Trains on a data set to which something happens once training has begun."""
    info = records.load_dataset_info(directory)
    tokenizer = Tokenizer(info.vocabulary())
    dataset = pipeline.training_dataset(
        directory,
        tokenizer=tokenizer,
        image_sizes=(20,),
        batch_size=BATCH,
        num_steps=10 * STEPS,
        readable=readable,
        **settings,
    )
    with reading(info, readable):
        for step, _ in enumerate(dataset):
            if step == 2:
                change()


@pytest.mark.parametrize("tolerated", [False, True])
@pytest.mark.parametrize(
    "change, received",
    [
        (lose, "no file"),
        (lambda path: path.write_bytes(b""), "0 of them"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), r"9 of them"),
        (DAMAGE["a byte of an image"][0], r"a damaged file \(1 checksum\)"),
        (DAMAGE["half a JPEG"][0], r"a damaged file \(1 broken image\)"),
        (DAMAGE["no captions"][0], r"a damaged file \(1 no usable captions\)"),
    ],
)
def test_a_shard_that_is_lost_while_training(directory, tolerated, change, received):
    if tolerated:  # damage of an earlier shard, which is not to blame
        damaged.change_byte(shard(directory, 0), start_of(shard(directory, 0), 4) + 200)
    readable = scan(directory)
    expected = f"10 whole .*train-00002.*Received: {received}. Restore it, or .* with --resume"
    with pytest.raises(InputError, match=expected) as caught:
        train_within_reading(directory, readable, lambda: change(shard(directory, 2)), cache=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [lose, lambda path: path.write_bytes(b"")])
def test_a_damaged_shard_that_is_lost_while_training(directory, change):
    path = shard(directory, 2)
    damaged.change_byte(path, start_of(path, 1) + 200)
    with pytest.raises(InputError, match="Expected 9 whole records in .*train-00002"):
        train_within_reading(directory, scan(directory), lambda: change(path), cache=False)


def test_what_is_held_in_memory_may_be_lost(directory):
    train_within_reading(directory, scan(directory), lambda: lose(shard(directory, 2)), cache=True)


def test_a_shard_that_is_lost_before_it_is_held_in_memory(directory):
    path = shard(directory, 2)
    damaged.change_byte(path, start_of(path, 1) + 200)
    readable = scan(directory)
    lose(path)
    with pytest.raises(InputError, match="Expected 9 whole records in .*train-00002"):
        batches(directory, readable, cache=True)


def test_errors_of_a_network_are_not_laid_on_the_data(directory):
    shard(directory, 2).unlink()
    error = tf.errors.InvalidArgumentError(None, None, "Incompatible shapes: [2] vs. [3]")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        with reading(records.load_dataset_info(directory)):
            raise error
    assert caught.value is error


@pytest.mark.parametrize(
    "damage",
    [
        "a byte of an image",
        "a length",
        "a cut",
        "a record less",
        "no example",
        "no captions",
        "half a JPEG",
        "30,000 pixels squared",
    ],
)
def test_evaluation_leaves_nothing_out(directory, damage):
    """Damage of its split is an error, and that of another no matter of its."""
    shard(directory, 0).unlink()
    info, path = records.load_dataset_info(directory), shard(directory, 0, "test")
    DAMAGE[damage][0](path)
    settings = {"image_sizes": (20,), "batch_size": 4, "split": "test"}
    expected = "Expected 6 whole records in .*test-00000.*Received: (5 of them|a damaged file)"
    with pytest.raises(InputError, match=expected):
        with reading(info, split="test"):
            tokenizer = Tokenizer(info.vocabulary())
            list(pipeline.evaluation_dataset(directory, tokenizer=tokenizer, **settings))


def test_evaluation_does_not_die_of_a_length_beyond_the_memory(directory):
    path, header = shard(directory, 0, "test"), (2**60).to_bytes(8, "little")
    header += masked_checksum(header).to_bytes(4, "little")
    path.write_bytes(path.read_bytes() + header + bytes(100))
    tokenizer = Tokenizer(records.load_dataset_info(directory).vocabulary())
    reads = [
        lambda: stored.list_captions(directory, "test"),
        lambda: stored.stored_images(directory, split="test", size=20, crop=False, batch_size=2),
        lambda: pipeline.evaluation_dataset(
            directory, tokenizer=tokenizer, image_sizes=(20,), batch_size=2
        ),
        lambda: batches(directory, split="test", cache=True, num_steps=1),
        lambda: batches(directory, split="test", cache=False, num_steps=1),
    ]
    for read in reads:
        with pytest.raises(InputError, match="test-00000.*a damaged file"):
            read()
    assert scan(directory, 0.0, "test").num_skipped == 0


def test_sample_captions_of_a_damaged_split(directory, caplog):
    expected = pipeline.some_captions(directory, "train", 8)
    path = shard(directory, 2)
    damaged.change_byte(path, start_of(path, 0) + 200)
    captions = pipeline.some_captions(directory, "train", 8)
    assert len(captions) == 8 and captions[:4] == expected[:4] and captions[5:] == expected[5:]
    assert captions[4] == damaged_free_caption(directory)
    assert caplog.messages == [
        f"1 unreadable images of 'train' in {directory} give no sample caption."
    ]
    for path in directory.glob("train-*"):
        path.unlink()
    with pytest.raises(InputError, match="captions in the split 'train' .*none that can be read"):
        pipeline.some_captions(directory, "train", 8)


def damaged_free_caption(directory):
    """The first caption of the image behind the damaged first one of the third shard."""
    path = shard(directory, 2)
    content = read_record(path, find_records(path).spans[1])
    return records.parse_example(content)["captions"][0].numpy().decode()


def test_a_warning_is_all_that_a_library_prints(directory, caplog, capfd):
    damaged.change_byte(shard(directory, 2), 500)
    with caplog.at_level(logging.INFO):
        scan(directory)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Checking" not in capfd.readouterr().err
