import hashlib
import json
import logging
import os
import shutil

import damaged_records as damaged
import numpy as np
import pytest
import tensorflow as tf
from damaged_records import NUM_IMAGES, example, jpeg_of, shard, start_of

from dmgan_tf.data import epochs, examination, pipeline, records, stored
from dmgan_tf.data.readable import find_damage, reading, scan_split
from dmgan_tf.data.record_file import header_checksum
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer

BATCH, STEPS = 6, 6  # an epoch of 36 of the 40 images


@pytest.fixture
def directory(greys, tmp_path):
    return shutil.copytree(greys, tmp_path / "data")


def scan(directory, max_skipped_fraction=0.5, split="train"):
    return scan_split(records.load_dataset_info(directory), split, max_skipped_fraction)


def training(directory, readable=None, **settings):
    tokenizer = Tokenizer(records.load_dataset_info(directory).vocabulary())
    settings = {"image_sizes": (20,), "batch_size": BATCH, "num_steps": 3 * STEPS, **settings}
    return pipeline.training_dataset(directory, tokenizer=tokenizer, readable=readable, **settings)


def batches(directory, readable=None, **settings):
    return list(training(directory, readable, **settings).as_numpy_iterator())


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
    assert [one.runs for one in readable.shards] == [[(0, 10)]] * 4
    expected = batches(directory, max_words=1)
    for cache in (True, False):
        assert_same(expected, batches(directory, readable, max_words=1, cache=cache))
    rest = batches(directory, readable, max_words=1, cache=False, start_step=8)
    assert_same(expected[8:], rest)


def flip_data(path, number):
    damaged.change_byte(path, start_of(path, number) + 200)


def flip_checksum(path, number):
    damaged.change_byte(path, start_of(path, number + 1) - 2)


def put(**parts):
    return lambda path, number: damaged.replace_record(path, number, example(**parts))


CONTENTS = {  # what becomes of one record, and why it cannot be used
    "no example": (
        lambda path, number: damaged.replace_record(path, number, b"\xff" * 9),
        "no captioned image",
    ),
    "nothing": (
        lambda path, number: damaged.replace_record(path, number, b""),
        "no captioned image",
    ),
    "a class of 64 bits": (put(class_id=2**40), "no captioned image"),
    "no captions": (put(captions=()), "no usable captions"),
    "an empty caption": (put(captions=("grey", "")), "no usable captions"),
    "unknown words": (put(captions=("un oiseau",)), "no usable captions"),
    "other bytes than text": (put(captions=(b"grey \xff",)), "no usable captions"),
    "half a JPEG": (put(jpeg=jpeg_of(24, 30)[:-60]), "broken image"),
    "no JPEG": (put(jpeg=b"GIF89a"), "broken image"),
    "a JPEG of no size": (put(jpeg=jpeg_of(24, 30, claimed=(0, 30))), "broken image"),
    "30,000 pixels squared": (
        put(jpeg=jpeg_of(24, 30, claimed=(30_000, 30_000))),
        "image of another size",
    ),
    "a small image": (put(size=(19, 40)), "image of another size"),
    # The last, since what writes records mends their checksums.
    "a byte of an image": (flip_data, "checksum"),
    "a checksum": (flip_checksum, "checksum"),
}


def damage_all(directory):
    """Damages a record in each way, at places 2, 3, 6 and 7 of the shards: `{path: reasons}`."""
    places = [(shard(directory, number), place) for place in (2, 3, 6, 7) for number in range(4)]
    reasons = {}
    for (change, reason), (path, place) in zip(CONTENTS.values(), places, strict=False):
        change(path, place)
        reasons.setdefault(path, {})[place] = reason
    return reasons


def test_every_damage_costs_one_record_and_is_reported(directory, caplog):
    starts = [start_of(shard(directory, 3), number) for number in range(10)]
    reasons = damage_all(directory)
    readable = scan(directory)
    expected = {}
    for path, of_places in reasons.items():
        for reason in of_places.values():
            expected[path.name, reason] = expected.get((path.name, reason), 0) + 1
    assert readable.unreadable == expected and readable.num_skipped == len(CONTENTS) == 14
    assert [one.num_records for one in readable.shards] == [6, 6, 7, 7]
    assert [[count for _, count in one.runs] for one in readable.shards] == [[2, 2, 2]] * 2 + [
        [2, 2, 3]
    ] * 2
    said = "14 of 40 records of 'train' are unreadable and skipped: 1 in train-00000-of-00004"
    assert readable.summary().startswith(said)
    assert caplog.messages == [f"{directory}: {readable.summary()}"]
    flip_data(shard(directory, 3), 9)
    assert starts[0] == 0 and scan(directory).shards[3].runs[-1][1] == 2


