"""Captions to word ids: one rule, in Python and as a TensorFlow graph."""

import functools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import split_words

_logger = logging.getLogger(__name__)
_UNKNOWN_SHOWN = 8  # words in a warning
_LONGEST_SHOWN = 80  # characters of a caption in a message

# RE2's \W knows ASCII only, so the classes are spelled out.
_SEPARATOR_PATTERN = r"[^\p{L}\p{M}\p{N}_]+"

# TensorFlow's `lower` follows the locale of the process: under Turkish, "I" would become a dotless
# i, and under Lithuanian, "Ì" three characters. These, taken care of first, leave it no choice.
_LOCALE_DEPENDENT_LETTERS = {
    "I": "i",
    "J": "j",
    "\u0130": "i\u0307",
    "\u00cc": "\u00ec",
    "\u00cd": "\u00ed",
    "\u0128": "\u0129",
    "\u012e": "\u012f",
}


class Tokenizer:
    """Turns captions into the word ids of a vocabulary.

    Words that the vocabulary lacks are dropped: the network has no embedding for them. The Python
    rule serves single captions and names what it drops; the graph rule serves input pipelines and
    exported models. Both are the same rule for every character that Python's and TensorFlow's
    versions of Unicode both know.

    Args:
        vocabulary: The words with their ids.

    Example:

    >>> from dmgan_tf.text.vocabulary import Vocabulary
    >>> Tokenizer(Vocabulary(["red", "apple"])).encode("Apple, red")
    [2, 1]
    """

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self._warned_words = set()

    def encode(self, caption: str) -> list[int]:
        """Returns the ids of the known words of `caption`, in order.

        Raises:
            InputError: If it holds no known word.
        """
        words = split_words(caption)
        ids = [self.vocabulary.id_of(word) for word in words]
        unknown = [word for word, id_ in zip(words, ids, strict=True) if id_ is None]
        known = [id_ for id_ in ids if id_ is not None]
        if not known:
            some = ", ".join(shortened(word) for word in self.vocabulary.words[1:6])
            raise InputError(
                f"Expected a caption with a word of the vocabulary ({len(self.vocabulary) - 1} "
                f"words: {some}, ...). Received: {shortened(caption)!r}. Describe the picture in "
                "the words of the training captions."
            )
        self._warn_of(unknown, caption)
        return known

    def encode_batch(self, captions: Sequence[str]) -> np.ndarray:
        """Returns the ids of several captions, padded with 0 on the right to the longest.

        Args:
            captions: One caption or more.

        Returns:
            int32 array of shape (captions, words of the longest).

        Raises:
            InputError: If a caption holds no known word or is no string, or there is no caption.
        """
        if isinstance(captions, str) or not len(captions):
            raise InputError(f"Expected a list of captions. Received: {shortened(captions)!r}.")
        for caption in captions:
            if not isinstance(caption, str):
                raise InputError(f"Expected captions that are strings. Received: {caption!r}.")
        rows = [self.encode(caption) for caption in captions]
        token_ids = np.zeros((len(rows), max(map(len, rows))), np.int32)
        for row, ids in zip(token_ids, rows, strict=True):
            row[: len(ids)] = ids
        return token_ids

    def in_graph(self, captions: Any) -> Any:
        """Returns the ids of several captions, computed by TensorFlow ops.

        Args:
            captions: string tensor of shape (batch,), in UTF-8.

        Returns:
            int32 `tf.RaggedTensor` of shape (batch, None). A caption without a known word is an
            empty row.
        """
        import tensorflow as tf

        captions = tf.strings.regex_replace(captions, _SEPARATOR_PATTERN, " ")
        for letter, lowered in _LOCALE_DEPENDENT_LETTERS.items():
            captions = tf.strings.regex_replace(captions, letter, lowered)
        captions = tf.strings.lower(captions, encoding="utf-8")
        ids = self.table.lookup(tf.strings.split(captions))
        return tf.ragged.boolean_mask(ids, ids > 0)

    @functools.cached_property
    def table(self) -> Any:
        """The lookup table of `in_graph`; an exported model must hold on to it."""
        import tensorflow as tf

        with tf.init_scope():
            words = tf.constant(self.vocabulary.words[1:])
            ids = tf.range(1, len(self.vocabulary), dtype=tf.int32)
            initializer = tf.lookup.KeyValueTensorInitializer(words, ids)
            return tf.lookup.StaticHashTable(initializer, default_value=0)

    def warn_of_unknown(self, captions: Sequence[str]) -> None:
        """Warns once, in one line, of what is unknown in many captions, instead of one by one."""
        words = dict.fromkeys(word for caption in captions for word in split_words(caption))
        unknown = [word for word in words if self.vocabulary.id_of(word) is None]
        if not self._warned_words.issuperset(unknown):
            self._warned_words.update(unknown)
            _logger.warning(
                "%d of the captions' %d words are unknown and left out: %s",
                len(unknown),
                len(words),
                _some(unknown),
            )

    def _warn_of(self, unknown: list[str], caption: str) -> None:
        """Warns of words not warned of before."""
        new = list(dict.fromkeys(word for word in unknown if word not in self._warned_words))
        if new:
            self._warned_words.update(new)
            _logger.warning("Unknown words left out of %r: %s", shortened(caption), _some(new))


def _some(words: list[str]) -> str:
    shown = ", ".join(shortened(word) for word in words[:_UNKNOWN_SHOWN])
    return f"{shown}, ..." if len(words) > _UNKNOWN_SHOWN else shown


def shortened(text: str) -> str:
    """Returns the beginning of a text, for a message that has to stay readable."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
