"""Finds one network's state dict within a PyTorch file."""

import dataclasses
import logging
import os
import re
from collections.abc import Iterable

import numpy as np

from dmgan_tf.convert.pytorch_file import StoredTensor, read_pytorch_file
from dmgan_tf.errors import InputError

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class NetworkKind:
    """A kind of network that a file may contain.

    Args:
        phrase: Its name in messages, with its article.
        sign: A tensor that only this kind has.
    """

    phrase: str
    sign: str


GENERATOR = NetworkKind("a generator of the release", "ca_net.fc.weight")
TEXT_ENCODER = NetworkKind("a text encoder of the release", "rnn.weight_ih_l0")
IMAGE_ENCODER = NetworkKind("an image encoder of the release", "emb_cnn_code.weight")
DISCRIMINATOR = NetworkKind("a discriminator of the release", "img_code_s16.0.module.weight_bar")
INCEPTION = NetworkKind("a PyTorch Inception-v3", "Mixed_7c.branch1x1.conv.weight")
_KINDS = (GENERATOR, TEXT_ENCODER, IMAGE_ENCODER, DISCRIMINATOR, INCEPTION)

_LONGEST_NAME = 80  # characters of a tensor's name in a message
_DEEPEST = 3  # levels of wrappers that are searched, such as {"model": {"state_dict": ...}}


class StateDict:
    """The named tensors of one network, still in their file.

    Args:
        path: The file, for messages.
        kind: What network it is.
        tensors: By name, `StoredTensor`s or others with a `shape` and a method `read`.
    """

    def __init__(
        self, path: str | os.PathLike, kind: NetworkKind, tensors: dict[str, StoredTensor]
    ):
        self.path = path
        self.kind = kind
        self._tensors = tensors
        self._used = set()

    @classmethod
    def open(cls, path: str | os.PathLike, kind: NetworkKind) -> "StateDict":
        """Finds the state dict of a network in a file that `torch.save` wrote.

        It may be the whole file or in a checkpoint, with optimiser states and numbers of epochs,
        and its names may all have a prefix, as after data-parallel training.

        Args:
            path: The file.
            kind: The kind of network to find.

        Raises:
            InputError: If there is no such network in the file, or more than one.
        """
        found, kinds, names = {}, set(), []
        for where, tensors in _state_dicts(read_pytorch_file(path)):
            names += tensors
            for name in tensors:
                kinds.update(other.phrase for other in _KINDS if _is_sign(name, other.sign))
                if _is_sign(name, kind.sign):
                    prefix = name.removesuffix(kind.sign)
                    found[f"{where} {prefix}".strip()] = _within(prefix, tensors)
        if len(found) > 1:
            raise InputError(
                f"Expected one state dict of {kind.phrase} in {path}. Received {len(found)}: "
                f"{_some(list(found))}. Save the one you want by itself."
            )
        if not found:
            what = " and ".join(sorted(kinds))
            if not what:
                what = f"tensors of other names: {_some(names)}" if names else "no named tensors"
            raise InputError(
                f"Expected {path} to hold {kind.phrase}, with a tensor {kind.sign!r}. "
                f"Received: {what}. Give each file to the flag of its network."
            )
        return cls(path, kind, found.popitem()[1])

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """Returns the shape of a tensor that has `rank` axes.

        Raises:
            InputError: If there is no such tensor, or it has another number of axes.
        """
        self._require([name])
        shape = self._tensors[name].shape
        if len(shape) != rank or 0 in shape:
            raise InputError(
                f"Expected {name} in {self.path} to have {rank} axes, none of them empty, as in "
                f"{self.kind.phrase}. Received: shape {shape}."
            )
        return shape

    def check_shapes(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Raises an `InputError` unless every named tensor exists with the given shape."""
        self._require(shapes)
        for name, expected in shapes.items():
            shape = self._tensors[name].shape
            if shape != tuple(expected):
                raise InputError(
                    f"Expected {name} in {self.path} to have shape {tuple(expected)}, as its other "
                    f"tensors require. Received: {shape}. It is not {self.kind.phrase}."
                )

    def read(self, name: str) -> np.ndarray:
        """Reads a tensor, as float32.

        Raises:
            InputError: If there is no such tensor, or it holds values that are not finite.
        """
        self._require([name])
        self._used.add(name)
        with np.errstate(over="ignore"):  # too large a double becomes infinite, and is reported
            values = np.asarray(self._tensors[name].read(), dtype="float32")
        if not np.isfinite(values).all():
            raise InputError(
                f"Expected finite weights in {self.path}. Received: {name} with values that are "
                "not. Its training had diverged; use an earlier file."
            )
        return values

    def check_all_used(self, known_endings: Iterable[str] = ()) -> None:
        """Checks the tensors that were not read.

        One with a name of the network means that the file lacks another tensor, so it is an error.
        Others are additions, and give a warning.

        Args:
            known_endings: Of names that are ignored.

        Raises:
            InputError: If a tensor with a name of the network was not read.
        """
        unused = [
            name
            for name in self._tensors
            if name not in self._used and not name.endswith(tuple(known_endings))
        ]
        families = {_family(name) for name in self._used}
        own = [name for name in unused if _family(name) in families]
        if own:
            raise InputError(
                f"Expected {self.path} to hold all tensors of {self.kind.phrase}. Received: "
                f"{len(own)} that belong to none of the size that the others make: {_some(own)}. "
                "It is damaged, or of another network."
            )
        if unused:
            _logger.warning(
                "%s has %d tensor(s) that are not part of %s and are ignored: %s",
                self.path,
                len(unused),
                self.kind.phrase,
                _some(unused),
            )

    def _require(self, names):
        missing = [name for name in names if name not in self._tensors]
        if missing:
            raise InputError(
                f"Expected {self.path} to hold all tensors of {self.kind.phrase}. Received: a file "
                f"without {len(missing)} of them: {_some(missing)}. It is damaged, or of another "
                "network."
            )


def _family(name):
    """What a name begins with, up to a number: `h_net` of `h_net2.A.weight`."""
    return re.match(r"[^.\d]*", name).group()


def _some(names):
    shown = ", ".join(map(_shown, names[:4]))
    return shown if len(names) <= 4 else f"{shown}, ..."


def _shown(name):
    """A name from the file, escaped for a message of one line."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
    return short if short.isprintable() else repr(short)


def _state_dicts(value, where="", depth=0, seen=None):
    """Yields (path, tensors) of every dict of named tensors within a saved object."""
    seen = set() if seen is None else seen
    if not isinstance(value, (dict, list, tuple)) or depth > _DEEPEST or id(value) in seen:
        return
    seen.add(id(value))  # a file may let a dict contain itself, or a thousand times another
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    tensors = {
        key: item for key, item in items if isinstance(key, str) and isinstance(item, StoredTensor)
    }
    if tensors:
        yield where or "(the file itself)", tensors
    for key, item in items:
        yield from _state_dicts(item, f"{where}.{key}" if where else str(key), depth + 1, seen)


def _is_sign(name, sign):
    """Whether a tensor is the sign of a network, with any prefix."""
    return name == sign or name.endswith(f".{sign}")


def _within(prefix, tensors):
    """`torch.nn.DataParallel`, `torch.compile` and modules of modules put prefixes before names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
