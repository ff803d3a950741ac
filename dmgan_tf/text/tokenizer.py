"""Converts captions to word ids by one rule, in Python and as a TensorFlow graph."""

import functools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.text.spelling import Decomposition, decomposed
from dmgan_tf.text.vocabulary import Vocabulary

# Limits per caption where pictures are drawn; the encoders were trained on sentences of ten or
# twenty words, and every pixel attends to each word.
MOST_CHARACTERS = 4000
MOST_WORDS = 256

_logger = logging.getLogger(__name__)
_UNKNOWN_SHOWN = 8  # words in a warning
_LONGEST_SHOWN = 80  # characters of a caption in a message

# TensorFlow's `lower` depends on the locale of the process: in Turkish, "I" would become a dotless
# i, and in Lithuanian, "Ì" three characters. These are replaced first, so that it has no effect.
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
    """Converts captions to the word ids of a vocabulary.

    Words that the vocabulary lacks are dropped: the network has no embedding for them. The Python
    rule is for single captions and names what it drops; the graph rule is for input pipelines and
    exported models. Both are the same for every character in both Python's and TensorFlow's
    versions of Unicode.

    Args:
        vocabulary: The words with their ids.

    Example:

    >>> from dmgan_tf.text.vocabulary import Vocabulary
    >>> Tokenizer(Vocabulary(["red", "apple"])).encode("Apple, red")
    [2, 1]
    """

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self._warned_words, self._warned_captions = set(), set()

    def encode(self, caption: str) -> list[int]:
        """Returns the ids of the known words of `caption`, in order.

        Of a very long caption only the first `MOST_CHARACTERS` and the first `MOST_WORDS` known
        words are read, with a warning.

        Raises:
            InputError: If it has no known word.
        """
        words = self.vocabulary.split(caption[:MOST_CHARACTERS])
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
        if len(caption) > MOST_CHARACTERS or len(known) > MOST_WORDS:
            self._warn_of_length(caption)
        return known[:MOST_WORDS]

    def encode_batch(self, captions: Sequence[str]) -> np.ndarray:
        """Returns the ids of several captions, padded with 0 on the right to the longest.

        Args:
            captions: One caption or more.

        Returns:
            int32 array of shape (captions, words of the longest).

        Raises:
            InputError: If a caption has no known word or is not a string, or there is no caption.
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

    def in_graph(self, captions: Any, cut: bool = False) -> Any:
        """Returns the ids of several captions, computed by TensorFlow ops.

        Args:
            captions: string tensor of shape (batch,), in UTF-8.
            cut: Whether to truncate a very long caption as `encode` does.

        Returns:
            int32 `tf.RaggedTensor` of shape (batch, None). A caption without a known word is an
            empty row.
        """
        import tensorflow as tf

        if cut:
            captions = tf.strings.substr(captions, 0, MOST_CHARACTERS, unit="UTF8_CHAR")
        for pattern, replacement in self.vocabulary.rule.substitutions:
            captions = tf.strings.regex_replace(captions, pattern, replacement)
        for letter, lowered in _LOCALE_DEPENDENT_LETTERS.items():
            captions = tf.strings.regex_replace(captions, letter, lowered)
        captions = tf.strings.lower(captions, encoding="utf-8")
        words = tf.strings.split(captions)
        if self._decomposition is not None:
            words = words.with_flat_values(self._decomposition(words.flat_values))
        ids = self.table.lookup(words)
        ids = tf.ragged.boolean_mask(ids, ids > 0)
        return ids[:, :MOST_WORDS] if cut else ids

    @functools.cached_property
    def table(self) -> Any:
        """The lookup table of `in_graph`; an exported model must keep a reference to it."""
        import tensorflow as tf

        spelled = (lambda word: word) if self._decomposition is None else decomposed
        with tf.init_scope():
            words = tf.constant([spelled(word) for word in self.vocabulary.words[1:]])
            ids = tf.range(1, len(self.vocabulary), dtype=tf.int32)
            initializer = tf.lookup.KeyValueTensorInitializer(words, ids)
            return tf.lookup.StaticHashTable(initializer, default_value=0)

    @functools.cached_property
    def _decomposition(self) -> Decomposition | None:
        """Converts words to the spelling of the table; None if no word has a second spelling."""
        if not self.vocabulary.is_any_spelling_known:
            return None
        decomposition = Decomposition(self.vocabulary.words[1:])
        return decomposition if decomposition.is_needed else None

    def warn_of_unknown(self, captions: Sequence[str]) -> None:
        """Warns once, in one line, of the unknown words of many captions."""
        words = dict.fromkeys(word for text in captions for word in self.vocabulary.split(text))
        unknown = [word for word in words if self.vocabulary.id_of(word) is None]
        if not self._warned_words.issuperset(unknown):
            self._warned_words.update(unknown)
            _logger.warning(
                "%d of the captions' %d words are unknown and dropped: %s",
                len(unknown),
                len(words),
                _some(unknown),
            )

    def _warn_of_length(self, caption):
        """Warns of a truncated caption, once."""
        if caption not in self._warned_captions:
            self._warned_captions.add(caption)
            _logger.warning(
                "Only the first %d known words within the first %d characters are read of %r.",
                MOST_WORDS,
                MOST_CHARACTERS,
                shortened(caption),
            )

    def _warn_of(self, unknown: list[str], caption: str) -> None:
        """Warns of words not warned of before."""
        new = list(dict.fromkeys(word for word in unknown if word not in self._warned_words))
        if new:
            self._warned_words.update(new)
            _logger.warning("Unknown words dropped from %r: %s", shortened(caption), _some(new))


def _some(words: list[str]) -> str:
    shown = ", ".join(shortened(word) for word in words[:_UNKNOWN_SHOWN])
    return f"{shown}, ..." if len(words) > _UNKNOWN_SHOWN else shown


def shortened(text: str) -> str:
    """Returns the beginning of a text, for a readable message."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
