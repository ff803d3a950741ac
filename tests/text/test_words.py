import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from many_scripts import OLD_CHARACTERS, respelled, texts

from dmgan_tf.text import words as words_module
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import EARLIER_RULE, RULE, composed, split_words


@pytest.mark.parametrize(
    "caption, words",
    [
        ("A red-faced bird's beak.", ["a", "red", "faced", "bird", "s", "beak"]),
        ("ΟΔΟΣ", ["οδος"]),
        ("İI", ["i\u0307i"]),
        ("हिन्दी", ["हिन्दी"]),
        ("snake_case 3D ½", ["snake_case", "3d", "½"]),
        (" ,.! ", []),
        ("Cafe\u0301", ["café"]),
        ("\u0301a ☂\ufe0f =\u0338", ["a"]),
        ("一只红色的鸟。", ["一", "只", "红", "色", "的", "鸟"]),
        ("赤いトマト・ｶﾞ", ["赤", "い", "トマト", "ｶﾞ"]),
        ("らーめん3つiPhoneが", ["らー", "め", "ん", "3", "つ", "iphone", "が"]),
        ("ใช่น้ำ ๑๒", ["ใ", "ช่", "น้ำ", "๑๒"]),
        ("ខ្មែរ", ["ខ្", "មែ", "រ"]),
        ("한국어 새", ["한국어", "새"]),
    ],
)
def test_split_words(caption, words):
    assert split_words(caption) == words


@pytest.fixture(scope="module")
def all_characters():
    codes = np.array([code for code in range(0x110000) if not 0xD800 <= code < 0xE000], np.int32)
    return codes, tf.strings.unicode_encode(codes[:, None], "UTF-8")


@pytest.mark.parametrize("name", ["Katakana", *words_module._SCRIPTS_OF_SINGLE_LETTERS])
def test_scripts_are_those_of_re2(name, all_characters):
    """A newer RE2 knows newer letters; then the table wants them."""
    codes, characters = all_characters
    scripts = {"Katakana": words_module._KATAKANA, **words_module._SCRIPTS_OF_SINGLE_LETTERS}
    listed = [code for part in words_module._ranges(scripts[name]) for code in part]
    of_script = tf.strings.regex_full_match(characters, rf"\p{{{name}}}")
    letters = tf.strings.regex_full_match(characters, r"[\p{L}\p{Nl}]")
    np.testing.assert_array_equal(codes[of_script & letters], listed)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_equivalent_spellings_have_the_same_words(text):
    words = split_words(text)
    assert all(composed(word) == word for word in words)
    for form in ("NFC", "NFD", "stepwise"):
        assert split_words(respelled(text, form)) == words


def test_every_character_has_the_same_words_in_all_spellings():
    for character in OLD_CHARACTERS:
        for text in (character, f"a{character}", f"Σ{character}Σ"):
            assert split_words(respelled(text, "NFD")) == split_words(text), ascii(text)


@settings(max_examples=200, deadline=None)
@given(texts, texts)
def test_a_vocabulary_of_the_earlier_rule_gives_its_words_as_then(text, other):
    """Whichever rule it follows, a known word of an earlier version stays that very word."""
    words = EARLIER_RULE.split(text)
    if not words:
        return
    vocabulary = Vocabulary(dict.fromkeys(words))
    for caption in (text, other):
        known = [word for word in EARLIER_RULE.split(caption) if word in vocabulary.words]
        ids = iter([vocabulary.id_of(word) for word in vocabulary.split(caption)])
        assert all(vocabulary.words.index(word) in ids for word in known)  # in this order


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["red", "<end>", "हिन्दी", "café"], RULE),
        (["cafe\u0301"], RULE),
        (["红", "鸟", "トマト"], RULE),
        (["一只红色的鸟"], EARLIER_RULE),
        (["red", "\ufe0f"], EARLIER_RULE),
    ],
)
def test_the_rule_of_a_vocabulary(words, rule):
    assert Vocabulary(words).rule is rule


def test_words_that_a_segmenter_divided_stay_whole():
    vocabulary = Vocabulary(["红色", "鸟"])
    assert vocabulary.split("一只 红色 的 鸟") == ["一只", "红色", "的", "鸟"]


def test_one_id_for_one_word_unless_the_vocabulary_has_two():
    assert [Vocabulary(["café"]).id_of(word) for word in ("café", "cafe\u0301")] == [1, 1]
    assert [Vocabulary(["cafe\u0301"]).id_of(word) for word in ("café", "cafe\u0301")] == [1, 1]
    both = Vocabulary(["café", "cafe\u0301"])
    assert [both.id_of(word) for word in ("café", "cafe\u0301")] == [1, 2]
    assert Vocabulary.from_captions(["a café", "cafe\u0301"]).words[1:] == ("café", "a")
