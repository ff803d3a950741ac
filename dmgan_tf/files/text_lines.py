r"""Text files of one entry per line, written by people or programs.

`str.splitlines` also ends a line at U+2028, U+0085 and form feeds, which occur in captions that
were copied from web pages; reading in text mode also ends one at a lone `\r`.
"""

import os
import pathlib


def read_lines(path: str | os.PathLike) -> list[str]:
    r"""Reads a file in UTF-8, with or without a byte order mark, whose lines end at `\n` or `\r\n`.

    Args:
        path: The file.

    Returns:
        The lines without their ends; no empty one after the last end.

    Raises:
        UnicodeDecodeError: If it is not UTF-8.
        OSError: If it cannot be read.
    """
    return split_lines(pathlib.Path(path).read_bytes().decode("utf-8-sig"))


def split_lines(text: str) -> list[str]:
    r"""Splits a text at `\n` and `\r\n` only.

    Example:

    >>> split_lines("a red\u2028bird\r\na\x0cbee\n")
    ['a red\u2028bird', 'a\x0cbee']
    """
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]
