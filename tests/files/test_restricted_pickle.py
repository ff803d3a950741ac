import collections
import mmap
import os
import pickle
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmgan_tf.errors import InputError
from dmgan_tf.files import restricted_pickle
from dmgan_tf.files.restricted_pickle import RefusedError, StatefulValue

ORDERED_DICT = {("collections", "OrderedDict"): restricted_pickle.ordered_dict}
PLAIN = [
    None,
    [True, False, 0, 255, 256, 65535, 65536, -1, 2**31, -(2**63), 10**300],
    [1.5, -0.0, float("inf")],
    ["", "bird", "bl\u00e5", "\u4e00\n\\", "x" * 300],
    [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), [])],
    {"words": {0: "<end>", 5: None, None: 1, True: [{}]}},
]
# Of Python 2.7's cPickle: an OrderedDict, a long, byte strings in UTF-8 and Latin-1, and more.
PYTHON2 = [
    b"(lp1\nccollections\nOrderedDict\np2\n((lp3\n(lp4\nS'a'\naI1\naa(lp5\nS'b'\naI01\naatRp6\na"
    b"L10000000000000000000000000L\naS'bl\\xc3\\xa5'\np7\naS'bl\\xe5'\np8\naV\\u4e00\\u000a\np9\n"
    b"a(I1\ntp10\naNaF1.5\na.",
    b"\x80\x02]q\x01(ccollections\nOrderedDict\nq\x02]q\x03(]q\x04(U\x01aK\x01e]q\x05(U\x01b\x88ee"
    b"\x85Rq\x06\x8a\x0b\x00\x00\x00JH\x01\x14\x16\x95E\x08U\x04bl\xc3\xa5q\x07U\x03bl\xe5q\x08"
    b"X\x04\x00\x00\x00\xe4\xb8\x80\nq\tK\x01\x85q\nNG?\xf8\x00\x00\x00\x00\x00\x00e.",
]


def load(data, **arguments):
    value, end = restricted_pickle.load(data, name="some.pickle", **arguments)
    assert end == len(data)
    return value


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_of_every_protocol(protocol):
    assert load(pickle.dumps(PLAIN, protocol)) == PLAIN
    if protocol >= 3:  # below, Python 3 writes bytes as a call of a function
        strings = [b"", b"abc", b"\xff" * 300]
        assert load(pickle.dumps(strings, protocol)) == strings


KEYS = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text()
VALUES = st.recursive(
    KEYS | st.binary(),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS | st.binary(), inner)
    ),
)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.integers(3, 5))
def test_reads_what_pickle_writes(value, protocol):
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("data", PYTHON2)
def test_pickles_of_python_2(data):
    value = load(data, constructors=ORDERED_DICT)
    first = collections.OrderedDict([("a", 1), ("b", True)])
    assert value == [first, 10**25, "bl\u00e5", "bl\u00e5", "\u4e00\n", (1,), None, 1.5]
    assert type(value[0]) is collections.OrderedDict and value[0]["b"] is True


def test_pickles_in_a_row_and_in_any_kind_of_buffer(tmp_path):
    data = pickle.dumps(["first"], 4) + pickle.dumps({"second": 2}, 2) + b"more"
    path = tmp_path / "two.pickle"
    path.write_bytes(data)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for buffer in (data, bytearray(data), memoryview(data), mapped):
            first, end = restricted_pickle.load(buffer, name="two")
            second, last = restricted_pickle.load(buffer, name="two", start=end)
            assert (first, second) == (["first"], {"second": 2})
            assert buffer[last:] == b"more"


def test_a_list_that_contains_itself():
    value = []
    value.append(value)
    loaded = load(pickle.dumps(value, 2))
    assert loaded[0] is loaded


def test_a_list_nested_deeper_than_the_stack():
    depth = 100_000
    value = load(b"]" * depth + b"a" * (depth - 1) + b".")
    for _ in range(depth - 1):
        (value,) = value
    assert value == []


