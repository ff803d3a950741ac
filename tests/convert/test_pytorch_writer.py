import pickle
import pickletools

import numpy as np
import pytest

from dmgan_tf.convert.pytorch_file import read_pytorch_file
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.errors import InputError

ARRAYS = {
    "weight": np.arange(24, dtype="float32").reshape(2, 3, 4),
    "transposed": np.arange(6, dtype="float32").reshape(2, 3).T,
    "big_endian": np.arange(3).astype(">f4"),
    "num_batches_tracked": np.array(2**40),
    "empty": np.zeros((0, 3), "float32"),
    "größe": np.array([1.5], "float32"),
}


def test_our_reader_reads_it_back(tmp_path):
    path = tmp_path / "netG.pth"
    write_pytorch_file(path, ARRAYS)
    read = read_pytorch_file(path)
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].read().dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(read[name].read(), array)
    write_pytorch_file(path, {})
    assert read_pytorch_file(path) == {}


def test_the_opcodes_are_those_of_python_2(tmp_path):
    path = tmp_path / "netG.pth"
    write_pytorch_file(path, ARRAYS)
    with open(path, "rb") as file:
        assert pickle.load(file) == 0x1950A86A20F9469CFC6C
        assert pickle.load(file) == 1001
        assert pickle.load(file)["little_endian"] is True
        opcodes = list(pickletools.genops(file))
        assert pickle.load(file) == [str(key) for key in range(len(ARRAYS))]
        assert file.read(8 + 4 * 24) == (24).to_bytes(8, "little") + ARRAYS["weight"].tobytes()
    assert max(opcode.proto for opcode, _, _ in opcodes) == 2
    assert {argument for opcode, argument, _ in opcodes if opcode.name == "GLOBAL"} == {
        "collections OrderedDict",
        "torch FloatStorage",
        "torch LongStorage",
        "torch._utils _rebuild_tensor_v2",
    }


def test_an_array_of_another_dtype_leaves_the_older_file(tmp_path):
    path = tmp_path / "netG.pth"
    write_pytorch_file(path, {"a": ARRAYS["weight"]})
    with pytest.raises(InputError, match="float32 or int64 for b in .*netG.pth. Received: float64"):
        write_pytorch_file(path, {"a": ARRAYS["weight"], "b": np.zeros(3)})
    assert list(read_pytorch_file(path)) == ["a"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("weights_only", [True, False])
def test_pytorch_reads_it(tmp_path, weights_only):
    torch = pytest.importorskip("torch")
    path = tmp_path / "netG.pth"
    write_pytorch_file(path, ARRAYS)
    state_dict = torch.load(path, weights_only=weights_only)
    assert list(state_dict) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert state_dict[name].is_contiguous() and not state_dict[name].requires_grad
        assert state_dict[name].numpy().dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(state_dict[name].numpy(), array)
