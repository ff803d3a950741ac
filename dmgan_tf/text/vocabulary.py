"""Words and their ids, and the file of a vocabulary."""

import collections
import functools
import hashlib
import os
import pathlib
from collections.abc import Iterable

from dmgan_tf.errors import InputError
from dmgan_tf.files import atomic
from dmgan_tf.text.words import EARLIER_RULE, RULE, SplittingRule, composed, split_words

PADDING_WORD = "<pad>"


class Vocabulary:
    """An ordered list of words: the word at position n has id n, and id 0 is padding.

    An encoder works only with the exact vocabulary that it was trained with, so a vocabulary has a
    hash and is stored with every model and every data set.

    A word has one id in all equivalent spellings in Unicode: an accented letter is one character or
    two. Only if the vocabulary contains two spellings of one word, as earlier versions collected
    them, each keeps its own id.

    Args:
        words: The words in the order of their ids 1, 2, ..., without the padding word. Each a
            string without line breaks; no word twice.
        num_trained: How many of them, the first ones, are those of the training captions; the
            others have only word vectors. None for all.

    Raises:
        InputError: If there is no word, or a word is not allowed in a vocabulary.

    Example:

    >>> vocabulary = Vocabulary(["red", "apple"])
    >>> len(vocabulary), vocabulary.id_of("apple"), vocabulary.id_of("pear")
    (3, 2, None)
    """

    def __init__(self, words: Iterable[str], num_trained: int | None = None):
        self.words = (PADDING_WORD, *words)
        self.trained_words = self.words[1:][:num_trained]
        if len(self.words) == 1:
            raise InputError("Expected a vocabulary of at least one word. Received: no words.")
        self._ids = {}
        for index, word in enumerate(self.words):
            if not isinstance(word, str) or not word or "\n" in word or "\r" in word:
                raise InputError(
                    f"Expected the word with id {index} to be text on one line. Received: "
                    f"{_shown(word)}."
                )
            if word.encode("utf-8", "ignore").decode("utf-8") != word:
                raise InputError(
                    f"Expected the word with id {index} to be Unicode text. Received: "
                    f"{_shown(word)}, half of a pair of code units."
                )
            if word in self._ids:
                raise InputError(
                    f"Expected every word of a vocabulary once. Received: {_shown(word)} with the "
                    f"ids {self._ids[word]} and {index}."
                )
            self._ids[word] = index
        by_composed = {composed(word): index for word, index in self._ids.items()}
        self.is_any_spelling_known = len(by_composed) == len(self._ids)
        if self.is_any_spelling_known:
            self._ids = by_composed

    @classmethod
    def from_captions(cls, captions: Iterable[str], min_count: int = 1) -> "Vocabulary":
        """Collects the words of `captions`, the most frequent first, equally frequent ones by name.

        Args:
            captions: The captions to count the words of; only those of the training split.
            min_count: Words that occur less often are left out, 1 or more.

        Returns:
            The vocabulary.

        Raises:
            InputError: If no word occurs `min_count` times.
        """
        counts = collections.Counter()
        for caption in captions:
            counts.update(split_words(caption))
        kept = [word for word, count in counts.items() if count >= min_count]
        if not kept:
            raise InputError(
                f"Expected captions in which some word occurs {min_count} time(s) or more. "
                f"Received: {len(counts)} different words, all rarer."
            )
        return cls(sorted(kept, key=lambda word: (-counts[word], word)))

    def __len__(self) -> int:
        return len(self.words)

    def __eq__(self, other) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    @property
    def is_open(self) -> bool:
        """Whether it has words beside those of the training captions."""
        return len(self.trained_words) < len(self.words) - 1

    def extended(self, captions: Iterable[str], min_count: int = 1) -> "Vocabulary":
        """Returns these words, with their ids, and after them the unknown ones of captions.

        So an encoder that was trained with these words can learn the others, too.

        Args:
            captions: The captions to count the words of; only those of the training split.
            min_count: Unknown words that occur less often are left out, 1 or more.
        """
        counts = collections.Counter(
            composed(word) if self.is_any_spelling_known else word
            for caption in captions
            for word in self.split(caption)
            if self.id_of(word) is None
        )
        further = sorted(
            (word for word, count in counts.items() if count >= min_count),
            key=lambda word: (-counts[word], word),
        )
        return Vocabulary([*self.words[1:], *further])

    def extends(self, other: "Vocabulary") -> bool:
        """Returns whether all words of another vocabulary have their ids here, too."""
        return self.words[: len(other)] == other.words

    def id_of(self, word: str) -> int | None:
        """Returns the id of `word`, or None if it is unknown."""
        return self._ids.get(composed(word) if self.is_any_spelling_known else word)

    @functools.cached_property
    def rule(self) -> SplittingRule:
        """The rule that splits captions; the earlier rule if only it can give one of these words.

        So models and data sets keep their words. For example, Chinese sentences were single words,
        as are the words of captions that a segmenter divided by spaces.
        """

        def is_lost(word):
            is_given = EARLIER_RULE.split(word) == [word]
            return is_given and list(map(composed, RULE.split(word))) != [composed(word)]

        return EARLIER_RULE if any(map(is_lost, self.words[1:])) else RULE

    def split(self, caption: str) -> list[str]:
        """Returns the lower-case words of a caption, known or not, in order."""
        return self.rule.split(caption)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the vocabulary's file, in hexadecimal."""
        return hashlib.sha256(self._file_text().encode("utf-8")).hexdigest()

    def save(self, path: str | os.PathLike) -> None:
        """Writes one word per line in UTF-8; the first line, id 0, is the padding word."""
        atomic.write_text(path, self._file_text())

    @classmethod
    def load(cls, path: str | os.PathLike, num_trained: int | None = None) -> "Vocabulary":
        """Reads a file that `save` wrote, also with line ends changed by an editor.

        Args:
            path: The file.
            num_trained: As of the constructor; it is not in the file.

        Raises:
            InputError: If there is no such file, or it is not a vocabulary.
        """
        if not pathlib.Path(path).is_file():  # reading a pipe would block
            raise InputError(f"Expected a vocabulary file at {path}. Received: no file.")
        try:
            text = pathlib.Path(path).read_text(encoding="utf-8-sig")  # "\r\n" becomes "\n"
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"Cannot read the vocabulary {path}: {error}.") from error
        words = text.removesuffix("\n").split("\n")
        if words[0] != PADDING_WORD:
            raise InputError(
                f"Expected a vocabulary, whose first line is {PADDING_WORD}, in {path}. Received: "
                f"{words[0][:40]!r} in the first line."
            )
        try:
            return cls(words[1:], num_trained)
        except InputError as error:
            raise InputError(f"In the vocabulary {path}: {error}") from error

    def _file_text(self) -> str:
        return "".join(f"{word}\n" for word in self.words)