class _MakesDirectory:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_function_is_named_and_not_run(tmp_path, protocol):
    data = pickle.dumps([_MakesDirectory(tmp_path / "made")], protocol)
    with pytest.raises(RefusedError, match=r"in some.pickle. It asks for '(posix|nt)\.mkdir', whi"):
        load(data)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "data, named",
    [
        (b"cos\nsystem\n.", "'os.system'"),
        (b"\x8c\x02os\x8c\x06system\x93.", "'os.system'"),
        (b"(S'ls'\nios\nsystem\n.", "'os.system'"),
        (b"ccollections\nOrderedDict\n)\x81.", "an object"),
        (b"(ccollections\nOrderedDict\no.", "an object"),
        (b"ccollections\nOrderedDict\n)}\x92.", "an object"),
        (b"N)\x81.", "an object"),
        (b"\x82\x07.", "a copyreg extension"),
        (b"\x83\x07\x01.", "a copyreg extension"),
        (b"\x84\x07\x00\x00\x00.", "a copyreg extension"),
        (b"\x8f.", "a set"),
        (b"(\x91.", "a set"),
        (pickle.dumps(bytearray(b"abc"), 5), "a bytearray"),
        (b"\x97.", "a buffer outside the file"),
        (b"Pkey\n.", "an object outside the file"),
        (b"NQ.", "an object outside the file"),
        (b"}Nb.", "an object with a state of its own"),
        (b"cos\n" + b"x" * 500 + b"\n.", "'os." + "x" * 74 + "...'"),
    ],
)
def test_everything_else_is_named(data, named):
    with pytest.raises(RefusedError) as caught:
        load(data, constructors=ORDERED_DICT)
    assert f" It asks for {named}, which is not run." in str(caught.value)
    assert "\n" not in str(caught.value)


def test_constructors_and_persistent_ids():
    calls = []

    def construct(*arguments):
        calls.append(arguments)
        return "made"

    data = b"cmodule\nmake\n(K\x01K\x02tRPkey\nK\x05Q\x87."
    value = load(
        data,
        constructors={("module", "make"): construct},
        persistent_load=lambda identifier: [identifier],
    )
    assert value == ("made", ["key"], [5])
    assert calls == [(1, 2)]


def test_only_a_constructor_of_the_mapping_is_called():
    constructors = {("module", "make"): lambda: len, ("module", "constant"): 7}
    assert load(b"cmodule\nmake\n)R.", constructors=constructors) is len
    for data in (b"cmodule\nmake\n)R]\x85R.", b"cmodule\nconstant\n)R.", b"N)R."):
        with pytest.raises(InputError, match="damaged"):
            load(data, constructors=constructors)


def test_the_state_of_an_ordered_dict_is_dropped():
    value = collections.OrderedDict(weight=1)
    value._metadata = {"": {"version": 1}}
    loaded = load(pickle.dumps(value, 2), constructors=ORDERED_DICT)
    assert loaded == value and not hasattr(loaded, "_metadata")


def test_a_list_of_pairs_is_used_once():
    # One list under three calls: in a file of a megabyte it could be a hundred thousand of each.
    data = (
        b"ccollections\nOrderedDict\nq\x00"
        + b"](](K\x01K\x02ee\x85q\x01"
        + b"h\x00h\x01R" * 3
        + b"t."
    )
    _, _, first, second, third = load(b"(" + data, constructors=ORDERED_DICT)
    assert (first, second, third) == ({1: 2}, {}, {})


@pytest.mark.parametrize("pairs", [5, [5], [[1, 2, 3]], [[(1,), 2]], [[[], 2]], ((1, 2),)])
def test_ordered_dict_refuses_what_is_no_list_of_pairs(pairs):
    with pytest.raises((TypeError, ValueError)):
        restricted_pickle.ordered_dict(pairs)


