"""The bytes of a TFRecord file: where its records lie, and whether one is as it was written.

TensorFlow reads such a file from its beginning to the first damage, and no further. It also takes
the length in front of a record on trust: one that claims more than there is memory ends the
process, without an exception. So the headers are checked here before TensorFlow opens a file, and
what lies behind a damaged record is found here.
"""

import errno
import functools
import os
import struct
from typing import BinaryIO, NamedTuple

import numpy as np

MAX_RECORD_BYTES = 2**28  # far more than a stored image with its captions

_HEADER = struct.Struct("<QI")  # the length and its checksum
_FOOTER = struct.Struct("<I")  # the checksum of the data
_SEARCHED_TOGETHER = 2**20  # bytes


class RecordSpan(NamedTuple):
    """Where the data of one record lie, without header and checksum.

    Args:
        offset: The first byte.
        length: In bytes.
    """

    offset: int
    length: int


class RecordIndex(NamedTuple):
    """Where the records of one file lie, as its headers tell.

    Args:
        spans: Those whose header is whole, in order, also behind damage.
        num_reachable: How many TensorFlow reaches: they follow one another from the beginning on.
        is_whole: Whether there are no other bytes in the file than those of these records.
    """

    spans: list[RecordSpan]
    num_reachable: int
    is_whole: bool


def find_records(path: str | os.PathLike) -> RecordIndex:
    """Finds every record of a file; data are not read, so they may be damaged still.

    Where a header is damaged, the next one is searched for byte by byte.

    Args:
        path: The file.

    Returns:
        A `RecordIndex`.

    Raises:
        OSError: If the file cannot be read, or is none.
    """
    spans, position, num_reachable = [], 0, None
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        while position < size:
            length = _length_at(file.fileno(), position, size)
            if length is None:
                num_reachable = len(spans) if num_reachable is None else num_reachable
                position = _search_header(file.fileno(), position + 1, size)
                continue
            spans.append(RecordSpan(position + _HEADER.size, length))
            position += _HEADER.size + length + _FOOTER.size
    is_whole = num_reachable is None
    return RecordIndex(spans, len(spans) if is_whole else num_reachable, is_whole)


def read_record(path: str | os.PathLike, span: RecordSpan) -> bytes | None:
    """Returns the data of one record; None if they are not what was written.

    Raises:
        OSError: If the file cannot be read.
    """
    with _open(path) as file:
        content = os.pread(file.fileno(), span.length + _FOOTER.size, span.offset)
    data, footer = content[: span.length], content[span.length :]
    if len(footer) != _FOOTER.size or _FOOTER.unpack(footer)[0] != masked_checksum(data):
        return None
    return data


def masked_checksum(data: bytes) -> int:
    """Returns the checksum that a TFRecord file holds of some bytes: CRC-32C, masked."""
    value = _crc(data)
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _open(path: str | os.PathLike) -> BinaryIO:
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "no file", str(path))  # of a pipe, one would wait for ever
    return open(path, "rb", buffering=0)


def _length_at(descriptor: int, position: int, size: int) -> int | None:
    """Returns the length of the record whose header begins here; None if none does."""
    header = os.pread(descriptor, _HEADER.size, position)
    if len(header) < _HEADER.size:
        return None
    length, checksum = _HEADER.unpack(header)
    fits = position + _HEADER.size + length + _FOOTER.size <= size
    if not fits or length > MAX_RECORD_BYTES or masked_checksum(header[:8]) != checksum:
        return None
    return length


def _search_header(descriptor: int, position: int, size: int) -> int:
    """Returns where the next header begins; `size` if there is none."""
    while position + _HEADER.size <= size:
        content = os.pread(descriptor, _SEARCHED_TOGETHER + _HEADER.size - 1, position)
        count = len(content) - _HEADER.size + 1
        if count < 1:
            break
        values = np.frombuffer(content, np.uint8)
        states = np.full(count, 0xFFFFFFFF, np.uint32)
        for index in range(8):
            byte = values[index : index + count]
            states = _byte_table()[(states ^ byte) & 0xFF] ^ (states >> 8)
        states ^= 0xFFFFFFFF
        masked = (states >> 15 | states << 17) + np.uint32(0xA282EAD8)
        held = sum(values[8 + i : 8 + i + count].astype(np.uint32) << (8 * i) for i in range(4))
        for index in np.flatnonzero(masked == held):
            if _length_at(descriptor, position + int(index), size) is not None:
                return position + int(index)
        position += count
    return size


@functools.cache
def _byte_table() -> np.ndarray:
    """What a byte makes of an empty CRC-32C (Castagnoli's polynomial, reflected)."""
    states = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        states = np.where(states & 1, states >> 1 ^ 0x82F63B78, states >> 1).astype(np.uint32)
    return states


@functools.cache
def _pair_table() -> np.ndarray:
    """What two bytes make of it."""
    states = np.arange(2**16, dtype=np.uint32)
    for _ in range(2):
        states = _byte_table()[states & 0xFF] ^ (states >> 8)
    return states


@functools.cache
def _zeros_tables(count: int) -> list[list[int]]:
    """What `count` bytes of zero, an even number, make of each byte of a state."""
    states = (np.arange(256, dtype=np.uint32) << np.arange(0, 32, 8, dtype=np.uint32)[:, None]).T
    for _ in range(count // 2):
        states = _pair_table()[states & 0xFFFF] ^ (states >> 16)
    return states.T.tolist()


def _crc(data: bytes) -> int:
    """CRC-32C. A long text is cut into rows, which NumPy takes side by side and which are joined.

    Zeros before a text change nothing while the state is zero, so the first row is filled up with
    them; the state of ones to begin with is put into the text's first four bytes.
    """
    if len(data) < 64:
        table, state = _byte_list(), 0xFFFFFFFF
        for byte in data:
            state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
        return state ^ 0xFFFFFFFF
    width = 1 << (len(data).bit_length() + 1) // 2
    rows = np.zeros(-(-len(data) // width) * width, np.uint8)
    text = rows[-len(data) :]
    text[:] = np.frombuffer(data, np.uint8)
    text[:4] ^= 0xFF
    table, states = _pair_table(), np.zeros(len(rows) // width, np.uint32)
    for column in np.ascontiguousarray(rows.view("<u2").reshape(-1, width // 2).T):
        states = table[(states ^ column) & 0xFFFF] ^ (states >> 16)
    first, second, third, fourth = _zeros_tables(width)
    state = 0
    for row in states.tolist():
        state = row ^ (
            first[state & 0xFF]
            ^ second[state >> 8 & 0xFF]
            ^ third[state >> 16 & 0xFF]
            ^ fourth[state >> 24]
        )
    return state ^ 0xFFFFFFFF


@functools.cache
def _byte_list() -> list[int]:
    return _byte_table().tolist()
