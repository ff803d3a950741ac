"""The fuzzers' checks, on their seeds and some thousand mutations of them, without a fuzzer."""

import random

import pytest
from faults import fuzz_pytorch_file, fuzz_restricted_pickle, fuzzing
from faults.mutations import damage_bytes

from dmgan_tf.errors import InputError

TARGETS = pytest.mark.parametrize("target", [fuzz_restricted_pickle, fuzz_pytorch_file])


@TARGETS
def test_seeds_and_mutations_of_them(target):
    check = target.make_check()
    chance = random.Random(0)
    for seed in target.seeds():
        check(seed)
        for _ in range(10):
            check(damage_bytes(chance, seed))
    check(b"")


# Found by the fuzzer: names of tensors stood in messages with the line breaks they have in a file.
def test_a_tensor_whose_name_has_a_line_break():
    item = fuzz_pytorch_file.tensor((2,), (1,))
    for name in ("layer.\n0", "\x1b[2J", "x" * 100_000, "layer\r.weight", "a.\nca_net.fc.weight"):
        names = fuzz_pytorch_file.plain(name) + item + fuzz_pytorch_file.plain("b") + item
        pickled = b"\x80\x02}(" + names + b"u."
        fuzz_pytorch_file.make_check()(bytes([1]) + pickled)


def test_a_check_sees_what_is_not_plain():
    with pytest.raises(AssertionError, match="set"):
        fuzz_restricted_pickle.check_plain([({"a": {1}},)], {})
    looped = [1]
    looped.append(looped)
    fuzz_restricted_pickle.check_plain(looped, {})
    for message in ("one\ntwo", "x" * 5000):
        with pytest.raises(AssertionError):
            fuzzing.check_message(InputError(message))
