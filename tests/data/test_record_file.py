import os

import numpy as np
import pytest
import tensorflow as tf
from damaged_records import change_byte, start_of, write

from dmgan_tf.data import record_file
from dmgan_tf.data.record_file import RecordSpan, find_records, masked_checksum, read_record

LENGTHS = [0, 1, 7, 63, 64, 65, 1000, 4097, 30_001]


@pytest.fixture
def contents():
    generator = np.random.default_rng(0)
    return [generator.bytes(length) for length in LENGTHS]


@pytest.fixture
def path(tmp_path, contents):
    write(tmp_path / "a.tfrecord", contents)
    return tmp_path / "a.tfrecord"


def header(length):
    data = length.to_bytes(8, "little")
    return data + masked_checksum(data).to_bytes(4, "little")


def test_checksum_is_the_published_one():
    crc = 0xE3069283  # of "123456789" by CRC-32C
    assert masked_checksum(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def test_every_record_of_a_whole_file(path, contents):
    spans, num_reachable, is_whole = find_records(path)
    assert [span.length for span in spans] == LENGTHS
    assert (num_reachable, is_whole) == (len(LENGTHS), True)
    assert [read_record(path, span) for span in spans] == contents


@pytest.mark.parametrize("number", range(len(LENGTHS)))
@pytest.mark.parametrize("byte", [0, 7, 8, 11])
def test_a_damaged_header_costs_its_record_only(path, number, byte):
    spans = find_records(path).spans
    change_byte(path, start_of(path, number) + byte)
    found = find_records(path)
    assert found.spans == spans[:number] + spans[number + 1 :]
    assert (found.num_reachable, found.is_whole) == (number, False)


@pytest.mark.parametrize("number", [1, 4, 8])
@pytest.mark.parametrize("byte", [12, -1])
def test_damaged_data_and_damaged_checksums(path, number, byte, contents):
    start = start_of(path, number)
    change_byte(path, start + byte if byte > 0 else start + 15 + LENGTHS[number])
    found = find_records(path)
    assert found.is_whole  # as far as headers tell
    expected = [None if n == number else content for n, content in enumerate(contents)]
    assert [read_record(path, span) for span in found.spans] == expected


@pytest.mark.parametrize("cut", [1, 4, 5, 30_000, 30_010, 30_016])
def test_a_file_that_was_cut_off(path, cut):
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    found = find_records(path)
    assert len(found.spans) == found.num_reachable == len(LENGTHS) - 1 and not found.is_whole


def test_a_file_that_shrinks_after_its_records_were_found(path):
    span = find_records(path).spans[-1]
    path.write_bytes(path.read_bytes()[:-10])
    assert read_record(path, span) is None
    path.write_bytes(b"")
    assert read_record(path, span) is None


def test_records_are_found_across_the_blocks_of_the_search(path, contents, monkeypatch):
    monkeypatch.setattr(record_file, "_SEARCHED_TOGETHER", 10)
    start = path.stat().st_size
    for gap in range(9, 24):
        write(path, contents)
        path.write_bytes(bytes(gap) + path.read_bytes())
        found = find_records(path)
        assert [span.length for span in found.spans] == LENGTHS, gap
        assert found.spans[0] == RecordSpan(gap + 12, 0) and found.num_reachable == 0
        assert path.stat().st_size == start + gap


@pytest.mark.parametrize("length", [2**28 + 1, 100 * 2**30, 2**60, 2**64 - 1])
def test_a_length_beyond_the_memory_is_no_record(path, length):
    """TensorFlow 2.21 dies of a segmentation fault of such a one."""
    whole = path.read_bytes()
    path.write_bytes(whole + header(length) + bytes(200) + whole)
    found = find_records(path)
    assert len(found.spans) == 2 * len(LENGTHS)
    assert (found.num_reachable, found.is_whole) == (len(LENGTHS), False)


@pytest.mark.parametrize("content", [b"", b"x", bytes(11), bytes(5000)])
def test_no_records(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert find_records(tmp_path / "a") == ([], 0, not content)


def test_compressed_records_are_none(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "a"), "GZIP") as writer:
        writer.write(b"content")
    assert find_records(tmp_path / "a").spans == []


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        find_records(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="no file"):
            find_records(path)
