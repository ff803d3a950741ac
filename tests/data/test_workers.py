"""One global batch, however many workers and replicas share it."""

import shutil

import damaged_records as damaged
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.data import augmentation, pipeline, records
from dmgan_tf.data.readable import scan_split
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer

BATCH, FIRST, LAST = 8, 3, 12  # over the end of two epochs, of five steps each


@pytest.fixture(scope="module")
def directory(greys):
    return greys


def build(directory, **settings):
    tokenizer = Tokenizer(records.load_dataset_info(directory).vocabulary())
    settings = {"max_words": 2, "seed": 5, "start_step": FIRST, "num_steps": LAST, **settings}
    return pipeline.training_dataset(
        directory, tokenizer=tokenizer, image_sizes=(10, 20), batch_size=BATCH, **settings
    )


@pytest.fixture(scope="module")
def whole_batches(directory):
    return list(build(directory).as_numpy_iterator())


def assert_same(batch, expected):
    tf.nest.map_structure(np.testing.assert_array_equal, batch, expected)


def joined(parts):
    return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)


@pytest.mark.parametrize("workers, replicas", [(1, 2), (2, 1), (2, 2), (1, 8)])
def test_the_parts_are_the_rows_of_the_whole_batch(directory, whole_batches, workers, replicas):
    parts = []
    for index in range(workers):
        dataset = build(directory, worker=(index, workers), replicas_per_worker=replicas)
        assert len(dataset) == (LAST - FIRST) * replicas
        batches = list(dataset.as_numpy_iterator())
        assert all(len(batch["class_ids"]) == BATCH // workers // replicas for batch in batches)
        parts.append(batches)
    for step, expected in enumerate(whole_batches):
        at = slice(step * replicas, (step + 1) * replicas)
        assert_same(joined([part for batches in parts for part in batches[at]]), expected)


def test_shapes_are_known_beforehand(directory):
    dataset = build(directory, worker=(1, 2), replicas_per_worker=2)
    assert dataset.element_spec["images"][0] == tf.TensorSpec((2, 10, 10, 3), tf.float32)
    assert dataset.element_spec["token_ids"] == tf.TensorSpec((2, 2), tf.int32)


def test_workers_agree_where_records_are_damaged(directory, tmp_path):
    copy = shutil.copytree(directory, tmp_path / "data")
    damaged.change_byte(damaged.shard(copy, 2), damaged.start_of(damaged.shard(copy, 2), 3) + 99)
    readable = scan_split(records.load_dataset_info(copy), "train", 0.1)
    expected = build(copy, readable=readable, cache=True).as_numpy_iterator()
    workers = [
        build(copy, readable=readable, cache=False, worker=(index, 2)).as_numpy_iterator()
        for index in range(2)
    ]
    for batch, *parts in zip(expected, *workers, strict=True):
        assert_same(joined(parts), batch)


def test_a_worker_decodes_its_own_rows_alone(directory, monkeypatch):
    decoded, decode = [], augmentation.decode_jpeg

    def noting(jpeg):
        tf.py_function(lambda: decoded.append(1), [], [])
        return decode(jpeg)

    monkeypatch.setattr(pipeline, "decode_jpeg", noting)
    list(build(directory, worker=(1, 4)))
    rows = (LAST - FIRST) * BATCH // 4
    assert rows <= len(decoded) < 2 * rows  # a few ahead of the last step


def test_replicas_of_a_strategy_get_their_rows(directory, whole_batches, two_replicas):
    distributed = two_replicas.distribute_datasets_from_function(
        lambda context: build(directory, replicas_per_worker=2)
    )
    for batch, expected in zip(distributed, whole_batches, strict=True):
        parts = [
            tf.nest.map_structure(lambda values, n=n: values.values[n].numpy(), batch)
            for n in range(2)
        ]
        assert_same(joined(parts), expected)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"worker": (0, 3)}, r"3 worker\(s\) of 1 replica.* Received: 8. Take a multiple of 3"),
        ({"worker": (0, 2), "replicas_per_worker": 3}, "Take a multiple of 6"),
        ({"worker": (2, 2)}, "worker from 0 to 1, .* Received: worker 2 with 1"),
        ({"worker": (-1, 2)}, "Received: worker -1"),
        ({"replicas_per_worker": 0}, "Received: worker 0 with 0"),
    ],
)
def test_parts_that_cannot_be(directory, settings, message):
    with pytest.raises(InputError, match=message):
        build(directory, **settings)
