"""Reads pickles of plain values without running code in them.

`pickle.load` calls any function that a file names, which is not safe for downloaded files. A
restricted `find_class` is not enough: the C unpickler allocates an array as long as the largest
memo index in a file, so that a file of 10 bytes can need tens of GB. Hence this uses the Python
unpickler, which keeps a dict instead, with only the opcodes of plain values. It never recurses, and
needs memory of at most about a hundred times the length of the pickle.
"""

import collections
import io
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import NoReturn

from dmgan_tf.errors import InputError

_KEY_TYPES = frozenset({str, bytes, bool, type(None)})
_LARGEST_INTEGER_KEY = 2**32  # integers with equal hashes begin far above; they could block a dict
_LONGEST_INTEGER = 1_000  # bytes; more would not be printable in a message


class RefusedError(InputError):
    """A pickle needs something that is not allowed; the message names it."""


class StatefulValue:
    """A value of a constructor whose state a pickle may set; the state is stored unchecked.

    Attributes:
        state: The state in the pickle, which the reader must check; None at first.
    """

    state: object = None


# Python's exceptions if a pickle pops from an empty stack, or has a value of another type.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)


def load(
    data: bytes,
    *,
    name: str,
    constructors: Mapping[tuple[str, str], object] = {},  # noqa: B006 (only read)
    persistent_load: Callable[[object], object] | None = None,
    start: int = 0,
) -> tuple[object, int]:
    """Reads one pickle of None, booleans, numbers, strings, lists, tuples and dicts.

    Byte strings of Python 2 become `str`: as UTF-8, or else as Latin-1. Keys of dicts are limited
    to strings, small integers and None. The result can be nested a million levels deep or contain
    itself: check types before printing, comparing or traversing it.

    Args:
        data: The bytes.
        name: The file, as a message is to name it.
        constructors: Allowed objects beside plain values, by module and name. Callable ones may be
            called, with any arguments from the file, which they must check.
        persistent_load: Converts a persistent id to a value; none are allowed without it.
        start: Where in `data` the pickle begins.

    Returns:
        The value, and the position after the pickle's end.

    Raises:
        RefusedError: If the pickle needs anything else, which is then named.
        InputError: If it is damaged.
    """
    file = io.BytesIO(data)
    file.seek(start)
    unpickler = _PlainUnpickler(file, len(data), name, constructors, persistent_load)
    try:
        value = unpickler.load()
        if unpickler.metastack:
            raise EOFError("a mark is left")
        return value, file.tell()
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(
            f"Expected a whole pickle in {name}. It is damaged or truncated (near byte "
            f"{file.tell()}). Get the file again."
        ) from error


def begins_like_pickle(data: bytes) -> bool:
    """Returns whether the first byte is one that pickles begin with."""
    return data[:1] in (b"\x80", b"(", b"]", b"}", b"c")


def ordered_dict(pairs: object = ()) -> collections.OrderedDict:
    """Makes a `collections.OrderedDict`; for the `constructors` of `load`.

    A list of pairs, as Python 2 pickles one, is emptied. Else a short file could copy one long list
    into a million dicts.

    Args:
        pairs: A list of [key, value] lists or tuples.

    Returns:
        The dict.

    Raises:
        TypeError: If `pairs` is something else, or a key is not what `load` allows.
    """
    result = collections.OrderedDict()
    if pairs != ():
        if type(pairs) is not list:
            raise TypeError("expected a list of pairs")
        for pair in pairs:
            if type(pair) not in (list, tuple):
                raise TypeError("expected a pair")
            key, value = pair
            result[_checked_key(key)] = value
        pairs.clear()
    return result


def _checked_key(key):
    # Not a tuple: one nested a million deep overflows the C stack when it is hashed. Hashes of
    # strings are salted, those of numbers are not: thousands can be made to collide.
    if type(key) in _KEY_TYPES or (type(key) is int and abs(key) < _LARGEST_INTEGER_KEY):
        return key
    raise TypeError("expected a key that is a string, a small integer or None")


def _integer(line):
    if len(line) > _LONGEST_INTEGER:
        raise ValueError("too long an integer")
    return int(line)


