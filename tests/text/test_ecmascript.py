"""The rule of words in `tokenizer.json`, run by a JavaScript engine."""

import json
import random
import shutil
import subprocess
import sys
import unicodedata

import pytest

from dmgan_tf.text.words import _RANGES, EARLIER_RULE, RULE

# As the documentation of `tokenizer.json` says it, in a few lines.
PROGRAM = """
const {pattern, captions} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const word = new RegExp(pattern, "gu");
const split = caption => Array.from(caption.matchAll(word), match => match[0].toLowerCase());
console.log(JSON.stringify({unicode: process.versions.unicode, words: captions.map(split)}));
"""
CAPTIONS = [
    "A red-faced bird's beak, 1_000 of them!",
    "赤いトマトとコーヒー",
    "ΟΔΟΣ και ὈΔΥΣΣΕΎΣ",
    "İstanbul'da CAFÉ cafe\u0301 \u0301x",
    "हिन्दी में एक लाल चिड़िया",
    "นกสีแดงตัวหนึ่งที่น้ำ",
    "😀 a 🐦‍🔥 bird",
    "",
]


def random_captions():
    """Characters of the rule's classes, and others that Python's version of Unicode knows."""
    chosen = random.Random(0)
    of_classes = [code for parts in _RANGES.values() for part in parts for code in part]
    captions = []
    for _ in range(400):
        codes = chosen.choices(of_classes, k=6) + chosen.choices(range(0x20, 0x3000), k=10)
        chosen.shuffle(codes)
        captions.append("".join(c for c in map(chr, codes) if unicodedata.category(c) != "Cn"))
    return captions


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize("rule", [RULE, EARLIER_RULE])
def test_javascript_splits_as_python_does(rule):
    captions = CAPTIONS + random_captions()
    result = subprocess.run(
        ["node", "-e", PROGRAM],
        input=json.dumps({"pattern": rule.ecmascript, "captions": captions}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer = json.loads(result.stdout)
    for caption, words in zip(captions, answer["words"], strict=True):
        assert words == rule.split(caption), (caption, answer["unicode"], sys.version)
