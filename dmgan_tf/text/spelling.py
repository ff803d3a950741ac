"""Equivalent spellings of a word, in Python and as a TensorFlow graph."""

import functools
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

_LONGEST = 4  # characters of a full canonical decomposition, Unicode's stability policy


def decomposed(word: str) -> str:
    """Returns the decomposed spelling (NFD), the same for all equivalent spellings in Unicode."""
    return unicodedata.normalize("NFD", word)


class Decomposition:
    """Converts words to their decomposed spelling (NFD) by TensorFlow ops, which lack NFD.

    It supports the characters of the words that it was made with, and of all their equivalent
    spellings. A word with another character is not one of them, and may get any spelling.

    Args:
        words: Words of a vocabulary, in any spelling.

    Call arguments:
        words: string tensor of shape (words,), in UTF-8.

    Returns:
        string tensor of the same shape.
    """

    def __init__(self, words: Iterable[str]):
        characters = set(decomposed("".join(words)))
        parts = {}
        if not all(map(str.isascii, characters)):  # no English letter has another spelling
            for character, spelled in _decompositions().items():
                if characters.issuperset(spelled):
                    parts[character] = spelled
        self._characters = np.array([ord(character) for character in parts], np.int32)
        self._parts = np.full((len(parts), _LONGEST), -1, np.int32)
        for row, spelled in zip(self._parts, parts.values(), strict=True):
            row[: len(spelled)] = [ord(part) for part in spelled]
        marks = sorted(filter(unicodedata.combining, characters))
        self._marks = np.array([ord(mark) for mark in marks], np.int32)
        self._mark_classes = np.array([unicodedata.combining(mark) for mark in marks], np.int64)

    @property
    def is_needed(self) -> bool:
        """Whether any of the words has a second spelling."""
        return bool(len(self._characters) or len(self._marks))

    def __call__(self, words: Any) -> Any:
        import tensorflow as tf

        codes = tf.strings.unicode_decode(words, "UTF-8")
        parts = tf.pad(codes.flat_values[:, None], [[0, 0], [0, _LONGEST - 1]], constant_values=-1)
        if len(self._characters):
            found, places = _look_up(self._characters, codes.flat_values)
            parts = tf.where(found[:, None], tf.gather(self._parts, places), parts)
        is_part = parts >= 0
        word_of = tf.repeat(codes.value_rowids(), tf.reduce_sum(tf.cast(is_part, tf.int64), 1))
        parts = tf.boolean_mask(parts, is_part)
        if len(self._marks):
            parts = tf.gather(parts, self._canonical_order(parts, word_of))
        codes = tf.RaggedTensor.from_value_rowids(parts, word_of, codes.nrows(), validate=False)
        return tf.strings.unicode_encode(codes, "UTF-8")

    def _canonical_order(self, codes, word_of):
        """Sorts the marks after one letter by their classes; equal classes keep their order."""
        import tensorflow as tf

        found, places = _look_up(self._marks, codes)
        classes = tf.where(found, tf.gather(self._mark_classes, places), 0)
        # It increases at each letter and at each word, so that no mark moves across either.
        letter = tf.cumsum(tf.cast(classes == 0, tf.int64)) + word_of
        return tf.argsort(letter * 256 + classes, stable=True)


def _look_up(known, codes):
    """Whether each code is among the known ones, which are sorted, and its index there."""
    import tensorflow as tf

    places = tf.minimum(tf.searchsorted(known, codes), len(known) - 1)
    return tf.gather(known, places) == codes, places


@functools.cache
def _decompositions() -> dict[str, str]:
    """Every character that has a canonical decomposition, ascending, with the full one."""
    characters = map(chr, range(sys.maxunicode + 1))
    return {c: decomposed(c) for c in characters if not unicodedata.is_normalized("NFD", c)}
