import logging
import pathlib
import re
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies
from many_scripts import OLD_CHARACTERS, texts

from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import MOST_CHARACTERS, MOST_WORDS, Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import EARLIER_RULE, split_words

HERE = pathlib.Path(__file__).parent
DIFFICULT_CAPTIONS = [
    "A red-faced bird's beak.",
    "ΟΔΟΣ ΣΑΣ Σ ΑΣ\u0301 Σ.Α",  # final sigma
    "İstanbul ISPARTA ıI I\u0307",  # dotted and dotless I
    "Cafe\u0301 nai\u0308ve हिन्दी ไทย",  # combining marks
    "STRASSE ẞ ǅ ﬁ K Å Ω",
    "½ ² Ⅷ ⅷ ① ٣ 一二 3d snake_case __ ",
    "one\u00a0two\u2009three\u200bfour\u2028five\tsix\u3000seven",
    "👩\u200d🚀 ☂\ufe0f #\ufe0f\u20e3 c++",
    "Ì Í Ĩ Į J\u0301 Į\u0301",  # Lithuanian keeps a dot above
    "one\0two \0",
    "",
    "...",
]


def ids_in_graph(tokenizer: Tokenizer, caption: str) -> list[int]:
    captions = tf.constant([caption.encode("utf-8", "surrogatepass")])
    return tokenizer.in_graph(captions, cut=True).to_list()[0]


def words_in_graph(caption: str, known: list[str]) -> list[str]:
    vocabulary = Vocabulary(known)
    ids = ids_in_graph(Tokenizer(vocabulary), caption)
    return [vocabulary.words[index] for index in ids]


@pytest.mark.parametrize("caption", DIFFICULT_CAPTIONS)
def test_graph_rule_equals_python_rule_on_difficult_captions(caption):
    words = split_words(caption)
    assert words_in_graph(caption, sorted({*words, "filler"})) == words


def test_graph_rule_equals_python_rule_on_every_character():
    captions = [f"a{character}b" for character in OLD_CHARACTERS]
    words = [split_words(caption) for caption in captions]
    vocabulary = Vocabulary(sorted({word for row in words for word in row}))
    ids = Tokenizer(vocabulary).in_graph(tf.constant(captions)).to_list()
    assert len(captions) > 90_000
    for caption, expected, row in zip(captions, words, ids, strict=True):
        assert [vocabulary.words[index] for index in row] == expected, ascii(caption)


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(texts | strategies.text("aIİıΣσς\u0301\u0307\u0323 '-_.\0"))
def test_graph_rule_equals_python_rule_on_random_text(caption):
    words = split_words(caption)
    assert words_in_graph(caption, sorted({*words, "filler"})) == words


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(texts, texts, strategies.booleans())
def test_both_rules_are_one_for_any_vocabulary(text, caption, is_earlier):
    """Also for words of an earlier version, and for captions that it knows in part."""
    words = (EARLIER_RULE.split if is_earlier else split_words)(text)
    vocabulary = Vocabulary(dict.fromkeys([*words, "filler"]))
    for given in (f"{caption} filler", f"{text}{caption} filler"):
        tokenizer = Tokenizer(vocabulary)
        assert ids_in_graph(tokenizer, given) == tokenizer.encode(given)


