"""Pickles of plain values, read without running anything that a file asks for.

`pickle.load` is a small machine that calls whatever function a file names; a downloaded file is
not to be trusted with it. Limiting `pickle.Unpickler.find_class` is not enough: the C unpickler
allocates an array as long as the largest memo index that a file claims, so that a file of 10 bytes
takes tens of GB, and it copies a list as often as a file says. Hence a machine of our own. It never
recurses, and what it takes of memory is at most about a hundred times the length of the pickle.
"""

import codecs
import collections
import struct
from collections.abc import Callable, Mapping
from typing import NoReturn

from dmgan_tf.errors import InputError

_KEY_TYPES = frozenset({str, bytes, bool, type(None)})
_LARGEST_INTEGER_KEY = 2**32  # integers that share a hash begin far above; they can stop a machine
_DICT_TYPES = (dict, collections.OrderedDict)
_HIGHEST_PROTOCOL = 5
_LONGEST_INTEGER = 1_000  # bytes or digits; more would not be printable in a message
_DEEPEST_MARKS = 10_000  # Python's own pickler recurses, and ends long before


class RefusedError(InputError):
    """A pickle asks for something that is not run; the message names it."""


class _DamagedError(Exception):
    """The bytes are no whole pickle."""


# With what Python raises where a pickle takes more than there is, or something of another type.
_DAMAGE = (_DamagedError, LookupError, OverflowError, TypeError, ValueError, struct.error)


def load(
    data,
    *,
    name: str,
    constructors: Mapping[tuple[str, str], object] = {},  # noqa: B006 (only read)
    persistent_load: Callable[[object], object] | None = None,
    start: int = 0,
) -> tuple[object, int]:
    """Reads one pickle of None, booleans, numbers, strings, lists, tuples and dicts.

    Byte strings of Python 2 become `str`: as UTF-8, or as Latin-1 if they are not that. Keys of
    dicts are limited to strings, small integers and None. What comes back can be nested a million
    deep or contain itself: check types before printing, comparing or walking it.

    Args:
        data: The bytes: `bytes`, a `memoryview` of bytes or an `mmap`.
        name: The file, as a message is to name it.
        constructors: What a file may ask for beside plain values, by module and name. What is
            callable may also be called, with whatever the file gives; it must check that itself.
        persistent_load: What turns a persistent id into a value; none are allowed without it.
        start: Where in `data` the pickle begins.

    Returns:
        The value, and the position after the pickle's end.

    Raises:
        RefusedError: If the pickle asks for anything else, which is then named.
        InputError: If it is damaged.
    """
    with memoryview(data) as view:
        machine = _Machine(view, name, constructors, persistent_load, start)
        try:
            return machine.run(), machine.position
        except InputError:
            raise
        except _DAMAGE as error:
            problem = error
    raise InputError(
        f"Expected a whole pickle in {name}. It is damaged or cut off (near byte "
        f"{min(machine.position, len(data))}). Get the file again."
    ) from problem


def begins_like_pickle(data) -> bool:
    """Whether the first byte is one that pickles begin with; else a message may say better."""
    return data[:1] in (b"\x80", b"(", b"]", b"}", b"c")


