import os

import numpy as np
import pytest
import tensorflow as tf
from damaged_records import change_byte, start_of, write

from dmgan_tf.data.record_file import find_records, header_checksum, read_runs

LENGTHS = [0, 1, 7, 63, 64, 65, 1000, 4097, 30_001]
STARTS = [sum(16 + length for length in LENGTHS[:number]) for number in range(len(LENGTHS))]


@pytest.fixture
def contents():
    generator = np.random.default_rng(0)
    return [generator.bytes(length) for length in LENGTHS]


@pytest.fixture
def path(tmp_path, contents):
    write(tmp_path / "a.tfrecord", contents)
    return tmp_path / "a.tfrecord"


def header(length):
    return length.to_bytes(8, "little") + header_checksum(length).to_bytes(4, "little")


def read(path, runs):
    return list(read_runs(str(path), runs).as_numpy_iterator())


def test_every_record_of_a_whole_file(path):
    assert find_records(path) == (STARTS, True)


def test_runs_of_records_from_any_place(path, contents):
    assert read(path, [(0, len(contents))]) == contents
    assert read(path, [(STARTS[1], 2), (STARTS[6], 1)]) == [*contents[1:3], contents[6]]
    assert read(path, []) == read(path, [(0, 0)]) == []


@pytest.mark.parametrize("number", [0, 1, 8])
@pytest.mark.parametrize("byte", [0, 7, 8, 11])
def test_a_file_ends_at_a_damaged_header(path, number, byte):
    change_byte(path, start_of(path, number) + byte)
    assert find_records(path) == (STARTS[:number], False)


@pytest.mark.parametrize("byte", [12, -1])
def test_damaged_data_and_damaged_checksums(path, contents, byte):
    change_byte(path, STARTS[6] + byte if byte > 0 else STARTS[7] - 1)
    assert find_records(path) == (STARTS, True)  # as far as headers tell
    with pytest.raises(tf.errors.DataLossError):
        read(path, [(STARTS[5], 3)])
    assert read(path, [(0, 6), (STARTS[7], 2)]) == contents[:6] + contents[7:]


@pytest.mark.parametrize("cut", [1, 4, 5, 30_000, 30_010, 30_016])
def test_a_file_that_was_cut_off(path, cut):
    path.write_bytes(path.read_bytes()[:-cut])
    assert find_records(path) == (STARTS[:-1], False)


def test_a_file_that_lost_records_is_no_shorter_data_set(path):
    path.write_bytes(path.read_bytes()[: STARTS[-1]])
    assert find_records(path) == (STARTS[:-1], True)
    with pytest.raises(tf.errors.OpError):
        read(path, [(STARTS[5], 4)])
    path.unlink()
    with pytest.raises(tf.errors.NotFoundError):
        read(path, [(0, 1)])


@pytest.mark.parametrize("length", [2**28 + 1, 100 * 2**30, 2**60, 2**64 - 1])
def test_a_length_beyond_the_memory_is_no_record(path, length):
    """TensorFlow 2.21 dies of a segmentation fault of such a one."""
    path.write_bytes(path.read_bytes() + header(length) + bytes(200))
    assert find_records(path) == (STARTS, False)


@pytest.mark.parametrize("content", [b"", b"x", bytes(11), bytes(5000)])
def test_no_records(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert find_records(tmp_path / "a") == ([], not content)


def test_compressed_records_are_none(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "a"), "GZIP") as writer:
        writer.write(b"content")
    assert find_records(tmp_path / "a") == ([], False)


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        find_records(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="no file"):
            find_records(path)
