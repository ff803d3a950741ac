import collections
import io
import pickle
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from dmgan_tf.convert import pytorch_file
from dmgan_tf.convert.pytorch_file import StoredTensor, read_pytorch_file
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.errors import InputError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
NUMBERS = np.arange(24, dtype="<f4")


def plain(value):
    """The opcodes of a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def tensor(shape, strides, offset=0, *, kind="Float", key="0", count=24, view=None, rebuild="_v2"):
    """The opcodes of a tensor."""
    storage = (
        b"(" + plain("storage") + f"ctorch\n{kind}Storage\n".encode() + plain(key)
        + plain("cuda:0") + plain(count) + plain(view) + b"tQ"
    )  # fmt: skip
    name = f"ctorch._utils\n_rebuild_tensor{rebuild}\n(".encode()
    hooks = plain(False) + b"ccollections\nOrderedDict\n)R" if rebuild else b""
    return name + storage + plain(offset) + plain(shape) + plain(strides) + hooks + b"tR"


def old_file(path, value, storages=((NUMBERS, "0"),), keys=None, system=None):
    """Writes the opcodes `value` as a file of PyTorch before 1.6."""
    parts = [pickle.dumps(MAGIC_NUMBER, 2), pickle.dumps(1001, 2)]
    parts.append(pickle.dumps({"little_endian": True} if system is None else system, 2))
    parts.append(b"\x80\x02" + value + b".")
    parts.append(pickle.dumps([key for _, key in storages] if keys is None else keys, 2))
    for elements, _ in storages:
        parts += [struct.pack("<q", elements.size), elements.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


def zip_file(path, value, storages=((NUMBERS, "0"),), entries=None, compression=None):
    """Writes the opcodes `value` as a file of PyTorch from 1.6."""
    with zipfile.ZipFile(path, "w", compression or zipfile.ZIP_STORED) as archive:
        archive.writestr("net/data.pkl", b"\x80\x02" + value + b".")
        archive.writestr("net/byteorder", "little")
        for elements, key in storages:
            archive.writestr(f"net/data/{key}", elements.tobytes())
        archive.writestr("net/version", "3\n")
        for name, content in (entries or {}).items():
            archive.writestr(name, content)
    return path


FORMATS = pytest.mark.parametrize("write", [old_file, zip_file])


@FORMATS
@pytest.mark.parametrize(
    "shape, strides, offset, expected",
    [
        ((24,), (1,), 0, NUMBERS),
        ((2, 3, 4), (12, 4, 1), 0, NUMBERS.reshape(2, 3, 4)),
        ((4, 6), (1, 4), 0, NUMBERS.reshape(6, 4).T),
        ((2, 3), (12, 2), 1, NUMBERS.reshape(2, 12)[:, 1:7:2]),
        ((3, 4), (0, 1), 4, np.tile(NUMBERS[4:8], (3, 1))),
        ((), (), 7, NUMBERS[7]),
        ((1, 2), (2**61, 1), 0, NUMBERS[None, :2]),
        ((0, 3), (3, 1), 24, np.zeros((0, 3), "float32")),
    ],
)
def test_views_of_a_storage(tmp_path, write, shape, strides, offset, expected):
    stored = read_pytorch_file(write(tmp_path / "a.pth", tensor(shape, strides, offset)))
    assert isinstance(stored, StoredTensor)
    array = stored.read()
    assert stored.shape == array.shape == expected.shape
    assert stored.dtype == array.dtype == np.float32
    assert array.flags.c_contiguous and array.flags.writeable and type(array) is np.ndarray
    np.testing.assert_array_equal(array, expected)


@FORMATS
@pytest.mark.parametrize(
    "kind, dtype",
    [
        ("Double", "float64"),
        ("Half", "float16"),
        ("Long", "int64"),
        ("Int", "int32"),
        ("Short", "int16"),
        ("Char", "int8"),
        ("Byte", "uint8"),
    ],
)
def test_dtypes(tmp_path, write, kind, dtype):
    elements = np.array([1, 2, 100], dtype)
    value = tensor((3,), (1,), kind=kind, count=3)
    stored = read_pytorch_file(write(tmp_path / "a.pth", value, [(elements, "0")]))
    assert stored.dtype == stored.read().dtype == np.dtype(dtype)
    np.testing.assert_array_equal(stored.read(), elements)


@FORMATS
@pytest.mark.parametrize("shape, strides", [((2, 2), (1, 2)), ((), ())])
def test_bfloat16_and_booleans(tmp_path, write, shape, strides):
    bfloat16 = (np.array([1.5, -2, 0, 3e38], "<f4").view("<u4") >> 16).astype("<u2")
    booleans = np.array([0, 1, 2, 255], "u1")
    value = b"(" + tensor(shape, strides, kind="BFloat16", count=4)
    value += tensor(shape, strides, kind="Bool", key="1", count=4) + b"t"
    path = write(tmp_path / "a.pth", value, [(bfloat16, "0"), (booleans, "1")])
    numbers, flags = read_pytorch_file(path)
    assert numbers.dtype == numbers.read().dtype == np.float32
    assert flags.dtype == flags.read().dtype == np.bool_
    expected = np.array([[1.5, 0], [-2, 3e38]]) if shape else np.array(1.5)
    np.testing.assert_allclose(numbers.read(), expected, rtol=0.01)
    np.testing.assert_array_equal(flags.read(), [[False, True], [True, True]] if shape else False)


@FORMATS
def test_a_checkpoint_with_shared_storages(tmp_path, write):
    parameter = b"ctorch._utils\n_rebuild_parameter\n" + (
        b"(" + tensor((2,), (1,), 4, rebuild="") + plain(True) + b"ccollections\nOrderedDict\n)RtR"
    )
    value = b"}(" + plain("state_dict") + b"ccollections\nOrderedDict\n]("
    value += b"](" + plain("a") + tensor((2, 2), (2, 1)) + b"e"  # as Python 2 pickles it
    value += b"](" + plain("b") + parameter + b"ee\x85R"
    value += plain("size") + b"ctorch\nSize\n" + plain((2, 2)) + b"\x85R"
    value += plain("epoch") + plain(3) + plain("optimizer") + plain({"state": {0: 0.5}}) + b"u"
    checkpoint = read_pytorch_file(write(tmp_path / "a.pth", value))
    state_dict = checkpoint["state_dict"]
    assert type(state_dict) is collections.OrderedDict and list(state_dict) == ["a", "b"]
    np.testing.assert_array_equal(state_dict["a"].read(), [[0, 1], [2, 3]])
    np.testing.assert_array_equal(state_dict["b"].read(), [4, 5])
    assert state_dict["a"].storage is state_dict["b"].storage
    assert checkpoint["size"] == (2, 2) and checkpoint["epoch"] == 3
    assert checkpoint["optimizer"] == {"state": {0: 0.5}}


def test_a_view_of_a_storage_in_an_old_file(tmp_path):
    value = b"(" + tensor((3,), (1,), 1, view=("5", 10, 4)) + b"t"
    (stored,) = read_pytorch_file(old_file(tmp_path / "a.pth", value))
    np.testing.assert_array_equal(stored.read(), [11, 12, 13])
    for view in [("5", 10, 15), ("5", -1, 4), ("5", 0), 5, ("5", 0, 3)]:
        path = old_file(tmp_path / "a.pth", tensor((3,), (1,), 1, view=view))
        with pytest.raises(InputError, match="a view|a tensor that is larger"):
            read_pytorch_file(path)


@FORMATS
@pytest.mark.parametrize(
    "value, problem",
    [
        (tensor((25,), (1,)), "larger than its storage"),
        (tensor((24,), (1,), 1), "larger than its storage"),
        (tensor((2, 2), (24, 1)), "larger than its storage"),
        (tensor((2**40,), (0,)), "larger than its storage"),
        (tensor((2**31, 2**31), (0, 0)), "larger than its storage"),
        (tensor((0, 2**61, 2**61), (1, 1, 1)), "larger than its storage"),
        (tensor((0,), (1,), 25), "larger than its storage"),
        (tensor((-1,), (1,)), "not integers"),
        (tensor((2,), (-1,), 5), "not integers"),
        (tensor((2,), (1,), -1), "not integers"),
        (tensor((2.0,), (1,)), "not integers"),
        (tensor((True,), (1,)), "not integers"),
        (tensor((2, 2), (1,)), "not integers"),
        (tensor([2], [1]), "not integers"),
        (tensor((1,) * 33, (1,) * 33), "not integers"),
        (tensor((1,), (1,), count=-1), "without its type, key and size"),
        (tensor((1,), (1,), count="24"), "without its type, key and size"),
        (tensor((1,), (1,), key=0), "without its type, key and size"),
        (b"NQ", "without its type, key and size"),
        (plain(("storage", 1, "0", "cpu", 24)) + b"Q", "without its type, key and size"),
        (b"(" + tensor((1,), (1,)) + tensor((1,), (1,), count=23) + b"t", "two types or sizes"),
        (b"(" + tensor((1,), (1,)) + tensor((1,), (1,), kind="Int") + b"t", "two types or sizes"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))tR", "without a storage"),
        (b"ctorch._utils\n_rebuild_parameter\n(N\x88NtR", "without a tensor"),
        (b"ctorch\nSize\nN\x85R", "a size that is not a tuple"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "damaged or truncated"),
        (b"ctorch\nFloatStorage\n)R", "damaged or truncated"),
        (b"cposix\nsystem\n" + plain("ls") + b"\x85R", "asks for 'posix.system', which is not run"),
        (b"ctorch.nn\nLinear\n)\x81", "asks for 'torch.nn.Linear', which is not run"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(tmp_path, write, value, problem):
    path = write(tmp_path / "a.pth", value)
    tracemalloc.start()
    with pytest.raises(InputError, match=problem) as caught:
        read_pytorch_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "a.pth" in str(caught.value) and "\n" not in str(caught.value)
    assert peak < 10_000_000


def test_a_pickle_too_long_for_a_state_dict(tmp_path, monkeypatch):
    monkeypatch.setattr(pytorch_file, "_MOST_PICKLE_BYTES", 1000)
    value = b"(" + tensor((24,), (1,)) + plain("x" * 1000) + b"t"
    with pytest.raises(InputError, match="at most 1000 bytes in the entry data.pkl"):
        read_pytorch_file(zip_file(tmp_path / "a.pth", value))
    with pytest.raises(InputError, match="damaged or truncated"):
        read_pytorch_file(old_file(tmp_path / "a.pth", value))


def test_counts_in_an_old_file(tmp_path):
    path = tmp_path / "a.pth"
    whole = old_file(path, tensor((24,), (1,))).read_bytes()
    for claimed in (2**62 - 1, 25):
        with pytest.raises(InputError, match="at least .* bytes in .*a.pth"):
            read_pytorch_file(old_file(path, tensor((4,), (1,), count=claimed)))
    with pytest.raises(InputError, match="Expected 23 elements .* a count of 24"):
        read_pytorch_file(old_file(path, tensor((4,), (1,), count=23)))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="a.pth"):
            read_pytorch_file(path)


@pytest.mark.parametrize("keys", [[], ["1"], ["0", "0"], ["0", "1"], [["0"]], {"0": 1}, None])
def test_keys_in_an_old_file(tmp_path, keys):
    value = tensor((24,), (1,))
    path = old_file(tmp_path / "a.pth", value, keys=keys)
    if keys is None:
        read_pytorch_file(path)
    else:
        with pytest.raises(InputError, match="Expected the keys of 1 storages"):
            read_pytorch_file(path)


def test_other_versions_and_byte_orders(tmp_path):
    path = tmp_path / "a.pth"
    value = tensor((24,), (1,))
    for system in ({"little_endian": False}, {}, 5):
        with pytest.raises(InputError, match="little-endian"):
            read_pytorch_file(old_file(path, value, system=system))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"\x80\x02N.")
        archive.writestr("net/byteorder", "big")
    with pytest.raises(InputError, match="little-endian"):
        read_pytorch_file(path)
    path.write_bytes(pickle.dumps(MAGIC_NUMBER, 2) + pickle.dumps(1002, 2))
    with pytest.raises(InputError, match="version 1001"):
        read_pytorch_file(path)


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "an empty file"),
        (b"\n <!DOCTYPE html><title>Google Drive - Virus scan warning", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"pax" + b"\0" * 254 + b"ustar\0" + b"\0" * 300, "before PyTorch 0.1.10"),
        (b"\x89PNG\r\n\x1a\n", "begins with b'.x89PNG"),
        (b"\xff" * 20_000_000, "begins with"),
        (pickle.dumps([1, 2], 2), "a pickle of something else"),
        (pickle.dumps("x" * 9_000_000, 2), "a pickle of something else"),
        (pickle.dumps(np.ones(3), 2), r"asks for 'numpy\._?core\.multiarray\._reconstruct'"),
        (b"cos\nsystem\n(S'ls'\ntR.", "asks for 'os.system'"),
        (b"captions of many words\nand more\n", "damaged or truncated"),
    ],
)
def test_other_files_are_named(tmp_path, content, problem):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        read_pytorch_file(path)
    assert "a.pth" in str(caught.value) and "\n" not in str(caught.value)


def test_no_file_and_a_directory(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_pytorch_file(tmp_path / "none.pth")
    with pytest.raises(InputError, match="a directory"):
        read_pytorch_file(tmp_path)


def test_zips_that_are_no_checkpoint(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(4):
            archive.writestr(f"layer{index}.npy", "x")
    with pytest.raises(InputError, match="4 entries: 'layer0.npy', .* 'layer2.npy', ..."):
        read_pytorch_file(path)
    zip_file(path, b"N", entries={"net/constants.pkl": b""})
    with pytest.raises(InputError, match="TorchScript"):
        read_pytorch_file(path)
    zip_file(path, b"N", entries={"other/data.pkl": b""})
    with pytest.raises(InputError, match="without one data.pkl"):
        read_pytorch_file(path)


def test_entries_of_a_zip(tmp_path):
    path = tmp_path / "a.pth"
    value = tensor((24,), (1,))
    with pytest.raises(InputError, match="96 bytes in the entry data/'0' .* Received: 92"):
        read_pytorch_file(zip_file(path, value, [(NUMBERS[:23], "0")]))
    with pytest.raises(InputError, match="'net/data/0' .* no such entry"):
        read_pytorch_file(zip_file(path, value, [(NUMBERS, "1")]))
    with pytest.raises(InputError, match="no such entry"):
        read_pytorch_file(zip_file(path, tensor((24,), (1,), key="../../net/data/0")))
    with pytest.raises(InputError, match="compressed"):
        read_pytorch_file(zip_file(path, value, compression=zipfile.ZIP_DEFLATED))
    with pytest.warns(UserWarning, match="Duplicate"):
        zip_file(path, value, entries={"net/data/0": b"other"})
    with pytest.raises(InputError, match="damaged"):
        read_pytorch_file(path)


def test_a_zip_whose_directory_lies(tmp_path):
    path = zip_file(tmp_path / "a.pth", tensor((24,), (1,), count=2**30), [(NUMBERS, "0")])
    whole = path.read_bytes()
    entry = whole.index(b"net/data/0", whole.index(b"PK\x01\x02")) - 46
    for offset in (20, 24):  # the sizes, compressed and not
        whole = whole[: entry + offset] + struct.pack("<I", 2**32 - 4) + whole[entry + offset + 4 :]
    path.write_bytes(whole)
    with pytest.raises(InputError, match="a.pth"):
        read_pytorch_file(path)
    elsewhere = whole[: entry + 42] + struct.pack("<I", 5) + whole[entry + 46 :]
    path.write_bytes(elsewhere)
    with pytest.raises(InputError, match="at byte 5 of .* something else"):
        read_pytorch_file(path)
    for length in range(4, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged or truncated"):
            read_pytorch_file(path)


def test_a_file_that_changes_before_it_is_read(tmp_path):
    path = old_file(tmp_path / "a.pth", tensor((24,), (1,)))
    stored = read_pytorch_file(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="Received: 23; the file has changed"):
        stored.read()
    path.unlink()
    with pytest.raises(InputError, match="Cannot read"):
        stored.read()


def test_bytes_changed_at_random(tmp_path):
    path = tmp_path / "a.pth"
    write_pytorch_file(path, {"a": NUMBERS.reshape(4, 6), "b": np.array(5)})
    originals = [path.read_bytes(), zip_file(path, tensor((6, 4), (1, 6))).read_bytes()]
    chance = random.Random(0)
    results = collections.Counter()
    for _ in range(200):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            value = read_pytorch_file(path)
            for item in value.values() if isinstance(value, dict) else [value]:
                if isinstance(item, StoredTensor):
                    assert item.read().shape == item.shape
            results["read"] += 1
        except InputError:
            results["refused"] += 1
    assert results["read"] > 10 and results["refused"] > 10


@pytest.mark.parametrize("new_format", [False, True])
def test_against_pytorch(tmp_path, new_format):
    torch = pytest.importorskip("torch")
    base = torch.arange(48, dtype=torch.float32).reshape(6, 8)
    layer = torch.nn.Linear(3, 4)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    tensors = {
        "parameter": torch.nn.Parameter(base),
        "slice": base[2:4],
        "transposed": base.t()[1:, ::2],
        "half": base.half(),
        "bfloat16": base.bfloat16().t(),
        "double": base.double(),
        "boolean": (base > 3).t(),
        "long": torch.tensor(3),
        "empty": torch.zeros(0, 3),
    }
    checkpoint = {
        "state_dict": layer.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "size": base.shape,
        "tensors": tensors,
    }
    path = tmp_path / "a.pth"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=new_format)
    _assert_same(torch, read_pytorch_file(path), checkpoint)
    torch.save(layer, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(InputError, match=r"asks for 'torch\.nn\.modules\.linear\.Linear'"):
        read_pytorch_file(path)


def _assert_same(torch, read, saved):
    if isinstance(saved, torch.Tensor):
        expected = saved.detach()
        expected = expected.float() if expected.dtype == torch.bfloat16 else expected
        assert read.shape == tuple(expected.shape) and read.dtype == expected.numpy().dtype
        np.testing.assert_array_equal(read.read(), expected.numpy())
    elif isinstance(saved, dict):
        assert list(read) == list(saved)
        for key, value in saved.items():
            _assert_same(torch, read[key], value)
    elif isinstance(saved, list):
        assert len(read) == len(saved)
        for one, other in zip(read, saved, strict=True):
            _assert_same(torch, one, other)
    else:
        assert read == saved


def test_torchscript_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    path = tmp_path / "a.pt"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="TorchScript"):
        read_pytorch_file(path)
