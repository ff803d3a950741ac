"""Reads files of `torch.save` without PyTorch: only tensors and plain values.

Both of its formats are supported. The old one, up to PyTorch 1.5, is a sequence of pickles (a magic
number, a version, facts about the machine, the object, the keys of its storages) and then, for each
key, a count of elements and the elements. The new one is a zip of `NAME/data.pkl`, the same object,
and of uncompressed `NAME/data/KEY`, only the elements. In both, a tensor in the pickle is a view of
a storage: offset, sizes and strides. All of these are checked against the file before any memory is
allocated for them.
"""

import os
import pathlib
import struct
import zipfile

from dmgan_tf.convert.pytorch_tensors import PyTorchObjects, Storage, StoredTensor
from dmgan_tf.errors import InputError
from dmgan_tf.files import restricted_pickle
from dmgan_tf.files.failed_download import failed_download

__all__ = ["StoredTensor", "read_pytorch_file"]

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_MOST_PICKLE_BYTES = 8 * 2**20  # a state dict of 500 tensors takes a tenth of a megabyte
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # a zip entry's: signature, lengths of name and extra
_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    struct.error,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    ValueError,
)


def read_pytorch_file(path: str | os.PathLike) -> object:
    """Reads a file of `torch.save`, in either of its formats; tensors stay in the file.

    No code in the file is run. It may contain plain values, dicts and tensors, such as a state dict
    or a checkpoint of several; anything else is an error that names it.

    Args:
        path: The file, `.pth`, `.pt` or any other name.

    Returns:
        The saved object, with a `StoredTensor` instead of each tensor. It can be nested to any
        depth, or contain itself.

    Raises:
        InputError: If there is no such file, if it is not PyTorch's, or if it is damaged.
    """
    path = pathlib.Path(path)
    try:
        if not path.is_file():
            what = "a directory" if path.is_dir() else "no file"
            raise InputError(f"Expected a file of torch.save at {path}. Received: {what}.")
        with open(path, "rb") as file:
            head = file.read(_MOST_PICKLE_BYTES)
            if head.startswith(b"PK\x03\x04"):
                return _read_zip(path, file)
            _check_is_no_other(path, head)
            return _read_old_format(path, file, head)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error}.") from error


def _check_is_no_other(path, head: bytes) -> None:
    """Raises an error that names the file's format, if its first bytes show it."""
    what = failed_download(head)
    if head[257:262] == b"ustar":
        what = (
            "a tar file, the format before PyTorch 0.1.10; load it with an old PyTorch and save "
            "its state_dict() again"
        )
    if what is not None:
        raise InputError(f"Expected a file of torch.save in {path}. Received: {what}.")


def _read_magic_number(path, head: bytes) -> int:
    """Returns the position after the magic number of the old format."""
    pickled = restricted_pickle.begins_like_pickle(head)
    try:
        magic, position = restricted_pickle.load(head, name=str(path))
    except InputError as error:
        whole = len(head) < _MOST_PICKLE_BYTES
        if pickled and (whole or isinstance(error, restricted_pickle.RefusedError)):
            raise
        magic = None  # not a pickle, or one whose end was not read
    if type(magic) is int and magic == MAGIC_NUMBER:
        return position
    what = "a pickle of something else" if pickled else f"a file that begins with {head[:16]!r}"
    raise InputError(f"Expected a file of torch.save in {path}. Received: {what}.")


def _read_old_format(path: pathlib.Path, file, head: bytes):
    """Reads the sequence of pickles, all in `head`, and finds the storages after them."""
    name = str(path)
    position = _read_magic_number(path, head)
    version, position = restricted_pickle.load(head, name=name, start=position)
    if type(version) is not int or version != PROTOCOL_VERSION:
        raise InputError(
            f"Expected a file of torch.save in {path}, version {PROTOCOL_VERSION}. Received: "
            "another version. Save it again with a current PyTorch."
        )
    system, position = restricted_pickle.load(head, name=name, start=position)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise _big_endian(path)
    objects = PyTorchObjects(path)
    value, position = restricted_pickle.load(
        head,
        name=name,
        constructors=objects.constructors,
        persistent_load=objects.storage,
        start=position,
    )
    keys, position = restricted_pickle.load(head, name=name, start=position)
    if (
        type(keys) is not list
        or any(type(key) is not str for key in keys)
        or len(keys) != len(objects.storages)
        or set(keys) != set(objects.storages)
    ):
        raise _damaged(f"the keys of {len(objects.storages)} storages in {path}", "others")
    _locate_storages(path, file, position, [objects.storages[key] for key in keys])
    return value