@pytest.mark.parametrize(
    "damage, left",
    [
        (lambda path: damaged.change_byte(path, start_of(path, 4)), 4),  # a length
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), 9),
        (lambda path: damaged.write(path, damaged.read(path)[:-1]), 9),
    ],
)
def test_a_shard_ends_at_a_damaged_header(directory, damage, left):
    path = shard(directory, 2)
    damage(path)
    readable = scan(directory)
    assert readable.unreadable == {(path.name, "missing"): 10 - left}
    assert readable.shards[2].runs == [(0, left)]


def test_training_goes_on_without_damaged_records(directory):
    path = shard(directory, 2)
    names = numbers_in(path)
    put(jpeg=jpeg_of(24, 30)[:-60])(path, 6)
    flip_data(path, 4)
    flip_data(path, 0)
    readable = scan(directory)
    first = batches(directory, readable, cache=False)
    assert_same(first, batches(directory, readable, cache=True))
    assert_same(first[10:], batches(directory, readable, cache=False, start_step=10))
    assert len(first) == 3 * STEPS
    assert set(image_numbers(first)) == set(range(NUM_IMAGES)) - {names[n] for n in (0, 4, 6)}


def test_the_fraction_that_may_be_lost(directory):
    flip_checksum(shard(directory, 2), 4)
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


def test_a_rotten_file_is_read_as_one_data_set_and_record_by_record(directory, monkeypatch):
    made, read_runs = [], examination.read_runs
    monkeypatch.setattr(examination, "read_runs", lambda *of: made.append(of) or read_runs(*of))
    for number in range(2, 9):
        flip_checksum(shard(directory, 1), number)
    readable = scan(directory)
    assert readable.unreadable[shard(directory, 1).name, "checksum"] == 7
    num_shards = len(readable.shards)
    assert len(made) <= num_shards + 2  # once more after the seven, and once to be traced


def test_nothing_that_can_be_read(directory):
    for number in range(4):
        shard(directory, number).write_bytes(b"")
    with pytest.raises(InputError, match="Received: 40 of 40: 10 in train-00000.*10 in train-0000"):
        scan(directory, 1.0)


def test_many_damaged_files_are_named_in_one_line(directory):
    damage_all(directory)
    with pytest.raises(InputError) as caught:
        scan(directory, 0.01)
    assert "\n" not in str(caught.value) and "others" not in str(caught.value)
    assert "and 10 more. Restore" in str(caught.value)


def test_records_beyond_those_listed_are_of_another_data_set(directory):
    path = shard(directory, 1)
    damaged.write(path, [*damaged.read(path), example(), example()])
    for read in (scan, batches):
        with pytest.raises(InputError, match="10 whole .*train-00001.*Received: 12 of them"):
            read(directory)


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
    with pytest.raises(InputError, match="10 images twice. A shard is another's copy"):
        scan(directory, 1.0)


def test_a_shard_of_another_data_set(directory, tmp_path):
    (tmp_path / "other").mkdir()
    damaged.prepare_greys(tmp_path / "other", tmp_path / "others", offset=NUM_IMAGES)
    shutil.copy(shard(tmp_path / "others", 2), shard(directory, 2))
    with pytest.raises(InputError, match="captions of 20 classes in 'train' of .*another data set"):
        scan(directory, 1.0)


def test_a_digest_says_whether_the_same_records_are_read(directory):
    digests = [scan(directory).digest, scan(directory).digest]
    for number in (4, 5):
        flip_data(shard(directory, 2), number)
        digests.append(scan(directory).digest)
    assert digests[0] == digests[1] and len(set(digests)) == 3
    # Of a whole data set it is what checkpoints of earlier versions hold.
    whole = json.dumps(["train", 40, [[shard(directory, n).name, 10, []] for n in range(4)]])
    assert digests[0] == hashlib.sha256(whole.encode()).hexdigest()


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_fraction_out_of_range(greys, fraction):
    with pytest.raises(InputError, match=r"in \[0, 1\]. Received: (-0.1|1.1|nan)"):
        scan(greys, fraction)


def test_what_is_readable_of_another_split(greys):
    with pytest.raises(InputError, match="readable records of 'train'. Received: 'test'"):
        batches(greys, scan(greys, split="test"))


LOSSES = [
    (lose, r"0 of them \(10 no file\)"),
    (lambda path: path.write_bytes(b""), r"0 of them \(10 missing\)"),
    (lambda path: path.write_bytes(path.read_bytes()[:-9]), r"9 of them \(1 missing\)"),
    (lambda path: flip_data(path, 4), r"9 of them \(1 checksum\)"),
    (lambda path: put(jpeg=jpeg_of(24, 30)[:-60])(path, 4), r"9 of them \(1 broken image\)"),
    (lambda path: put(captions=())(path, 4), r"9 of them \(1 no usable captions\)"),
]


@pytest.mark.parametrize("change, received", LOSSES)
def test_what_was_lost_since_training_began(directory, change, received):
    flip_data(shard(directory, 0), 4)  # damage of an earlier shard, which is not to blame
    info, readable = records.load_dataset_info(directory), scan(directory)
    change(shard(directory, 2))
    error = find_damage(info, ["train"], readable)
    expected = f"10 whole .*train-00002.*Received: {received}. Restore it, or .* with --resume"
    with pytest.raises(InputError, match=expected) as caught:
        raise error
    assert "\n" not in str(caught.value)


