import tensorflow as tf
from hypothesis import given, settings, strategies
from many_scripts import OLD_CHARACTERS, respelled, texts

from dmgan_tf.text.spelling import Decomposition, decomposed


def test_english_needs_none():
    assert not Decomposition(["red", "apple", "snake_case", "<end>"]).is_needed
    assert Decomposition(["café"]).is_needed
    assert Decomposition(["q\u0323\u0307"]).is_needed  # its marks may come in another order


def test_every_character_in_every_spelling():
    words = [f"a{character}" for character in OLD_CHARACTERS]
    decomposition = Decomposition(words)
    for form in ("NFC", "stepwise"):
        spelled = decomposition(tf.constant([respelled(word, form) for word in words]))
        assert [word.decode() for word in spelled.numpy()] == list(map(decomposed, words))


@settings(max_examples=40, deadline=None)
@given(strategies.lists(texts, min_size=1, max_size=9))
def test_texts_of_many_scripts(words):
    words = [word.encode("utf-8", "replace").decode() for word in words]
    spelled = Decomposition(words)(tf.constant(words)).numpy()
    assert [word.decode() for word in spelled] == list(map(decomposed, words))


def test_other_words_never_become_known_ones():
    words = ["café", "é", "a\u0323"]
    others = ["cafè", "cafe", "\u0301e", "e\u0301\u0327", "caf\u00e9\u0301", "", "\u1ea1\u0316"]
    spelled = {word.decode() for word in Decomposition(words)(tf.constant(others)).numpy()}
    assert not spelled & set(map(decomposed, words))
