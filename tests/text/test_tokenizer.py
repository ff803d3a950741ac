import logging
import os
import re
import subprocess
import sys
import unicodedata

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies

from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer, split_words
from dmgan_tf.text.vocabulary import Vocabulary

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
    "",
    "...",
]


def words_in_graph(caption: str, known: list[str]) -> list[str]:
    vocabulary = Vocabulary(known)
    ids = Tokenizer(vocabulary).in_graph(tf.constant([caption])).to_list()[0]
    return [vocabulary.words[index] for index in ids]


@pytest.mark.parametrize(
    "caption, words",
    [
        ("A red-faced bird's beak.", ["a", "red", "faced", "bird", "s", "beak"]),
        ("ΟΔΟΣ", ["οδος"]),
        ("İI", ["i\u0307i"]),
        ("हिन्दी", ["हिन्दी"]),
        ("snake_case 3D ½", ["snake_case", "3d", "½"]),
        (" ,.! ", []),
    ],
)
def test_split_words(caption, words):
    assert split_words(caption) == words


@pytest.mark.parametrize("caption", DIFFICULT_CAPTIONS)
def test_graph_rule_equals_python_rule_on_difficult_captions(caption):
    words = split_words(caption)
    assert words_in_graph(caption, sorted({*words, "filler"})) == words


# Unassigned characters may be assigned, and thus be letters, in the other's version of Unicode.
assigned_text = strategies.text(
    strategies.characters(exclude_categories=["Cs", "Cn"], max_codepoint=0x1FFFF), max_size=40
)


def known_to_both(caption: str) -> bool:
    """Whether RE2's tables agree that these characters are assigned."""
    lowered = caption.lower()
    return bool(tf.strings.regex_full_match(lowered, r"(?s)\P{Cn}*").numpy()) if lowered else True