def test_graph_rule_does_not_depend_on_the_locale():
    program = (
        "import contextlib, locale, sys; sys.path[:0] = sys.argv[1:]; import test_tokenizer as t\n"
        "for name in ('lt_LT.UTF-8', 'tr_TR.UTF-8'):\n"
        "  with contextlib.suppress(locale.Error):\n"  # where the machine lacks it
        "    locale.setlocale(locale.LC_ALL, name)\n"
        "  for caption in [*t.DIFFICULT_CAPTIONS, 'INDIGO JAY']:\n"
        "    t.test_graph_rule_equals_python_rule_on_difficult_captions(caption)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(HERE), *map(str, HERE.parents[:2])],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


def test_many_captions_are_warned_of_in_one_line(caplog):
    tokenizer = Tokenizer(Vocabulary(["a", "red", "apple"]))
    captions = ["a red zeppelin", "a zebra", "A Zeppelin, red"]
    tokenizer.warn_of_unknown(captions)
    tokenizer.warn_of_unknown(captions)
    assert [tokenizer.encode(caption) for caption in captions] == [[1, 2], [1], [1, 2]]
    assert [record.getMessage() for record in caplog.records] == [
        "2 of the captions' 4 words are unknown and dropped: zeppelin, zebra"
    ]


def test_encode_drops_unknown_words_and_warns_once(caplog):
    tokenizer = Tokenizer(Vocabulary(["red", "apple"]))
    with caplog.at_level(logging.WARNING):
        assert tokenizer.encode("A red, shiny APPLE") == [1, 2]
        assert tokenizer.encode("a shiny red") == [1]
    assert [record.getMessage() for record in caplog.records] == [
        "Unknown words dropped from 'A red, shiny APPLE': a, shiny"
    ]


@pytest.mark.parametrize("caption", ["a pear", "", "..."])
def test_caption_without_a_known_word(caption):
    tokenizer = Tokenizer(Vocabulary(["red", "apple"]))
    with pytest.raises(InputError, match=re.escape(repr(caption))):
        tokenizer.encode(caption)
    assert tokenizer.in_graph(tf.constant([caption])).to_list() == [[]]


def test_encode_batch_pads_on_the_right():
    tokenizer = Tokenizer(Vocabulary(["red", "apple"]))
    token_ids = tokenizer.encode_batch(["red", "apple red red"])
    assert token_ids.dtype == np.int32
    np.testing.assert_array_equal(token_ids, [[1, 0, 0], [2, 1, 1]])
    for wrong in ("red", []):
        with pytest.raises(InputError, match="list of captions"):
            tokenizer.encode_batch(wrong)
    for wrong in (["red", None], [b"red"], [3]):
        with pytest.raises(
            InputError, match="captions that are strings. Received: (None|b'red'|3)"
        ):
            tokenizer.encode_batch(wrong)


def test_in_graph_inside_a_function():
    tokenizer = Tokenizer(Vocabulary(["red", "apple"]))
    function = tf.function(
        lambda captions: tokenizer.in_graph(captions).to_tensor(),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    np.testing.assert_array_equal(function(tf.constant(["Red APPLE", "apple"])), [[1, 2], [2, 0]])
    assert function(tf.constant(["red"])).dtype == tf.int32


@pytest.mark.parametrize(
    ("caption", "num_words"),
    [
        ("red " * (MOST_WORDS + 1), MOST_WORDS),
        ("big red " * (MOST_WORDS + 1), MOST_WORDS),  # half of them unknown
        ("." * (MOST_CHARACTERS - 4) + " red red", 1),
        ("𝔸" * (MOST_CHARACTERS - 4) + " red red", 1),  # characters, not bytes or UTF-16's halves
        ("red" + "\ud83d" * (MOST_CHARACTERS - 6) + "red red", 2),
        ("red" * MOST_CHARACTERS + " red", 0),
        ("red " * 15_000, MOST_WORDS),
    ],
)
def test_very_long_captions_are_cut_and_told_of_once(caption, num_words, caplog):
    tokenizer = Tokenizer(Vocabulary(["red"]))
    assert ids_in_graph(tokenizer, caption) == [1] * num_words
    if num_words:
        for _ in range(2):
            assert tokenizer.encode(caption) == [1] * num_words
    messages = [record.getMessage() for record in caplog.records]
    told = [message for message in messages if "first 256 known words within the" in message]
    assert len(told) == bool(num_words)


def test_a_caption_of_256_words_is_not_cut(caplog):
    tokenizer = Tokenizer(Vocabulary(["red"]))
    caption = "red " * MOST_WORDS
    assert ids_in_graph(tokenizer, caption) == tokenizer.encode(caption) == [1] * MOST_WORDS
    assert not caplog.records


def test_training_reads_all_words():
    tokenizer = Tokenizer(Vocabulary(["red"]))
    assert tokenizer.in_graph(tf.constant(["red " * 15_000])).row_lengths() == 15_000