DAMAGED = {
    "nothing": b"",
    "no opcode": b"\xff.",
    "empty stack": b".",
    "only a mark": b"(.",
    "a mark left": b"(N.",
    "no mark": b"Nt.",
    "items without a mark": b"]Ne.",
    "append to a number": b"K\x01K\x02a.",
    "items of a list": b"](K\x01K\x02u.",
    "an odd number of items": b"}(K\x01u.",
    "key that is a list": b"}]Ns.",
    "key that is a deep tuple": b"})" + b"\x85" * 100_000 + b"Ns.",
    "key of a deep tuple in a dict of marks": b"(" + b")" + b"\x85" * 100_000 + b"Nd.",
    "memo never put": b"h\x05.",
    "memo that is no number": b"gx\n.",
    "too few for a tuple": b"N\x87.",
    "protocol 6": b"\x80\x06N.",
    "a frame past the end": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00N.",
    "text past the end": b"X\xff\xff\xff\xffabc.",
    "bytes past the end": b"\x8e" + b"\xff" * 8 + b"abc.",
    "integer past the end": b"\x8a\x09\x01.",
    "integer of a megabyte": b"\x8b\x00\x00\x10\x00" + b"\x01" * 2**20 + b".",
    "integer of 1,500 digits": b"I" + b"1" * 1_500 + b"\n.",
    "long integer of 1,500 digits": b"L" + b"1" * 1_500 + b"L\n.",
    "hexadecimal integer": b"I0xff\n.",
    "memo of numbers with one hash": b"Np%d\np%d\n." % (5, 5 + 2**61 - 1),
    "integer without digits": b"Ix\n.",
    "float without digits": b"Fx\n.",
    "no UTF-8": b"\x8c\x01\xff.",
    "no quotes": b"Sabc\n.",
    "no closing quote": b"S'\n.",
    "a line without end": b"V" + b"a" * 10_000,
    "marks without end": b"(" * 100_000,
    "a name that is no text": b"NN\x93.",
    "a module that can be none": b"c\x00 \xff\nx\n.",
    "arguments that are no tuple": b"ccollections\nOrderedDict\n]R.",
    "too many arguments": b"ccollections\nOrderedDict\n]]\x86R.",
    "pairs that are none": b"ccollections\nOrderedDict\n](Ne\x85R.",
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_one_line_that_names_the_file(data):
    with pytest.raises(InputError, match=r"in some\.pickle\. It is damaged or truncated \(near"):
        load(data, constructors=ORDERED_DICT)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_cut_off_anywhere(protocol):
    assert_cut_off(pickle.dumps(PLAIN, protocol))


@pytest.mark.parametrize("data", PYTHON2)
def test_a_pickle_of_python_2_cut_off_anywhere(data):
    assert_cut_off(data)


def test_a_name_that_is_cut_off_is_not_refused():
    assert_cut_off(b"cos\nsystem\n."[:-3])


def assert_cut_off(data):
    for length in range(len(data)):
        with pytest.raises(InputError, match="truncated"):
            load(data[:length], constructors=ORDERED_DICT)


@pytest.mark.parametrize(
    "data",
    [
        b"Nr\xff\xff\xff\xff.",
        b"Np4294967295\n.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x8b\xff\xff\xff\x7f.",
        b"T\xff\xff\xff\x7f.",
    ],
)
def test_a_claim_takes_no_memory(data):
    tracemalloc.start()
    try:
        restricted_pickle.load(data, name="x")
    except InputError:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_bytes_changed_at_random():
    chance = random.Random(0)
    originals = [*PYTHON2, *(pickle.dumps(PLAIN, protocol) for protocol in range(6))]
    results = collections.Counter()
    for _ in range(200):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            restricted_pickle.load(data, name="x", constructors=ORDERED_DICT)
            results["read"] += 1
        except InputError:
            results["refused"] += 1
    assert results["read"] > 10 and results["refused"] > 10


@pytest.mark.parametrize("step", [2**61 - 1, float(2**61 - 1)], ids=type)
def test_keys_that_all_have_one_hash_are_refused(step):
    """A few megabytes of them would take a dict hours."""
    data = pickle.dumps({5 + number * step: number for number in range(3)})
    with pytest.raises(InputError, match="damaged"):
        restricted_pickle.load(data, name="x")


def test_a_state_is_kept_as_it_comes():
    class Kept(StatefulValue):
        pass

    class Written:
        def __reduce__(self):
            return collections.OrderedDict, (), (1, "two")

    data = pickle.dumps([Written()], 3)
    (kept,) = load(data, constructors={("collections", "OrderedDict"): Kept})
    assert type(kept) is Kept and kept.state == (1, "two")
    assert Kept().state is None