def _locate_storages(path, file, position: int, storages: list[Storage]) -> None:
    """Finds each storage in the old format, where a count of elements precedes each."""
    file_size = os.fstat(file.fileno()).st_size
    for storage in storages:
        file.seek(position)
        count = int.from_bytes(file.read(8), "little")
        storage.position = position + 8
        position = storage.position + storage.num_bytes
        if position > file_size:
            raise _cut_off(path, file_size, position)
        if count != storage.num_elements:
            place = f"byte {storage.position} of {path}"
            raise _damaged(f"{storage.num_elements} elements at {place}", f"a count of {count}")


def _read_zip(path: pathlib.Path, file):
    """Reads the zip format: the pickle first, then where each storage's entry begins."""
    file_size = os.fstat(file.fileno()).st_size
    entries = _zip_entries(path, file)
    folder = _checkpoint_folder(path, entries)

    def locate(entry_name: str) -> tuple[int, int]:
        return _locate_entry(path, file, file_size, entries, f"{folder}/{entry_name}")

    def small_entry(entry_name: str) -> bytes:
        position, size = locate(entry_name)
        if size > _MOST_PICKLE_BYTES:
            raise InputError(
                f"Expected at most {_MOST_PICKLE_BYTES} bytes in the entry {entry_name} of {path}. "
                f"Received: {size}; this is no state dict."
            )
        file.seek(position)
        return file.read(size)

    if f"{folder}/byteorder" in entries and small_entry("byteorder").strip() != b"little":
        raise _big_endian(path)
    objects = PyTorchObjects(path)
    value, _ = restricted_pickle.load(
        small_entry("data.pkl"),
        name=str(path),
        constructors=objects.constructors,
        persistent_load=objects.storage,
    )
    for key, storage in objects.storages.items():
        storage.position, size = locate(f"data/{key}")
        if size != storage.num_bytes:
            entry = f"the entry data/{key[:80]!r} of {path}"
            raise _damaged(f"{storage.num_bytes} bytes in {entry}", size)
    return value


def _zip_entries(path, file) -> dict[str, zipfile.ZipInfo]:
    """Returns the entries of the zip's directory, which `_locate_entry` checks."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except _ZIP_DAMAGE as error:
        problem = error
    else:
        by_name = {entry.filename: entry for entry in entries}
        if len(by_name) == len(entries):
            return by_name
        problem = None
    raise InputError(
        f"Expected a whole zip in {path}. It is damaged or truncated. Get the file again."
    ) from problem


def _checkpoint_folder(path, entries) -> str:
    """Returns the folder of all entries of a checkpoint."""
    folders = [name.removesuffix("/data.pkl") for name in entries if name.endswith("/data.pkl")]
    folders = [folder for folder in folders if "/" not in folder]
    if len(folders) != 1:
        some = ", ".join(repr(name[:40]) for name in list(entries)[:3]) or "nothing"
        raise InputError(
            f"Expected a file of torch.save in {path}. Received: a zip without one data.pkl; it "
            f"has {len(entries)} entries: {some}{', ...' if len(entries) > 3 else ''}."
        )
    (folder,) = folders
    script = (f"{folder}/constants.pkl", f"{folder}/code/")
    if any(name.startswith(script) for name in entries):
        raise InputError(
            f"Expected a file of torch.save in {path}. Received: a TorchScript archive. Load it "
            "with torch.jit.load and save its state_dict() with torch.save."
        )
    return folder


def _locate_entry(path, file, file_size, entries, entry_name) -> tuple[int, int]:
    """Returns where an entry's bytes begin and how many they are, checked against the file."""
    entry = entries.get(entry_name)
    shown = repr(entry_name[:80])
    if entry is None:
        raise _damaged(f"the entry {shown} in {path}", "no such entry")
    stored = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1
    if not stored or entry.compress_size != entry.file_size:
        raise InputError(
            f"Expected the entry {shown} of {path} uncompressed, as torch.save writes it. "
            "Received: a compressed or encrypted one. Save the file again with torch.save."
        )
    if not 0 <= entry.header_offset <= file_size - _LOCAL_HEADER.size:
        raise _cut_off(path, file_size, max(entry.header_offset, 0) + _LOCAL_HEADER.size)
    file.seek(entry.header_offset)
    signature, name_size, extra_size = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    position = entry.header_offset + _LOCAL_HEADER.size + name_size + extra_size
    if signature != b"PK\x03\x04":
        place = f"byte {entry.header_offset} of {path}"
        raise _damaged(f"the entry {shown} at {place}", "something else")
    if position + entry.file_size > file_size:
        raise _cut_off(path, file_size, position + entry.file_size)
    return position, entry.file_size


def _cut_off(path, file_size: int, needed: int) -> InputError:
    return _damaged(f"at least {needed} bytes in {path}", file_size)


def _damaged(expected, received) -> InputError:
    return InputError(
        f"Expected {expected}. Received: {received}; it is damaged or truncated. Get it again."
    )


def _big_endian(path) -> InputError:
    return InputError(
        f"Expected numbers of a little-endian machine in {path}. Received: another byte order. "
        "Save it again on a current PC."
    )
