"""Splits captions into words."""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator

# Letters of scripts without spaces between words. Each, with its marks, is a word: an ideograph or
# Hiragana, as in Unicode's UAX #29, or a letter of a script for which UAX #29 requires a
# dictionary. From the property Script, for letters (L) and letter numbers (Nl) only.
_SCRIPTS_OF_SINGLE_LETTERS = {
    "Han": "3005 3007 3021-3029 3038-303b 3400-4dbf 4e00-9fff f900-fa6d fa70-fad9 16fe3 "
    "20000-2a6df 2a700-2b739 2b740-2b81d 2b820-2cea1 2ceb0-2ebe0 2f800-2fa1d 30000-3134a "
    "31350-323af",
    "Hiragana": "3041-3096 309d-309f 1b001-1b11f 1b132 1b150-1b152",
    "Thai": "e01-e30 e32-e33 e40-e46",
    "Lao": "e81-e82 e84 e86-e8a e8c-ea3 ea5 ea7-eb0 eb2-eb3 ebd ec0-ec4 ec6 edc-edf",
    "Khmer": "1780-17b3 17d7 17dc",
    "Myanmar": "1000-102a 103f 1050-1055 105a-105d 1061 1065-1066 106e-1070 1075-1081 108e "
    "a9e0-a9e4 a9e6-a9ef a9fa-a9fe aa60-aa76 aa7a aa7e-aa7f",
    "Tai_Le": "1950-196d 1970-1974",
    "New_Tai_Lue": "1980-19ab 19b0-19c9",
    "Tai_Tham": "1a20-1a54 1aa7",
    "Tai_Viet": "aa80-aaaf aab1 aab5-aab6 aab9-aabd aac0 aac2 aadb-aadd",
    "Ahom": "11700-1171a 11740-11746",
    "Javanese": "a984-a9b2",
    "Balinese": "1b05-1b33 1b45-1b4c",
}
_KATAKANA = (
    "30a1-30fa 30fd-30ff 31f0-31ff ff66-ff6f ff71-ff9d 1aff0-1aff3 1aff5-1affb 1affd-1affe 1b000 "
    "1b120-1b122 1b155 1b164-1b167"
)
# Letters that modify the previous one, like marks: Thai and Lao "am"; long and voiced.
_EXTENDING = "e33 eb3 30fc ff70 ff9e-ff9f"


def _ranges(text: str) -> list[range]:
    bounds = ([int(code, 16) for code in part.split("-")] for part in text.split())
    return [range(first, (last or [first])[0] + 1) for first, *last in bounds]


_RANGES = {  # by the name of a class; the first that contains a letter is used
    "x": _ranges(_EXTENDING),
    "k": _ranges(_KATAKANA),
    "s": _ranges(" ".join(_SCRIPTS_OF_SINGLE_LETTERS.values())),
}


class _Classes(dict):
    """A table for `str.translate` from a character to the name of its class.

    A space is a separator; `m` a mark; `x`, `k` and `s` as in `_RANGES`; `w` any other character of
    words. It is filled as characters occur.
    """

    def __missing__(self, code_point):
        self[code_point] = self._class_of(code_point)
        return self[code_point]

    @staticmethod
    def _class_of(code_point):
        character = chr(code_point)
        category = unicodedata.category(character)[0]
        if category == "M":
            return "m"
        if category not in "LN" and character != "_":
            return " "
        return next(
            (name for name, parts in _RANGES.items() if any(code_point in part for part in parts)),
            "w",
        )


_classes = _Classes()


@dataclasses.dataclass(frozen=True)
class SplittingRule:
    """A rule that splits captions into words, for Python and for TensorFlow.

    Attributes:
        word: A pattern of the longest words, in names of classes.
        substitutions: Patterns in RE2's syntax and their replacements, applied in order; after
            them words are separated by spaces.
        ecmascript: A pattern of the longest words in the syntax of ECMAScript with the flag u.
    """

    word: re.Pattern
    substitutions: tuple[tuple[str, str], ...]
    ecmascript: str

    def spans(self, caption: str) -> Iterator[tuple[int, int]]:
        """Yields where each word begins and ends."""
        return (match.span() for match in self.word.finditer(caption.translate(_classes)))

    def split(self, caption: str) -> list[str]:
        """Returns the words in lower case, in order, in the caption's spelling."""
        return [caption[start:stop].lower() for start, stop in self.spans(caption)]


def _class(names: str, escape: str) -> str:
    parts = (part for name in names for part in _RANGES[name])
    return "".join(rf"\{escape}{{{part[0]:x}}}-\{escape}{{{part[-1]:x}}}" for part in parts)


def _re2_class(names: str) -> str:
    return _class(names, "x")


def _ecmascript_rule() -> str:
    """The pattern of `RULE` in names of Unicode's properties and in code points."""
    x, k, s = (_class(name, "u") for name in "xks")
    other = rf"(?![{s}{k}{x}])[\p{{L}}\p{{N}}_]"
    return rf"{other}(?:{other}|\p{{M}})*|[{s}][\p{{M}}{x}]*|[{k}{x}][{k}{x}\p{{M}}]*"


# RE2's \W knows ASCII only, so the classes are spelled out.
EARLIER_RULE = SplittingRule(
    re.compile("[^ ]+"), ((r"[^\p{L}\p{M}\p{N}_]+", " "),), r"[\p{L}\p{M}\p{N}_]+"
)
RULE = SplittingRule(
    re.compile("w[wm]*|s[mx]*|[kx][kxm]*"),
    (
        # A mark belongs to the previous character; at the start, or after a separator, to no word.
        (r"(?:\A|[^\p{L}\p{M}\p{N}_])[^\p{L}\p{N}_]*", " "),
        (
            rf"([{_re2_class('s')}][\p{{M}}{_re2_class('x')}]*"
            rf"|[{_re2_class('kx')}][\p{{M}}{_re2_class('kx')}]*)",
            r" \1 ",
        ),
    ),
    _ecmascript_rule(),
)


def composed(word: str) -> str:
    """Returns the composed spelling (NFC), the same for all equivalent spellings in Unicode."""
    return unicodedata.normalize("NFC", word)


def split_words(caption: str) -> list[str]:
    r"""Splits a caption into lower-case words.

    A word is a longest run of letters, combining marks, numbers (Unicode categories L, M, N) and
    underscores that does not begin with a mark. Marks belong to words because many scripts, such as
    Devanagari, cannot be read without them; Python's `\w` excludes them. In scripts without spaces
    a word is one letter with its marks, except in Katakana, where it is a run. Captions are split
    before lowercasing, so that it does not depend on neighbouring words: a Greek sigma at a word's
    end becomes a final one. Last, words are composed: letter and accent have one spelling.

    A vocabulary of an earlier version may have words that this rule divides; it keeps the earlier
    rule: `Vocabulary.split`.

    Args:
        caption: Any text.

    Returns:
        The words in order; empty if there is none.

    Example:

    >>> split_words("A red-faced bird's beak.")
    ['a', 'red', 'faced', 'bird', 's', 'beak']
    >>> split_words("赤いトマト")
    ['赤', 'い', 'トマト']
    """
    return [composed(word) for word in RULE.split(caption)]