def _shown(word) -> str:
    """A word for a message of one line; a file may have one of any length."""
    return repr(word) if not isinstance(word, str) or len(word) <= 40 else f"{word[:40]!r}..."


def check_same_vocabulary(a: Vocabulary, a_name: str, b: Vocabulary, b_name: str) -> None:
    """Raises an error that says which two vocabularies differ, and where.

    Ids of one vocabulary in the embedding of another give wrong results without an error, so this
    is checked wherever a vocabulary and an encoder are combined.

    Args:
        a: One vocabulary.
        a_name: Its owner, for the message: `the data set DIR`.
        b: The other vocabulary.
        b_name: Its owner.

    Raises:
        InputError: If they differ in any word or in order.
    """
    if a == b:
        return
    pairs = zip(a.words, b.words, strict=False)
    differing = next((n for n, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))

    def word_at(vocabulary):
        return _shown(vocabulary.words[differing]) if differing < len(vocabulary) else "nothing"

    raise InputError(
        f"Expected the same vocabulary in {a_name} ({len(a) - 1} words, {a.sha256[:8]}) and in "
        f"{b_name} ({len(b) - 1} words, {b.sha256[:8]}). They first differ at id {differing}: "
        f"{word_at(a)} against {word_at(b)}. Use the two that were trained together, or prepare "
        "the data again with --vocabulary=FILE of the encoder."
    )


def check_words_known(
    data: Vocabulary, data_name: str, encoder: Vocabulary, encoder_name: str
) -> None:
    """Raises an error if an encoder is not one for captions of a data set.

    Usually both must have the same vocabulary. An encoder with word vectors has more words; it
    reads captions by its own ids, so that it only needs to know all words of the data.

    Args:
        data: The vocabulary of the data set.
        data_name: Its owner, for the message: `the data set DIR`.
        encoder: The vocabulary of the encoder.
        encoder_name: Its owner.

    Raises:
        InputError: If the vocabularies differ, or the larger one lacks a word of the data.
    """
    if not encoder.is_open or data.rule is not encoder.rule:
        check_same_vocabulary(data, data_name, encoder, encoder_name)
        return
    unknown = [word for word in data.words[1:] if encoder.id_of(word) is None]
    if unknown:
        raise InputError(
            f"Expected every word of {data_name} in the vocabulary of {encoder_name} "
            f"({len(encoder) - 1} words, {encoder.sha256[:8]}). Received: {len(unknown)} of "
            f"{len(data) - 1} words that it lacks, such as {_shown(unknown[0])}. Prepare the data "
            "again with --vocabulary=FILE of the encoder, which drops such words."
        )