def ordered_dict(pairs=()) -> collections.OrderedDict:
    """Makes a `collections.OrderedDict`; for the `constructors` of `load`.

    A list of pairs, which is how Python 2 pickles one, is emptied. Else a short file could have one
    long list copied into a million dicts.

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


class _Machine:
    """The state that opcodes work on: a stack, the stacks below its marks, and a memo."""

    __slots__ = (
        "view",
        "name",
        "position",
        "stack",
        "outer_stacks",
        "memo",
        "constructors",
        "constructor_ids",
        "persistent_load",
        "stopped",
    )

    def __init__(self, view, name, constructors, persistent_load, start):
        self.view = view
        self.name = name
        self.position = start
        self.stack = []
        self.outer_stacks = []
        self.memo = {}
        self.constructors = constructors
        self.constructor_ids = {id(value) for value in constructors.values()}
        self.persistent_load = persistent_load
        self.stopped = False

    def run(self):
        view = self.view
        while not self.stopped:
            operation = _OPERATIONS[view[self.position]]
            self.position += 1
            operation(self)
        if self.outer_stacks:
            raise _DamagedError("a mark is left")
        return self.stack.pop()

    def refuse(self, what: str) -> NoReturn:
        raise RefusedError(
            f"Expected only plain values in {self.name}. It asks for {what}, which is not run. If "
            "you trust where the file comes from, save it again as plain lists, dicts, texts and "
            "numbers (of a PyTorch model: its state_dict())."
        )

    def refuse_global(self, module: str, name: str) -> NoReturn:
        if not module.replace(".", "").isidentifier():
            raise _DamagedError("a module's name that can be none")
        self.refuse(_quoted(f"{module}.{name}"))

    # What opcodes share: taking bytes, numbers and lines, and what stands above a mark.

    def take(self, count: int) -> bytes:
        start, end = self.position, self.position + count
        if end > len(self.view):
            raise _DamagedError("more bytes are claimed than there are")
        self.position = end
        return bytes(self.view[start:end])

    def number(self, layout: struct.Struct):
        (value,) = layout.unpack_from(self.view, self.position)
        self.position += layout.size
        return value

    def line(self) -> bytes:
        length = 64
        while True:
            chunk = bytes(self.view[self.position : self.position + length])
            end = chunk.find(b"\n")
            if end >= 0:
                self.position += end + 1
                return chunk[:end]
            if len(chunk) < length:
                raise _DamagedError("a line does not end")
            length *= 8

    def pop_mark(self) -> list:
        items = self.stack
        self.stack = self.outer_stacks.pop()
        return items

    # Marks, the stack and the memo.

    def stop(self):
        self.stopped = True

    def mark(self):
        if len(self.outer_stacks) >= _DEEPEST_MARKS:
            raise _DamagedError("too many marks")
        self.outer_stacks.append(self.stack)
        self.stack = []

    def pop(self):
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def duplicate(self):
        self.stack.append(self.stack[-1])

    def put(self, index: int):
        self.memo[index] = self.stack[-1]

    def memoize(self):
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, index: int):
        self.stack.append(self.memo[index])

    def check_protocol(self):
        if self.number(_UINT1) > _HIGHEST_PROTOCOL:
            raise _DamagedError("no such protocol")

    def check_frame(self):
        if self.number(_UINT8) > len(self.view) - self.position:
            raise _DamagedError("a frame ends after the file")

    # Plain values. The two commonest numbers are spelled out: captions are millions of them.

    def push_uint1(self):
        self.stack.append(self.view[self.position])
        self.position += 1

    def push_uint2(self):
        position = self.position
        self.stack.append(self.view[position] | self.view[position + 1] << 8)
        self.position = position + 2

    def push_integer(self, length: int):
        if length > _LONGEST_INTEGER:
            raise _DamagedError("too long an integer")
        self.stack.append(int.from_bytes(self.take(length), "little", signed=True))

    def push_integer_line(self):
        line = self.line()
        if line in (b"00", b"01"):  # protocol 0 has no other way to write a boolean
            self.stack.append(line == b"01")
            return
        digits = line.removesuffix(b"L")
        if len(digits) > _LONGEST_INTEGER:
            raise _DamagedError("too long an integer")
        self.stack.append(int(digits))

    def push_quoted_line(self):
        quoted = self.line().strip()
        if len(quoted) < 2 or quoted[:1] not in b"'\"" or quoted[-1:] != quoted[:1]:
            raise _DamagedError("a string without quotes")
        self.stack.append(_python2_text(codecs.escape_decode(quoted[1:-1])[0]))

    # Containers.

    def push_tuple(self, count: int):
        if len(self.stack) < count:
            raise _DamagedError("too few values for a tuple")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def push_tuple_to_mark(self):
        items = self.pop_mark()
        self.stack.append(tuple(items))

    def push_list_to_mark(self):
        items = self.pop_mark()
        self.stack.append(items)

    def push_dict_to_mark(self):
        items = self.pop_mark()
        self.stack.append({})
        self.set_items(items)

    def append(self):
        self.extend([self.stack.pop()])

    def extend(self, items: list):
        target = self.stack[-1]
        if type(target) is not list:
            raise _DamagedError("appended to what is no list")
        target += items

    def set_item(self):
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def set_items(self, items: list):
        target = self.stack[-1]
        if type(target) not in _DICT_TYPES or len(items) % 2:
            raise _DamagedError("an item set in what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_checked_key(key)] = value

    # What a file asks for.

    def push_global(self, module: str, name: str):
        if (module, name) not in self.constructors:
            self.refuse_global(module, name)
        self.stack.append(self.constructors[module, name])

    def push_global_of_lines(self):
        self.push_global(_name_text(self.line()), _name_text(self.line()))

    def push_global_of_stack(self):
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise _DamagedError("a name that is no text")
        self.push_global(module, name)

    def call(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        allowed = id(function) in self.constructor_ids and callable(function)
        if not allowed or type(arguments) is not tuple:
            raise _DamagedError("a call of what is no function")
        self.stack.append(function(*arguments))

    def build(self):
        # PyTorch hangs `_metadata` on its state dicts in this way; nothing of ours needs it.
        self.stack.pop()
        if type(self.stack[-1]) is not collections.OrderedDict:
            self.refuse("an object with a state of its own")

    def refuse_instance(self):
        self.refuse_global(_name_text(self.line()), _name_text(self.line()))

    def refuse_object(self):
        names = [
            f"{module}.{name}"
            for module, name in self.constructors
            if any(self.constructors[module, name] is value for value in self.stack)
        ]
        self.refuse(f"an object of {_quoted(names[0])}" if names else "an object")

    def push_persistent(self, identifier):
        if self.persistent_load is None:
            self.refuse("an object outside of the file")
        self.stack.append(self.persistent_load(identifier))


def _checked_key(key):
    # Not a tuple: one nested a million deep overflows the C stack when it is hashed. Hashes of
    # strings are salted, those of numbers are not: thousands can be made to collide.
    if type(key) in _KEY_TYPES or (type(key) is int and abs(key) < _LARGEST_INTEGER_KEY):
        return key
    raise TypeError("expected a key that is a string, a small integer or None")


def _python2_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _unicode_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")  # as the standard library writes them


def _name_text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "...")


_UINT1 = struct.Struct("<B")
_UINT2 = struct.Struct("<H")
_INT4 = struct.Struct("<i")
_UINT4 = struct.Struct("<I")
_UINT8 = struct.Struct("<Q")
_FLOAT8 = struct.Struct(">d")


def _constant(value):
    return lambda machine: machine.stack.append(value)


def _number(layout):
    return lambda machine: machine.stack.append(machine.number(layout))


def _counted(length_layout, decode):
    return lambda machine: machine.stack.append(decode(machine.take(machine.number(length_layout))))


def _refused(what, layout=None):
    return lambda machine: machine.refuse(
        what if layout is None else f"{what} {machine.number(layout)}"
    )


def _unknown(machine):
    raise _DamagedError("no such opcode")


_OPERATION_OF = {
    b".": _Machine.stop,
    b"\x80": _Machine.check_protocol,
    b"\x95": _Machine.check_frame,
    b"(": _Machine.mark,
    b"0": _Machine.pop,
    b"1": _Machine.pop_mark,
    b"2": _Machine.duplicate,
    b"p": lambda machine: machine.put(int(machine.line())),
    b"q": lambda machine: machine.put(machine.number(_UINT1)),
    b"r": lambda machine: machine.put(machine.number(_UINT4)),
    b"\x94": _Machine.memoize,
    b"g": lambda machine: machine.get(int(machine.line())),
    b"h": lambda machine: machine.get(machine.number(_UINT1)),
    b"j": lambda machine: machine.get(machine.number(_UINT4)),
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"I": _Machine.push_integer_line,
    b"L": _Machine.push_integer_line,
    b"K": _Machine.push_uint1,
    b"M": _Machine.push_uint2,
    b"J": _number(_INT4),
    b"\x8a": lambda machine: machine.push_integer(machine.number(_UINT1)),
    b"\x8b": lambda machine: machine.push_integer(machine.number(_UINT4)),
    b"F": lambda machine: machine.stack.append(float(machine.line())),
    b"G": _number(_FLOAT8),
    b"S": _Machine.push_quoted_line,
    b"T": _counted(_UINT4, _python2_text),
    b"U": _counted(_UINT1, _python2_text),
    b"V": lambda machine: machine.stack.append(machine.line().decode("raw-unicode-escape")),
    b"X": _counted(_UINT4, _unicode_text),
    b"\x8c": _counted(_UINT1, _unicode_text),
    b"\x8d": _counted(_UINT8, _unicode_text),
    b"B": _counted(_UINT4, bytes),
    b"C": _counted(_UINT1, bytes),
    b"\x8e": _counted(_UINT8, bytes),
    b")": _constant(()),
    b"\x85": lambda machine: machine.push_tuple(1),
    b"\x86": lambda machine: machine.push_tuple(2),
    b"\x87": lambda machine: machine.push_tuple(3),
    b"t": _Machine.push_tuple_to_mark,
    b"]": lambda machine: machine.stack.append([]),
    b"l": _Machine.push_list_to_mark,
    b"a": _Machine.append,
    b"e": lambda machine: machine.extend(machine.pop_mark()),
    b"}": lambda machine: machine.stack.append({}),
    b"d": _Machine.push_dict_to_mark,
    b"s": _Machine.set_item,
    b"u": lambda machine: machine.set_items(machine.pop_mark()),
    b"c": _Machine.push_global_of_lines,
    b"\x93": _Machine.push_global_of_stack,
    b"R": _Machine.call,
    b"b": _Machine.build,
    b"P": lambda machine: machine.push_persistent(_name_text(machine.line())),
    b"Q": lambda machine: machine.push_persistent(machine.stack.pop()),
    b"i": _Machine.refuse_instance,
    b"o": _Machine.refuse_object,
    b"\x81": _Machine.refuse_object,
    b"\x92": _Machine.refuse_object,
    b"\x82": _refused("the copyreg extension", _UINT1),
    b"\x83": _refused("the copyreg extension", _UINT2),
    b"\x84": _refused("the copyreg extension", _UINT4),
    b"\x8f": _refused("a set"),
    b"\x90": _refused("a set"),
    b"\x91": _refused("a frozenset"),
    b"\x96": _refused("a bytearray"),
    b"\x97": _refused("a buffer outside of the file"),
    b"\x98": _refused("a buffer outside of the file"),
}
_OPERATIONS = [_OPERATION_OF.get(bytes([code]), _unknown) for code in range(256)]
