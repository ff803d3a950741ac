"""The release's `captions.pickle`, for the words in it.

AttnGAN and DM-GAN keep their vocabulary in the pickle of the captions it was made from: a list of
the captions for training, those for testing, the words by id and the ids by word. Id 0 is `<end>`,
which pads captions there as `<pad>` does here.
"""

import os
import pathlib
import pickle
import re

from dmgan_tf.errors import InputError
from dmgan_tf.files import atomic, restricted_pickle
from dmgan_tf.files.failed_download import failed_download
from dmgan_tf.text.vocabulary import PADDING_WORD, Vocabulary

_END_WORD = "<end>"
_PICKLE_PROTOCOL = 2  # the highest that Python 2.7 reads, on which the release runs
_OUR_FIRST_LINE = re.compile(rb"(\xef\xbb\xbf)?%b\r?\n" % PADDING_WORD.encode())
_WHAT = "a captions.pickle of AttnGAN or DM-GAN, or a vocabulary.txt,"


def read_vocabulary(path: str | os.PathLike) -> Vocabulary:
    """Reads the words of the release's `captions.pickle`, or of a `vocabulary.txt` of ours.

    Nothing in the pickle is run.

    Args:
        path: The file; its first line shows which of the two it is.

    Returns:
        The vocabulary, in which every word has the id that it has in the file.

    Raises:
        InputError: If there is no such file, if it is neither, if it is damaged, or if its ids do
            not count from 0 or do not agree with one another.
    """
    path = pathlib.Path(path)
    try:
        if not path.is_file():
            what = "a directory" if path.is_dir() else "no file"
            raise InputError(f"Expected {_WHAT} at {path}. Received: {what}.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error}.") from error
    problem = failed_download(data[:512])
    if problem is not None:
        raise _unexpected(path, problem)
    if _OUR_FIRST_LINE.match(data):
        return Vocabulary.load(path)
    try:
        content, _ = restricted_pickle.load(data, name=str(path))
    except InputError:
        if restricted_pickle.begins_like_pickle(data):
            raise
        raise _unexpected(path, f"a file that begins with {data[:16]!r}") from None
    return _vocabulary_of(path, content)


def write_vocabulary(path: str | os.PathLike, vocabulary: Vocabulary) -> None:
    """Writes a `captions.pickle` with a vocabulary of ours and no captions, for the old tools.

    Args:
        path: The file to write, completely or not at all.
        vocabulary: The words. Ids are unchanged; id 0 becomes `<end>`.

    Raises:
        InputError: If `<end>` is one of the words.
    """
    check_can_be_written(vocabulary, path)
    words = [_END_WORD, *vocabulary.words[1:]]
    content = [[], [], dict(enumerate(words)), {word: index for index, word in enumerate(words)}]
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(pickle.dumps(content, _PICKLE_PROTOCOL))


def check_can_be_written(vocabulary: Vocabulary, path: str | os.PathLike) -> None:
    """Raises an `InputError` if `write_vocabulary` would."""
    if vocabulary.id_of(_END_WORD) is not None:
        raise InputError(
            f"Expected a vocabulary without the word {_END_WORD}, which is the padding in "
            f"{path}. Received: one that has it with id {vocabulary.id_of(_END_WORD)}."
        )


def _vocabulary_of(path, content) -> Vocabulary:
    """Checks what the pickle held, type by type, and takes the words."""
    if type(content) not in (list, tuple) or len(content) != 4:
        raise _unexpected(path, f"a pickle of {_described(content)}")
    word_of, id_of = content[2:]
    if type(word_of) is not dict or type(id_of) is not dict:
        raise _unexpected(
            path, f"{_described(word_of)} and {_described(id_of)} in the third and fourth place"
        )
    for index in range(len(word_of)):
        if type(word_of.get(index)) is not str:
            raise InputError(
                f"Expected the words of {path} to have the ids 0 to {len(word_of) - 1}. Received: "
                f"no word with id {index}."
            )
    words = [word_of[index] for index in range(len(word_of))]
    if not words or words[0] != _END_WORD:
        first = repr(words[0][:40]) if words else "no words"
        raise InputError(
            f"Expected {_END_WORD} as the word with id 0 in {path}, as AttnGAN and DM-GAN have it. "
            f"Received: {first}."
        )
    for index, word in enumerate(words):
        if type(id_of.get(word)) is not int or id_of[word] != index:
            raise InputError(
                f"Expected the same ids in both directions in {path}. Received: {word[:40]!r} has "
                f"id {index} in the one, and not in the other."
            )
    if len(id_of) != len(words):
        raise InputError(
            f"Expected the same words in both directions in {path}. Received: {len(words)} ids "
            f"and {len(id_of)} words."
        )
    try:
        return Vocabulary(words[1:])
    except InputError as error:
        raise InputError(f"In {path}: {error}") from error


def _described(value) -> str:
    """Names a value by its type; a value from a file may be too deep to print."""
    kind = type(value).__name__
    return f"{kind} of length {len(value)}" if hasattr(value, "__len__") else kind


def _unexpected(path, what: str) -> InputError:
    return InputError(f"Expected {_WHAT} in {path}. Received: {what}.")
