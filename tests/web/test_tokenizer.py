import itertools

import pytest
from many_scripts import OLD_CHARACTERS, SENTENCES, respelled
from web.page_scripts import needs_node, run_script

from dmgan_tf.demo.captions import pieces_of
from dmgan_tf.serving.text_files import tokenizer_settings
from dmgan_tf.text.tokenizer import MOST_CHARACTERS, MOST_WORDS
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import EARLIER_RULE, RULE

pytestmark = needs_node
# The cases of tests/text, and what a visitor may type.
CAPTIONS = [
    "A red-faced bird's beak.",
    "ΟΔΟΣ ΣΑΣ Σ ΑΣ\u0301 Σ.Α",
    "İstanbul ISPARTA ıI I\u0307",
    "Cafe\u0301 nai\u0308ve हिन्दी ไทย",
    "STRASSE ẞ ǅ ﬁ K Å Ω",
    "½ ² Ⅷ ⅷ ① ٣ 一二 3d snake_case __ ",
    "one\u00a0two\u2009three\u200bfour\u2028five\tsix\u3000seven",
    "👩\u200d🚀 ☂\ufe0f #\ufe0f\u20e3 c++",
    "one\0two \0",
    "",
    " ,.! ",
    "\u0301a ☂\ufe0f =\u0338",
    "らーめん3つiPhoneが",
    "ใช่น้ำ ๑๒ ខ្មែរ 한국어 새",
    "red" + "\ud83d" * 3 + "red red",
    *(respelled(text, form) for text in SENTENCES for form in ("NFC", "NFD", "stepwise")),
]
SPLIT = """(() => {
  const tokenizer = new page.Tokenizer({ word_pattern: given.pattern }, [], 1);
  return given.captions.map((caption) => tokenizer.split(caption));
})()"""
PIECES = """(() => {
  const tokenizer = new page.Tokenizer(given.settings, given.words, given.settings.most_words);
  return given.captions.map((caption) => tokenizer.pieces(caption).map(
    (piece) => [piece.text, piece.isWord, piece.id, piece.isBeyond]));
})()"""


def expected_pieces(caption, vocabulary):
    return [
        [
            piece.text,
            piece.is_word,
            None if piece.place is None else vocabulary.id_of(piece.text.lower()),
            piece.is_beyond,
        ]
        for piece in pieces_of(caption, vocabulary)
    ]


def read_by_page(captions, vocabulary):
    given = {
        "settings": tokenizer_settings(vocabulary, None),
        "words": vocabulary.words,
        "captions": captions,
    }
    return run_script("tokenizer.js", PIECES, given)


@pytest.mark.parametrize("rule", [RULE, EARLIER_RULE], ids=["rule", "earlier rule"])
def test_every_character_and_every_script_is_split_as_in_python(rule):
    captions = [*CAPTIONS, *(f"a{character}b" for character in OLD_CHARACTERS)]
    words = run_script("tokenizer.js", SPLIT, {"pattern": rule.ecmascript, "captions": captions})
    for caption, found in zip(captions, words, strict=True):
        assert found == rule.split(caption), ascii(caption)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_captions_are_taken_apart_as_the_demo_does(every):
    """Also where only some of the words are known."""
    words = sorted({word for caption in CAPTIONS for word in RULE.split(caption)})
    vocabulary = Vocabulary(itertools.islice(words, 0, None, every))
    found = read_by_page(CAPTIONS, vocabulary)
    assert found == [expected_pieces(caption, vocabulary) for caption in CAPTIONS]


@pytest.mark.parametrize(
    "words", [["café"], ["cafe\u0301"], ["café", "cafe\u0301"], ["红色", "鸟"], ["一只红色的鸟"]]
)
def test_spellings_and_words_of_an_earlier_version(words):
    vocabulary = Vocabulary(words)
    captions = ["Cafe\u0301, café", "一只 红色 的 鸟", "一只红色的鸟。"]
    found = read_by_page(captions, vocabulary)
    assert found == [expected_pieces(caption, vocabulary) for caption in captions]


def test_long_captions_are_cut_where_python_cuts_them():
    vocabulary = Vocabulary(["red"])
    captions = [
        "red " * (MOST_WORDS + 1),
        "big red, " * (MOST_WORDS + 1),
        "." * (MOST_CHARACTERS - 4) + " red red",
        "𝔸" * (MOST_CHARACTERS - 4) + " red red",
        "red " * MOST_WORDS,
    ]
    found = read_by_page(captions, vocabulary)
    assert found == [expected_pieces(caption, vocabulary) for caption in captions]