class _PlainUnpickler(pickle._Unpickler):
    """The Python unpickler, which has no public name, without the opcodes that run code.

    Only those in `dispatch` are allowed, so that new ones of later Python versions are not.
    """

    def __init__(self, file, size, name, constructors, persistent_load):
        super().__init__(file)
        self._file_readline = self._whole_line
        self._read_line, self._tell = file.readline, file.tell
        self._size = size
        self._name = name
        self._constructors = constructors
        self._constructor_ids = {id(value) for value in constructors.values()}
        self._persistent_load = persistent_load

    def _whole_line(self):
        line = self._read_line()
        if not line.endswith(b"\n"):
            raise EOFError("a line without its end")
        return line

    def refuse(self, what: str) -> NoReturn:
        raise RefusedError(
            f"Expected only plain values in {self._name}. It asks for {what}, which is not run. If "
            "you trust the source of the file, save it again as plain lists, dicts, texts and "
            "numbers (of a PyTorch model: its state_dict())."
        )

    def find_class(self, module, name):
        if (module, name) in self._constructors:
            return self._constructors[module, name]
        if not module.replace(".", "").isidentifier():
            raise ValueError("an invalid name of a module")
        full_name = f"{module}.{name}"
        self.refuse(repr(full_name if len(full_name) <= 80 else full_name[:77] + "..."))

    def persistent_load(self, pid):
        if self._persistent_load is None:
            self.refuse("an object outside the file")
        return self._persistent_load(pid)

    def _decode_string(self, value):  # of Python 2
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def load_frame(self):  # ignored: whole pickles are in memory
        (size,) = struct.unpack("<Q", self.read(8))
        if size > self._size - self._tell():
            raise EOFError("a frame ends after the file")

    def load_long4(self):
        (length,) = struct.unpack("<I", self.read(4))
        if length > _LONGEST_INTEGER:
            raise ValueError("too long an integer")
        self.append(int.from_bytes(self.read(length), "little", signed=True))

    def load_int(self):
        line = self.readline()[:-1]
        booleans = {b"00": False, b"01": True}  # before protocol 2
        self.append(booleans[line] if line in booleans else _integer(line))

    def load_long(self):
        self.append(_integer(self.readline()[:-1].removesuffix(b"L")))

    def load_put(self):
        number = _integer(self.readline()[:-1])
        if not 0 <= number < _LARGEST_INTEGER_KEY:
            raise ValueError("not the number of a memo")
        self.memo[number] = self.stack[-1]

    def load_list_append(self):
        self._extend([self.stack.pop()])

    def load_list_appends(self):
        self._extend(self.pop_mark())

    def _extend(self, items):
        if type(self.stack[-1]) is not list:
            raise TypeError("appended to something that is not a list")
        self.stack[-1].extend(items)

    def load_dict(self):
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    def load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self):
        self._set_items(self.pop_mark())

    def _set_items(self, items):
        target = self.stack[-1]
        if type(target) not in (dict, collections.OrderedDict):
            raise TypeError("an item set in something that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_checked_key(key)] = value

    def load_reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        allowed = id(function) in self._constructor_ids and callable(function)
        if not allowed or type(arguments) is not tuple:
            raise TypeError("a call of something that is not a function")
        self.append(function(*arguments))

    def load_build(self):
        state = self.stack.pop()
        if isinstance(self.stack[-1], StatefulValue):
            self.stack[-1].state = state
        # PyTorch stores `_metadata` of its state dicts in this way; it is not needed here.
        elif type(self.stack[-1]) is not collections.OrderedDict:
            self.refuse("an object with a state of its own")

    def load_inst(self):
        module, name = (self.readline()[:-1].decode("utf-8", "replace") for _ in range(2))
        self.find_class(module, name)
        self.refuse("an object")

    dispatch = {
        opcode: pickle._Unpickler.dispatch[opcode]
        for opcode in b"".join(
            getattr(pickle, name)
            for name in (
                *("PROTO", "STOP", "MARK", "POP", "POP_MARK", "DUP"),
                *("BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
                *("NONE", "NEWTRUE", "NEWFALSE", "LONG1"),
                *("BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
                *("STRING", "BINSTRING", "SHORT_BINSTRING"),
                *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
                *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
                *("TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
                *("LIST", "EMPTY_LIST", "EMPTY_DICT", "GLOBAL", "STACK_GLOBAL"),
                *("PERSID", "BINPERSID"),
            )
        )
    }
    for _opcodes, _function in (
        (pickle.FRAME, load_frame),
        (pickle.INT, load_int),
        (pickle.LONG, load_long),
        (pickle.PUT, load_put),
        (pickle.LONG4, load_long4),
        (pickle.APPEND, load_list_append),
        (pickle.APPENDS, load_list_appends),
        (pickle.DICT, load_dict),
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
        (pickle.REDUCE, load_reduce),
        (pickle.BUILD, load_build),
        (pickle.INST, load_inst),
    ):
        dispatch[_opcodes[0]] = _function
    for _opcodes, _what in (
        (pickle.OBJ + pickle.NEWOBJ + pickle.NEWOBJ_EX, "an object"),
        (pickle.EXT1 + pickle.EXT2 + pickle.EXT4, "a copyreg extension"),
        (pickle.EMPTY_SET + pickle.ADDITEMS + pickle.FROZENSET, "a set"),
        (pickle.BYTEARRAY8, "a bytearray"),
        (pickle.NEXT_BUFFER + pickle.READONLY_BUFFER, "a buffer outside the file"),
    ):
        for _opcode in _opcodes:
            dispatch[_opcode] = lambda self, what=_what: self.refuse(what)
