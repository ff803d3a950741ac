"""Files of flags, for `--flagfile` and as runs save them."""

import os
import pathlib
import re
from collections.abc import Iterable, Iterator

from dmgan_tf.errors import InputError
from dmgan_tf.files.paths import local_path

_NAMES_FILE = re.compile(r"--?flagfile(?:=(?P<path>.*))?", re.DOTALL)
_COMMENT = ("#", "//")


def with_flag_files(arguments: Iterable[str]) -> list[str]:
    """Replaces `--flagfile` flags by the lines of the files.

    As in absl, but the files are always UTF-8, not in the encoding of the locale, with or without
    a byte order mark and with line ends of any system. Lines that begin with `#` or `//` are
    comments; a file may name others.

    Args:
        arguments: Those of a command.

    Returns:
        The arguments without any `--flagfile`.

    Raises:
        InputError: If a file cannot be read, or names itself.
    """
    return list(_expanded(iter(arguments), ()))


def _expanded(arguments: Iterator[str], above: tuple[str, ...]) -> Iterator[str]:
    for argument in arguments:
        match = _NAMES_FILE.fullmatch(argument)
        if match is None:
            yield argument
            continue
        path = next(arguments, None) if match["path"] is None else match["path"].strip()
        if path is None:
            raise InputError("Expected --flagfile=FILE. Received: no file. See --help.")
        if path:  # as absl has it
            path = os.path.abspath(local_path(path))
            if path in above:
                raise InputError(f"Expected flag files without cycles. Received: {path} in itself.")
            yield from _expanded(iter(_lines_of(path)), (*above, path))


def _lines_of(path: str) -> list[str]:
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            f"Expected a file of flags, one per line, at {path}. Received: {error.strerror}."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"Expected UTF-8 text in {path}. Received byte {error.object[error.start]:#04x} at "
            f"offset {error.start}; convert the file to UTF-8."
        ) from error
    lines = (line.strip() for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith(_COMMENT)]
