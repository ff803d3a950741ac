"""HDF5 files of weights: arrays of numbers of their own, and nothing that leads elsewhere."""

import h5py
import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.weights_file import check_weights_file, halve_weights_file


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "generator.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones((3, 4), "float32")
        file["layers/dense/vars/1"] = np.ones(4, "float32")
        file["layers/dropout/seed_generator/vars/0"] = np.ones(2, "uint32")
        file["optimizer/vars/0"] = np.int64(3)
        file.create_group("layers/activation/vars")
    return path


def test_a_sound_file(path):
    assert check_weights_file(path) == (2, 16)
    assert check_weights_file(path, 2, 16) == (2, 16)


def external_link(file, secret):
    file["layers/other"] = h5py.ExternalLink(str(secret), "/")


def soft_link(file, secret):
    file["layers/other"] = h5py.SoftLink("/layers/dense")


def soft_link_loop(file, secret):
    file["layers/other"] = h5py.SoftLink("/layers/other")


def hard_link_loop(file, secret):
    file["layers/other"] = file["layers"]


def the_same_array_twice(file, secret):
    file["layers/other"] = file["layers/dense/vars/0"]


def values_in_another_file(file, secret):
    file.create_dataset("other", (10,), "float32", external=[(str(secret), 0, 40)])


def virtual_array(file, secret):
    layout = h5py.VirtualLayout((10,), "float32")
    layout[...] = h5py.VirtualSource(str(secret), "x", (10,))
    file.create_virtual_dataset("other", layout)


def strings(file, secret):
    file["other"] = ["a", "b"]


def fields(file, secret):
    file["other"] = np.zeros(3, [("a", "f4"), ("b", "i8")])


def complex_numbers(file, secret):
    file["other"] = np.zeros(3, "complex64")


def no_values(file, secret):
    file["other"] = h5py.Empty("float32")


def a_type(file, secret):
    file["other"] = np.dtype("float32")


def terabytes(file, secret):
    file.create_dataset("other", (2**40,), "float32", chunks=(2**20,))


def large_pieces(file, secret):
    file.create_dataset("other", (4,), "float32", chunks=(2**28,), maxshape=(None,))


def many_groups(file, secret):
    for number in range(200):
        file.create_group(f"g{number}")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (external_link, "a link to elsewhere at '/layers/other'"),
        (soft_link, "a link to elsewhere at '/layers/other'"),
        (soft_link_loop, "a link to elsewhere at '/layers/other'"),
        (hard_link_loop, "the same object under a second name at '/layers/other'"),
        (the_same_array_twice, "the same object under a second name"),
        (values_in_another_file, "an array whose values are in other files at '/other'"),
        (virtual_array, "an array whose values are in other files"),
        (strings, "an array of something else than numbers"),
        (fields, "an array of something else than numbers"),
        (complex_numbers, "an array of something else than numbers"),
        (no_values, "an array of something else than numbers"),
        (a_type, "something that is not an array"),
        (terabytes, "more than the file can store"),
        (large_pieces, "chunks that are larger than itself"),
        (many_groups, "more than 100 groups"),
    ],
)
def test_what_weights_do_not_need_is_refused(path, tmp_path, monkeypatch, change, expected):
    monkeypatch.setattr("dmgan_tf.models.weights_file._MOST_OBJECTS", 100)
    secret = tmp_path / "secret"
    secret.write_bytes(b"not to be read " * 100)
    with h5py.File(path, "a") as file:
        change(file, secret)
    with pytest.raises(InputError, match=expected) as caught:
        check_weights_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_more_than_the_network_has_is_refused(path):
    with pytest.raises(InputError, match="2 arrays, where the network has 1"):
        check_weights_file(path, 1)
    with pytest.raises(InputError, match="16 values, where the network has 15"):
        check_weights_file(path, 2, 15)


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_a_damaged_file(tmp_path, content):
    (tmp_path / "x.weights.h5").write_bytes(content)
    with pytest.raises(InputError, match="x.weights.h5; it cannot be read"):
        check_weights_file(tmp_path / "x.weights.h5")


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        check_weights_file(tmp_path / "none.weights.h5")


def test_halving_keeps_what_float16_cannot_hold(path, tmp_path):
    with h5py.File(path, "a") as file:
        file["large"] = np.full((2, 2), 1e5, "float32")
        file["small"] = np.full((2, 2), 1e-7, "float32")
        file["not_a_number"] = np.full((2, 2), np.nan, "float32")
        file["empty"] = np.zeros((0, 3), "float32")
        file["thirds"] = np.full((2, 2), 1 / 3, "float32")
        file["layers/dense/vars"].attrs["name"] = "dense"
    halve_weights_file(path, tmp_path / "half.weights.h5")
    assert check_weights_file(tmp_path / "half.weights.h5") == (7, 32)
    with h5py.File(path) as whole, h5py.File(tmp_path / "half.weights.h5") as half:
        for name in ("large", "small", "not_a_number", "layers/dense/vars/1", "optimizer/vars/0"):
            assert half[name].dtype == whole[name].dtype
            np.testing.assert_array_equal(half[name][()], whole[name][()])
        for name in ("thirds", "layers/dense/vars/0"):
            assert half[name].dtype == np.float16
            np.testing.assert_allclose(half[name][()], whole[name][()], rtol=2**-11)
        assert half["empty"].shape == (0, 3)
        assert half["layers/dense/vars"].attrs["name"] == "dense"
        assert "layers/activation/vars" in half
