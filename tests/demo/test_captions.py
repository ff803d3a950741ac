"""Captions and numbers from visitors: what is read, what is refused, and with which words."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from many_scripts import texts

from dmgan_tf.demo.captions import (
    Piece,
    checked_caption,
    checked_number,
    examples_for,
    known_words,
    pieces_of,
)
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import MOST_CHARACTERS, MOST_WORDS, Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import split_words

VOCABULARY = Vocabulary(["a", "red", "disc", "ΣΑΣ".lower(), "café", "chim", "赤", "い", "トマト"])


def test_pieces_of_a_caption():
    assert pieces_of("a Crimson, red disc!", VOCABULARY) == [
        Piece("a", True, 0),
        Piece(" ", False),
        Piece("Crimson", True),
        Piece(", ", False),
        Piece("red", True, 1),
        Piece(" ", False),
        Piece("disc", True, 2),
        Piece("!", False),
    ]


@pytest.mark.parametrize(
    ("caption", "num_known", "num_read"),
    [
        ("a disc " * MOST_WORDS, MOST_WORDS, len("a disc " * (MOST_WORDS // 2)) - 1),
        ("zeppelin " * MOST_CHARACTERS, 0, MOST_CHARACTERS),
        ("a disc, zeppelin " * 128, MOST_WORDS, len("a disc, zeppelin " * 128)),
    ],
)
def test_pieces_of_a_very_long_caption(caption, num_known, num_read):
    pieces = pieces_of(caption, VOCABULARY)
    assert "".join(piece.text for piece in pieces) == caption
    assert "".join(piece.text for piece in pieces if not piece.is_beyond) == caption[:num_read]
    places = [piece.place for piece in pieces if piece.place is not None]
    assert places == list(range(num_known))


def test_words_without_spaces_are_pieces():
    pieces = pieces_of("赤いcafe\u0301!", Vocabulary(["赤", "café"]))
    assert [(piece.text, piece.place) for piece in pieces if piece.is_word] == [
        ("赤", 0),
        ("い", None),
        ("cafe\u0301", 1),
    ]


TOKENIZER = Tokenizer(VOCABULARY)


@settings(max_examples=60, deadline=None)
@given(st.text() | texts | st.text("a reddisc<>Σσς'-_.́", max_size=30))
def test_pieces_are_the_caption_and_its_words_are_the_tokenizers(caption):
    pieces = pieces_of(caption, VOCABULARY)
    assert "".join(piece.text for piece in pieces) == caption
    words = [word for piece in pieces if piece.is_word for word in split_words(piece.text)]
    assert words == split_words(caption)
    known = [piece.text for piece in pieces if piece.place is not None]
    assert [piece.place for piece in pieces if piece.place is not None] == list(range(len(known)))
    if known:
        assert TOKENIZER.encode(known_words(pieces, ["a disc"])) == TOKENIZER.encode(caption)


@pytest.mark.parametrize(
    ("caption", "part"),
    [
        (None, "empty"),
        (["a disc"], "empty"),
        ("", "empty"),
        (" \n\t ", "empty"),
        ("🍎🍏", "words in the caption. Received: 🍎🍏"),
        ("?!… --", "words in the caption"),
        ("?" * MOST_CHARACTERS + " disc", "words in the caption"),
    ],
)
def test_a_caption_that_cannot_be_read(caption, part):
    with pytest.raises(InputError, match="^[^\n]+$") as raised:
        checked_caption(caption)
    assert part in str(raised.value)


@given(st.text())
def test_a_caption_is_one_line_of_unicode_or_refused_in_one(caption):
    try:
        caption = checked_caption(caption)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert caption.encode("utf-8") and len(caption.splitlines()) == 1
        assert split_words(caption)


def test_half_a_character_of_json_is_replaced():
    assert checked_caption("a \ud83c disc") == "a ? disc"


def test_an_unknown_caption_is_answered_with_a_known_one():
    with pytest.raises(InputError, match="none of these words. Try: a red disc."):
        known_words(pieces_of("zeppelin", VOCABULARY), ["a red disc"])


def test_whole_numbers_are_taken_as_the_page_sends_them():
    assert checked_number(7, "the seed", 0, 10) == 7
    number = checked_number(7.0, "the seed", 0, 10)
    assert number == 7 and isinstance(number, int)


@pytest.mark.parametrize("value", [None, "7", 1.5, -1, 11, 1e300, math.inf, math.nan, True, [7]])
def test_other_numbers_are_refused(value):
    received = "nothing" if value is None else str(value)
    with pytest.raises(InputError) as raised:
        checked_number(value, "the seed", 0, 10)
    assert str(raised.value) == (
        f"Expected the seed, a whole number from 0 to 10. Received: {received}."
    )


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_a_number_beyond_all_floats_is_refused(value):
    with pytest.raises(InputError, match="from 0 to 10. Received: -?1000"):
        checked_number(value, "the seed", 0, 10)


@pytest.mark.parametrize(
    ("captions", "example"),
    [
        (
            ["a flat drawing of a red square", "a noto drawing of a princess", "bowl table"],
            "a noto drawing of a princess",
        ),
        (
            [
                "this bird has a long neck and brown feathers",
                "a small yellow bird with black wings",
            ],
            "a small yellow bird with black wings",
        ),
    ],
)
def test_examples_are_of_the_models_kind_of_data(captions, example):
    vocabulary = Vocabulary.from_captions(captions)
    examples = examples_for(vocabulary)
    assert examples[0] == example and len(examples) == 2
    assert all(vocabulary.id_of(word) for caption in examples for word in split_words(caption))


def test_examples_of_other_data_are_its_frequent_words():
    captions = ["the disc is red", "a green square", "a green disc", "the disc"]
    assert examples_for(Vocabulary.from_captions(captions)) == ["disc", "green", "square"]


@pytest.mark.parametrize(("words", "examples"), [(["of", "it"], ["of", "it"]), (["<x>"], ["<x>"])])
def test_examples_of_a_vocabulary_without_long_words(words, examples):
    assert examples_for(Vocabulary(words)) == examples
