"""Fuzzes `restricted_pickle.load`: `python tests/faults/fuzz_restricted_pickle.py --seconds=600`.

Whatever the bytes, the reader gives plain values or an `InputError` of one line. The values are
walked, so that an object of any other type would be seen.
"""

import collections
import pathlib
import pickle
import sys

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from faults import fuzzing

_PLAIN = {type(None), bool, int, float, str, bytes, list, tuple, dict, collections.OrderedDict}


def seeds():
    """Pickles of every protocol, and what a pickle must not ask for."""
    values = [
        None,
        [True, 0, 255, 65536, -1, 10**30, 1.5, "bird", "bl\u00e5", "x" * 300],
        [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        {"words": {0: "<end>", 5: None, None: 1, True: [{}]}},
        [[], [], {0: "<end>", 1: "bird"}, {"<end>": 0, "bird": 1}],
        collections.OrderedDict(a=[1], b={"c": ()}),
        [b"", b"abc"],
        {1, 2},
        frozenset([3]),
        bytearray(b"abc"),
        ValueError("x"),
    ]
    for value in values:
        for protocol in range(6):
            yield pickle.dumps(value, protocol)
    yield b"(lp1\nS'bl\\xc3\\xa5'\np2\naV\\u4e00\np3\naI01\naL10L\naF1.5\na(I1\ntp4\nag2\na."
    yield b"\x80\x02]q\x01(U\x01aX\x04\x00\x00\x00\xe4\xb8\x80\nJ\x00\x00\x00\x80h\x01e0]."
    yield b"cposix\nsystem\n(S'ls'\ntR."
    yield b"(iposix\nsystem\n."
    yield b"P1\nQ."


def make_check():
    """The function of one input."""
    from dmgan_tf.errors import InputError
    from dmgan_tf.files import restricted_pickle

    constructors = {("collections", "OrderedDict"): restricted_pickle.ordered_dict}

    def check(data):
        for persistent_load in (None, lambda identifier: (type(identifier).__name__,)):
            try:
                value, end = restricted_pickle.load(
                    data,
                    name="fuzzed.pickle",
                    constructors=constructors,
                    persistent_load=persistent_load,
                )
            except InputError as error:
                fuzzing.check_message(error)
                continue
            assert 0 < end <= len(data)
            check_plain(value, constructors)

    return check


def check_plain(value, constructors):
    """Raises an `AssertionError` if anything within a value is not of a plain type."""
    allowed = {id(constructor) for constructor in constructors.values()}
    seen, waiting = set(), [value]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or id(item) in allowed:
            continue
        assert type(item) in _PLAIN, type(item)
        seen.add(id(item))
        if isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, (list, tuple)):
            waiting += item


if __name__ == "__main__":
    opcodes = [bytes([code]) for code in range(0x80, 0x99)]
    words = [b"ccollections\nOrderedDict\n", b")R", b"}(", b"u.", b"\x80\x04\x95", b"\x8c", b"tR"]
    fuzzing.main(
        __file__,
        fuzzing.Target(("dmgan_tf",), make_check, list(seeds()), [*opcodes, *words]),
    )
