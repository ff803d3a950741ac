"""The records of a TFRecord file: their offsets, and reading some of them.

TensorFlow does not check the length before a record: one larger than the memory ends the process
without an exception. So headers are checked here before TensorFlow opens a file. TensorFlow also
stops reading at the first damage; `read_runs` continues after it.
"""

import errno
import os
import struct
from collections.abc import Sequence

import tensorflow as tf

_MAX_RECORD_BYTES = 2**28  # far more than a stored image with its captions
_HEADER = struct.Struct("<QI")  # the length and its checksum
_FOOTER_BYTES = 4  # the checksum of the data
_BUFFER_BYTES = 2**18


def find_records(path: str | os.PathLike) -> tuple[list[int], bool]:
    """Finds the records before a file's first damaged header; their data may still be damaged.

    Args:
        path: The file.

    Returns:
        The byte at which each begins, and whether the whole file was read.

    Raises:
        OSError: If it cannot be read, or is not a file.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "no file", str(path))  # reading a pipe would block
    starts, position = [], 0
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        while position + _HEADER.size <= size:
            header = os.pread(file.fileno(), _HEADER.size, position)
            if len(header) < _HEADER.size:
                break  # the file became shorter meanwhile
            length, checksum = _HEADER.unpack(header)
            end = position + _HEADER.size + length + _FOOTER_BYTES
            if max(end - size, length - _MAX_RECORD_BYTES) > 0 or checksum != header_checksum(
                length
            ):
                break
            starts.append(position)
            position = end
    return starts, position == size


def header_checksum(length: int) -> int:
    """Returns the checksum in the header of a record of this length: CRC-32C, masked."""
    state = 0xFFFFFFFF
    for byte in length.to_bytes(8, "little"):
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    state ^= 0xFFFFFFFF
    return ((state >> 15 | state << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_runs(
    path: str | tf.Tensor, runs: Sequence[tuple[int, int]] | tf.Tensor
) -> tf.data.Dataset:
    """Returns consecutive records from given offsets on, with their checksums checked.

    Call `find_records` first. A file with fewer records is an error; TensorFlow's own reader would
    give a shorter dataset.

    Args:
        path: The file.
        runs: int64 (runs, 2): the byte at which each begins, and how many records it has.
    """

    def read(run):
        # `tf.data.TFRecordDataset` has no argument for the offset.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=tf.reshape(path, [1]),
            compression_type="",
            buffer_size=_BUFFER_BYTES,
            byte_offsets=run[:1],
        )
        dataset = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
        dataset = dataset.take(run[1])
        return dataset.apply(tf.data.experimental.assert_cardinality(run[1]))

    runs = tf.reshape(tf.cast(runs, tf.int64), [-1, 2])
    return tf.data.Dataset.from_tensor_slices(runs).flat_map(read)
