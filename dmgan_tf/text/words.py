"""What the words of a caption are."""

import unicodedata


class _SeparatorsToSpaces(dict):
    """A table for `str.translate`, filled in as characters are met."""

    def __missing__(self, code_point):
        character = chr(code_point)
        in_word = character == "_" or unicodedata.category(character)[0] in "LMN"
        self[code_point] = code_point if in_word else ord(" ")
        return self[code_point]


_separators_to_spaces = _SeparatorsToSpaces()


def split_words(caption: str) -> list[str]:
    r"""Splits a caption into lower-case words.

    A word is a longest run of letters, combining marks, numbers (Unicode categories L, M, N) and
    underscores. Marks belong to words because many scripts, Devanagari for one, cannot be read
    without them; Python's `\w` leaves them out. Splitting comes first, so that a word is lowered
    the same way whatever stands beside it: a Greek sigma at its end becomes a final one.

    Args:
        caption: Any text.

    Returns:
        The words in order; empty if there is none.

    Example:

    >>> split_words("A red-faced bird's beak.")
    ['a', 'red', 'faced', 'bird', 's', 'beak']
    """
    return [word.lower() for word in caption.translate(_separators_to_spaces).split()]
