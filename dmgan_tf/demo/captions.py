"""Checks a visitor's input: captions, of which some words may be unknown, and two numbers."""

import dataclasses
from collections.abc import Sequence

from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import MOST_CHARACTERS, MOST_WORDS, shortened
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import split_words

MOST_SAMPLES = 8
_MOST_EXAMPLES = 6
_SHORTEST_WORD = 4  # letters of an example of one word: "the" and "of" are no examples
# One group of captions for each kind of data; a model that knows two of a group gets that one.
_EXAMPLES = (
    (
        "a noto drawing of a princess",
        "a glossy fluent drawing of a purple heart",
        "a flat drawing of a pouting face",
        "a flat drawing of a red square",
        "a flat drawing of a police officer",
        "a glossy fluent drawing of an evergreen tree",
    ),
    (
        "a flat portrait of a person with long black hair and glasses, wearing a green shirt",
        "a flat drawing of a person who has a pink afro and wears a yellow checkered shirt",
        "a flat drawing of a smiling person with red pigtails, wearing something purple",
        "a bald person in flat style with sunglasses and brown skin, wearing a turquoise wrap",
        "a flat picture of somebody with a blond mohawk, a mustache and a blue t-shirt",
        "a flat portrait of a winking person with a pacifier, in a red beanie",
    ),
    (
        "this bird is blue with white and has a very short beak",
        "a small yellow bird with black wings",
        "a small bird with a red breast and a pointed beak",
        "this bird has a long neck and brown feathers",
    ),
    (
        "a man riding a wave on top of a surfboard",
        "a herd of sheep standing on a green field",
        "a bowl of fruit on a wooden table",
        "a street at night with cars and lights",
    ),
)


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of a caption: a word, the text between two words, or the text beyond the limits.

    Attributes:
        text: As it was typed.
        is_word: Whether it is a word.
        place: A known word's index among the known words, from 0; `None` for anything else.
        is_beyond: Whether it is the text beyond the limits.
    """

    text: str
    is_word: bool
    place: int | None = None
    is_beyond: bool = False


def pieces_of(caption: str, vocabulary: Vocabulary) -> list[Piece]:
    """Splits any text by the tokenizer's rule; the texts, joined, are the caption."""
    pieces, end, num_known = [], 0, 0
    read = caption[:MOST_CHARACTERS]
    for start, stop in vocabulary.rule.spans(read):
        known = vocabulary.id_of(read[start:stop].lower()) is not None
        if known and num_known == MOST_WORDS:
            read = read[:end]
            break
        pieces.append(Piece(read[end:start], False))
        pieces.append(Piece(read[start:stop], True, num_known if known else None))
        end, num_known = stop, num_known + known
    pieces.append(Piece(read[end:], False))
    pieces.append(Piece(caption[len(read) :], False, is_beyond=True))
    return [piece for piece in pieces if piece.text]


def checked_caption(caption: object) -> str:
    """Returns a caption as one line of Unicode text, whether or not the model knows its words.

    Args:
        caption: The value from the page, or from another client.

    Raises:
        InputError: If it is not text, or has no word within the limits.
    """
    if not isinstance(caption, str) or not caption.strip():
        raise InputError("The caption is empty. Describe the picture to draw.")
    # A lone surrogate, which JSON may contain, has no UTF-8.
    caption = " ".join(caption.encode("utf-8", "replace").decode("utf-8").split())
    if not split_words(caption[:MOST_CHARACTERS]):
        raise InputError(
            f"Expected words in the caption. Received: {shortened(caption)}. Letters and digits "
            "make words; emoji and punctuation do not."
        )
    return caption


def known_words(pieces: Sequence[Piece], examples: Sequence[str]) -> str:
    """Returns the known words of a caption, as a new caption.

    Args:
        pieces: Of `pieces_of`.
        examples: Captions that the model knows, to offer in an error.

    Returns:
        The words, separated by spaces; their indices are those of the pieces.

    Raises:
        InputError: If none is known.
    """
    known = [piece.text for piece in pieces if piece.place is not None]
    if not known:
        raise InputError(f"This model knows none of these words. Try: {examples[0]}.")
    return " ".join(known)


def checked_number(value: object, name: str, lowest: int, highest: int) -> int:
    """Returns a whole number from the page.

    Args:
        value: The value from the page; an empty field gives `None`.
        name: Its name on the page.
        lowest: The smallest allowed.
        highest: The largest allowed.

    Raises:
        InputError: If it is not a number, not an integer, or out of range.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # The range is checked first, which rejects NaN and numbers too large for a float.
    if not is_number or not lowest <= value <= highest or value != int(value):
        received = "nothing" if value is None else shortened(str(value))
        raise InputError(
            f"Expected {name}, a whole number from {lowest} to {highest}. Received: {received}."
        )
    return int(value)


def examples_for(vocabulary: Vocabulary) -> list[str]:
    """Returns one or more example captions of known words only.

    They are of the first kind of data of which the model knows two, or else single words, the most
    frequent in training. Words that have only word vectors are not used.
    """
    vocabulary = Vocabulary(vocabulary.trained_words)
    for family in _EXAMPLES:
        known = [caption for caption in family if _all_known(caption, vocabulary)]
        if len(known) >= 2:
            return known
    # A converted vocabulary may have entries that no caption can contain.
    words = [word for word in vocabulary.words[1:] if vocabulary.split(word) == [word]]
    telling = [word for word in words if len(word) >= _SHORTEST_WORD]
    return (telling or words or [vocabulary.words[1]])[:_MOST_EXAMPLES]


def _all_known(caption, vocabulary):
    return all(map(vocabulary.id_of, vocabulary.split(caption)))
