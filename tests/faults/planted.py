"""Readers with a fault on purpose, by which a test sees that the campaign would notice it."""

import os
import signal
import time

from faults.kinds import Kind

from dmgan_tf.errors import InputError


def _crash(place, random_state):
    os.kill(os.getpid(), signal.SIGSEGV)


def _hang(place, random_state):
    time.sleep(1_000)


def _much_memory(place, random_state):
    # Three times the limit.
    assert bytearray(b"x") * 2**31


def _other_exception(place, random_state):
    raise ZeroDivisionError


def _two_lines(place, random_state):
    raise InputError("one line\nand another")


def _half_a_file(place, random_state):
    (place / ".model.123.tmp").write_bytes(b"half")
    raise InputError("refused")


def _status_one(place, random_state):
    raise SystemExit(1)


# What a message must hold, by the name of the fault.
SIGNS = {
    "crash": f"ended with {-signal.SIGSEGV}",
    "hang": "a hang of more than",
    "much memory": "grew by",
    "other exception": "ZeroDivisionError",
    "two lines": "not one readable line",
    "half a file": "left behind",
    "status one": "SystemExit",
}
_READERS = (
    *(_crash, _hang, _much_memory, _other_exception, _two_lines, _half_a_file, _status_one),
)
PLANTED = tuple(
    Kind(name, 0, ("statistics.npz",), lambda random_state, place: None, reader)
    for name, reader in zip(SIGNS, _READERS, strict=True)
)
