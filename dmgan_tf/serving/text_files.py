r"""The tokenizer of an export as files for readers in other programming languages.

`vocabulary.txt`, UTF-8: one word per line; the first line, id 0, is the padding. And
`tokenizer.json`:

    word_pattern        the regular expression of a word, ECMAScript with the flag u
    lower_case          each word is lowercased separately (a Greek sigma at its end is final)
    normalization       "NFC" or null: applied to a lowercased word before the look-up
    padding_id          0
    caption_length      ids per caption; a shorter one is padded on the right
    most_characters     code points of a caption that are read
    most_words          known words that the commands of this package read of a caption

Words that the vocabulary lacks are dropped. A caption with more known words than `caption_length`
is an error.
"""

from dmgan_tf.text.tokenizer import MOST_CHARACTERS, MOST_WORDS
from dmgan_tf.text.vocabulary import Vocabulary

VOCABULARY = "vocabulary.txt"
TOKENIZER = "tokenizer.json"


def tokenizer_settings(vocabulary: Vocabulary, caption_length: int | None) -> dict:
    """Returns the content of `tokenizer.json`.

    Args:
        vocabulary: The words.
        caption_length: Words of a caption in the model, `None` for any number.
    """
    return {
        "word_pattern": vocabulary.rule.ecmascript,
        "lower_case": True,
        "normalization": "NFC" if vocabulary.is_any_spelling_known else None,
        "padding_id": 0,
        "caption_length": caption_length,
        "most_characters": MOST_CHARACTERS,
        "most_words": MOST_WORDS,
    }