def test_a_record_that_was_exchanged_since_training_began(directory):
    flip_data(shard(directory, 2), 1)
    info, readable = records.load_dataset_info(directory), scan(directory)
    flip_data(shard(directory, 2), 1)  # back again
    flip_data(shard(directory, 2), 3)
    assert "Received: 9 of them (1 checksum)" in str(find_damage(info, ["train"], readable))
    flip_data(shard(directory, 2), 3)
    flip_data(shard(directory, 2), 1)
    assert find_damage(info, ["train", "test"], readable) is None


def train_within_reading(directory, readable, change, **settings):
    """Trains on a data set to which something happens once training has begun."""
    dataset = training(directory, readable, num_steps=10 * STEPS, **settings)
    with reading(records.load_dataset_info(directory), readable):
        for step, _ in enumerate(dataset):
            if step == 2:
                change(shard(directory, 2))


@pytest.mark.parametrize("change, received", [LOSSES[0], LOSSES[3], LOSSES[4]])
def test_a_shard_that_is_lost_while_training(directory, change, received):
    readable = scan(directory)
    with pytest.raises(InputError, match=f"10 whole .*train-00002.*Received: {received}"):
        train_within_reading(directory, readable, change, cache=False)


def test_a_damaged_shard_that_is_lost_while_training(directory):
    flip_data(shard(directory, 2), 1)
    with pytest.raises(InputError, match="Expected 9 whole records in .*train-00002"):
        train_within_reading(
            directory, scan(directory), lambda path: path.write_bytes(b""), cache=False
        )


def test_what_is_held_in_memory_may_be_lost(directory):
    train_within_reading(directory, scan(directory), lose, cache=True)


def test_a_shard_that_is_lost_before_it_is_held_in_memory(directory):
    flip_data(shard(directory, 2), 1)
    readable = scan(directory)
    lose(shard(directory, 2))
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
        lambda path: flip_data(path, 4),
        lambda path: damaged.change_byte(path, start_of(path, 4)),
        lambda path: damaged.write(path, damaged.read(path)[:-1]),
        lambda path: put(captions=())(path, 4),
        lambda path: put(jpeg=jpeg_of(24, 30, claimed=(30_000, 30_000)))(path, 4),
    ],
)
def test_evaluation_leaves_nothing_out(directory, damage):
    """Damage of its split is an error, and that of another no matter of its."""
    shard(directory, 0).unlink()
    info, path = records.load_dataset_info(directory), shard(directory, 0, "test")
    damage(path)
    settings = {"image_sizes": (20,), "batch_size": 4, "split": "test"}
    expected = "Expected 6 whole records in .*test-00000.*Received: (5 of them|a damaged file)"
    with pytest.raises(InputError, match=expected):
        with reading(info, split="test"):
            tokenizer = Tokenizer(info.vocabulary())
            list(pipeline.evaluation_dataset(directory, tokenizer=tokenizer, **settings))


def test_evaluation_does_not_die_of_a_length_beyond_the_memory(directory):
    path, length = shard(directory, 0, "test"), 2**60
    header = length.to_bytes(8, "little") + header_checksum(length).to_bytes(4, "little")
    path.write_bytes(path.read_bytes() + header + bytes(100))
    tokenizer = Tokenizer(records.load_dataset_info(directory).vocabulary())
    reads = [
        lambda: stored.list_captions(directory, "test"),
        lambda: stored.stored_images(directory, split="test", size=20, crop=False, batch_size=2),
        lambda: pipeline.evaluation_dataset(
            directory, tokenizer=tokenizer, image_sizes=(20,), batch_size=2
        ),
        lambda: training(directory, split="test", cache=True),
        lambda: training(directory, split="test", cache=False),
    ]
    for read in reads:
        with pytest.raises(InputError, match="test-00000.*a damaged file"):
            read()
    assert scan(directory, 0.0, "test").num_skipped == 0


def test_sample_captions_of_a_damaged_split(directory, caplog):
    expected = pipeline.some_captions(directory, "train", 8)
    flip_data(shard(directory, 2), 0)
    captions = pipeline.some_captions(directory, "train", 8)
    assert captions[:7] == expected[:4] + expected[5:] and len(set(captions)) == 8
    assert caplog.messages == [
        f"1 unreadable images of 'train' in {directory} are not used for sample captions."
    ]
    for path in directory.glob("train-*"):
        path.unlink()
    with pytest.raises(InputError, match="captions in the split 'train' .*none that can be read"):
        pipeline.some_captions(directory, "train", 8)


def test_a_warning_is_all_that_a_library_prints(directory, caplog, capfd):
    damaged.change_byte(shard(directory, 2), 500)
    with caplog.at_level(logging.INFO):
        scan(directory)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Checking" not in capfd.readouterr().err
