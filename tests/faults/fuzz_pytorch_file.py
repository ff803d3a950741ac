"""Fuzzes the reader of `.pth` files: `python tests/faults/fuzz_pytorch_file.py --seconds=600`.

The first byte of an input says what the others are: a whole file, or the pickle in an otherwise
sound file of the old or of the new format, so that mutations reach the tensors behind the zip.
Every tensor that is found is read.
"""

import io
import os
import pathlib
import pickle
import sys
import tempfile
import zipfile

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from faults import fuzzing

_WHOLE, _OLD, _ZIP = range(3)
_ELEMENTS = b"\0\0\x80?" * 24
_MOST_TENSORS_READ = 16
_MAGIC = 0x1950A86A20F9469CFC6C


def plain(value) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def tensor(shape, strides, offset=0, kind="Float", key="0", count=24) -> bytes:
    storage = (
        b"("
        + plain("storage")
        + f"ctorch\n{kind}Storage\n".encode()
        + b"".join(map(plain, (key, "cpu", count, None)))
        + b"tQ"
    )
    view = b"".join(map(plain, (offset, shape, strides, False)))
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + hooks + b"tR"


def _objects():
    """Opcodes of saved objects: state dicts, checkpoints, one tensor, parameters, sizes."""
    tensors = [
        tensor((2, 3, 4), (12, 4, 1)),
        tensor((4, 6), (1, 4)),
        tensor((), (), 7),
        tensor((0, 3), (3, 1), 24),
        tensor((3, 4), (0, 1), 4),
        tensor((12,), (1,), kind="Long", count=12),
        tensor((48,), (1,), kind="BFloat16", count=48),
        tensor((96,), (1,), kind="Bool", count=96),
    ]
    yield from tensors
    named = b"".join(plain(f"layer.{n}.weight") + item for n, item in enumerate(tensors[:5]))
    state_dict = b"ccollections\nOrderedDict\n)R(" + named + b"u"
    yield state_dict
    yield b"}(" + plain("state_dict") + state_dict + plain("epoch") + plain(3) + b"u"
    yield (
        b"ctorch._utils\n_rebuild_parameter\n("
        + tensors[0]
        + b"\x88ccollections\nOrderedDict\n)RtR"
    )
    yield b"ctorch\nSize\n" + plain((2, 2)) + b"\x85R"
    yield b"ccollections\nOrderedDict\n](](" + plain("ca_net.fc.weight") + tensors[1] + b"ee\x85R"


def old_file(pickled: bytes) -> bytes:
    """A file of PyTorch before 1.6, around the pickle of what was saved."""
    parts = [_MAGIC, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(part, 2) for part in parts)
    storage = (24).to_bytes(8, "little") + _ELEMENTS
    return head + pickled + pickle.dumps(["0"], 2) + storage


def zip_file(pickled: bytes) -> bytes:
    """A file of PyTorch since 1.6."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/byteorder", "little")
        archive.writestr("net/data/0", _ELEMENTS)
        archive.writestr("net/version", "3\n")
    return buffer.getvalue()


def seeds():
    """Every object as a pickle to be wrapped, and as whole files of both formats."""
    for opcodes in _objects():
        pickled = b"\x80\x02" + opcodes + b"."
        yield bytes([_OLD]) + pickled
        yield bytes([_ZIP]) + pickled
        yield bytes([_WHOLE]) + old_file(pickled)
        yield bytes([_WHOLE]) + zip_file(pickled)


def content_of(data: bytes) -> bytes:
    """The bytes of the file that an input stands for."""
    form = data[0] % 3 if data else _WHOLE
    return {_WHOLE: bytes, _OLD: old_file, _ZIP: zip_file}[form](data[1:])


def make_check():
    """The function of one input."""
    from dmgan_tf.convert.pytorch_file import StoredTensor, read_pytorch_file
    from dmgan_tf.convert.state_dict import GENERATOR, StateDict
    from dmgan_tf.errors import InputError

    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    directory = tempfile.TemporaryDirectory(dir=memory)

    def check(data):
        path = pathlib.Path(directory.name, "fuzzed.pth")
        path.write_bytes(content_of(data))
        try:
            for tensor in tensors_in(read_pytorch_file(path), StoredTensor):
                assert tensor.read().shape == tensor.shape
        except InputError as error:
            fuzzing.check_message(error)
        try:
            StateDict.open(path, GENERATOR).read(GENERATOR.sign)
        except InputError as error:
            fuzzing.check_message(error)

    return check


def tensors_in(value, stored_tensor):
    """The first tensors within a saved object, which may be deep, wide or contain itself."""
    seen, waiting, found = set(), [value], 0
    while waiting and found < _MOST_TENSORS_READ:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, stored_tensor):
            found += 1
            yield item
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, (list, tuple)):
            waiting += item


if __name__ == "__main__":
    words = [
        *(
            b"ctorch\n",
            b"FloatStorage\n",
            b"ctorch._utils\n",
            b"_rebuild_tensor_v2\n",
            b"tR",
            b"tQ",
        ),
        *(
            b"ccollections\nOrderedDict\n",
            b"PK\x01\x02",
            b"PK\x03\x04",
            b"PK\x05\x06",
            b"PK\x06\x06",
        ),
        *(b"net/data.pkl", b"net/data/0", b"net/byteorder", b"\x8a\x08", b"J\xff\xff\xff\x7f"),
    ]
    modules = ("dmgan_tf", "zipfile")
    fuzzing.main(__file__, fuzzing.Target(modules, make_check, list(seeds()), words))
