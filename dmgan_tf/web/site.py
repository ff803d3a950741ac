"""A model as a folder of static files: a page that draws in the visitor's browser."""

import pathlib

from dmgan_tf.text import words
from dmgan_tf.text.words import SplittingRule

PAGE = pathlib.Path(__file__).parent / "page"


def rule_record(rule: SplittingRule) -> dict:
    """Returns how captions fall into words, as `tokenizer.js` reads it."""
    ranges = words._RANGES if rule is words.RULE else {}
    classes = {name: [[part[0], part[-1]] for part in parts] for name, parts in ranges.items()}
    return {"word": rule.word.pattern, "classes": classes}
