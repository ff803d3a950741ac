r"""How captions become ids, in files that a reader in another language can follow.

`vocabulary.txt`, UTF-8: one word a line, the first line, of id 0, being the padding. And
`tokenizer.json`:

    word_pattern        of a word, a regular expression of ECMAScript with the flag u
    lower_case          each word is lowered by itself (a Greek sigma at its end is a final one)
    normalization       "NFC" or null: what is done to a lowered word before it is looked up
    padding_id          0
    caption_length      ids of a caption; a shorter one is padded on the right
    most_characters     code points of a caption that are read
    most_words          known words that the commands of this package read of a caption

Words that the vocabulary lacks are left out. A caption with more known words than `caption_length`
cannot be drawn whole: a reader says so.
"""

from dmgan_tf.text.tokenizer import MOST_CHARACTERS, MOST_WORDS
from dmgan_tf.text.vocabulary import Vocabulary

VOCABULARY = "vocabulary.txt"
TOKENIZER = "tokenizer.json"


def tokenizer_settings(vocabulary: Vocabulary, caption_length: int | None) -> dict:
    """Returns what `tokenizer.json` holds.

    Args:
        vocabulary: The words.
        caption_length: Words of a caption in the model, `None` where any number will do.
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
