"""Tensors of a PyTorch file, as its pickle describes them: views of storages in the file."""

import dataclasses
import math
import pathlib

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.files import restricted_pickle

_MOST_DIMENSIONS = 32
_MOST_EMPTY_ELEMENTS = 2**40  # of an empty tensor, the product of its other axes
_STORED_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|u1",
}
_READ_DTYPES = {"BFloat16Storage": "float32", "BoolStorage": "bool"}  # where not the stored one


@dataclasses.dataclass
class Storage:
    """A sequence of elements in the file; its position is known once the pickle is read."""

    kind: str  # the name of one of PyTorch's typed storages
    num_elements: int
    position: int | None = None

    @property
    def stored_dtype(self) -> np.dtype:
        """The dtype of the elements in the file."""
        return np.dtype(_STORED_DTYPES[self.kind])

    @property
    def num_bytes(self) -> int:
        """How many bytes of the file it takes."""
        return self.num_elements * self.stored_dtype.itemsize


@dataclasses.dataclass(frozen=True)
class StorageView:
    """A part of a storage, in elements; mostly the whole."""

    storage: Storage
    offset: int
    num_elements: int


@dataclasses.dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that is still in its file.

    Args:
        path: The file.
        storage: The elements that the tensor is a view of.
        offset: Where in the storage it begins, in elements.
        shape: Its sizes.
        strides: For each axis, the step in the storage, in elements.
    """

    path: pathlib.Path
    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """The dtype that `read` returns; float32 for bfloat16, which numpy does not have."""
        return np.dtype(_READ_DTYPES.get(self.storage.kind, self.storage.stored_dtype))

    def read(self) -> np.ndarray:
        """Reads the tensor's elements, and of its storage only the part that they span.

        Returns:
            A contiguous, writable array of `shape` and `dtype`.

        Raises:
            InputError: If the file was deleted or has become shorter.
        """
        stored = self.storage.stored_dtype
        span = _span(self.shape, self.strides)
        position = self.storage.position + self.offset * stored.itemsize
        try:
            elements = np.fromfile(self.path, dtype=stored, count=span, offset=position)
        except OSError as error:
            raise InputError(f"Cannot read {self.path}: {error}.") from error
        if len(elements) != span:
            raise InputError(
                f"Expected {span} elements at byte {position} of {self.path}. Received: "
                f"{len(elements)}; the file has changed while it was read. Start again."
            )
        byte_strides = tuple(
            step * stored.itemsize if size > 1 else 0  # else unused, unchecked and possibly huge
            for size, step in zip(self.shape, self.strides, strict=True)
        )
        if span:
            elements = np.lib.stride_tricks.as_strided(elements, self.shape, byte_strides)
        elements = np.ascontiguousarray(elements)
        if self.storage.kind == "BFloat16Storage":  # the upper half of a float32
            elements = np.left_shift(elements, 16, dtype=np.uint32).view(np.float32)
        elif self.storage.kind == "BoolStorage":
            elements = elements != 0
        return elements.reshape(self.shape)


class PyTorchObjects:
    """The objects in a PyTorch pickle beside plain values: storages, and tensors that view them.

    `constructors` and `storage` are for `restricted_pickle.load`. `storages` are those that the
    pickle names, by key; the reader of the file sets their positions.

    Args:
        path: The file.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.storages: dict[str, Storage] = {}
        self.constructors = {
            ("collections", "OrderedDict"): restricted_pickle.ordered_dict,
            ("torch", "Size"): self._size,
            ("torch._utils", "_rebuild_tensor"): self._tensor,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): self._parameter,
            **{("torch", name): name for name in _STORED_DTYPES},
        }

    def storage(self, identifier: object) -> StorageView:
        """Resolves a persistent id: ('storage', type, key, location, size[, view])."""
        if type(identifier) is not tuple or len(identifier) not in (5, 6):
            identifier = 5 * (None,)
        tag, kind, key, _, num_elements = identifier[:5]  # the device does not matter
        view = identifier[5] if len(identifier) == 6 else None
        known = tag == "storage" and type(kind) is str and kind in _STORED_DTYPES
        if not known or type(key) is not str or not _is_count(num_elements):
            raise self._damage("a storage without its type, key and size")
        storage = self.storages.setdefault(key, Storage(kind, num_elements))
        if (storage.kind, storage.num_elements) != (kind, num_elements):
            raise self._damage("one storage with two types or sizes")
        if view is None:
            return StorageView(storage, 0, num_elements)
        if type(view) is not tuple or len(view) != 3 or not all(map(_is_count, view[1:])):
            raise self._damage("a view of a storage without its offset and size")
        _, offset, view_size = view
        if offset + view_size > num_elements:
            raise self._damage("a view that is longer than its storage")
        return StorageView(storage, offset, view_size)

    def _size(self, sizes=()) -> tuple[int, ...]:
        if type(sizes) not in (tuple, list) or len(sizes) > _MOST_DIMENSIONS:
            raise self._damage("a size that is not a tuple")
        return tuple(sizes)

    def _tensor(self, view, offset, shape, strides, *_) -> StoredTensor:
        if type(view) is not StorageView:
            raise self._damage("a tensor without a storage")
        if not (
            type(shape) is type(strides) is tuple
            and len(shape) == len(strides) <= _MOST_DIMENSIONS
            and all(map(_is_count, (offset, *shape, *strides)))
        ):
            raise self._damage("a tensor whose offset, sizes and strides are not integers")
        # The product as well as the last element: with a stride of 0, they are not the same.
        fits = offset + _span(shape, strides) <= view.num_elements and (
            math.prod(shape) <= view.num_elements
            and math.prod(max(size, 1) for size in shape)
            <= max(view.num_elements, _MOST_EMPTY_ELEMENTS)
        )
        if not fits:
            raise self._damage("a tensor that is larger than its storage, possibly an expanded one")
        return StoredTensor(self.path, view.storage, view.offset + offset, shape, strides)

    def _parameter(self, data, *_) -> StoredTensor:
        if type(data) is not StoredTensor:
            raise self._damage("a parameter without a tensor")
        return data

    def _damage(self, what: str) -> InputError:
        return InputError(
            f"Expected the tensors of torch.save in {self.path}. Received: {what}; the file is "
            "damaged. Get it again."
        )


def _is_count(value) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _span(shape, strides) -> int:
    """How many elements of a storage a tensor reaches over, from its first to its last."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
