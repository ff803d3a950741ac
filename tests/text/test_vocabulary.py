import hashlib

import pytest

from dmgan_tf.convert.caption_pickle import read_vocabulary
from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary, check_same_vocabulary


def test_ids_count_from_one_after_the_padding():
    vocabulary = Vocabulary(["red", "apple"])
    assert vocabulary.words == ("<pad>", "red", "apple")
    assert len(vocabulary) == 3
    assert [vocabulary.id_of(word) for word in ("red", "apple", "pear")] == [1, 2, None]


def test_from_captions_orders_by_count_then_name():
    captions = ["a red Apple", "a red pear", "a bird"]
    assert Vocabulary.from_captions(captions).words[1:] == ("a", "red", "apple", "bird", "pear")
    assert Vocabulary.from_captions(captions, min_count=2).words[1:] == ("a", "red")
    with pytest.raises(InputError, match="4 time"):
        Vocabulary.from_captions(captions, min_count=4)


def test_file_round_trip_and_hash(tmp_path):
    vocabulary = Vocabulary(["größe", "नीला", "<end>"])
    path = tmp_path / "vocabulary.txt"
    vocabulary.save(path)
    assert path.read_text(encoding="utf-8") == "<pad>\ngröße\nनीला\n<end>\n"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == vocabulary.sha256
    assert Vocabulary.load(path) == vocabulary


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_file_that_an_editor_saved(tmp_path, mark, line_end):
    vocabulary = Vocabulary(["größe", "red"])
    path = tmp_path / "vocabulary.txt"
    lines = [word.encode() + line_end for word in vocabulary.words]
    path.write_bytes(mark + b"".join(lines))
    for read in (Vocabulary.load, read_vocabulary):
        assert read(path).words == vocabulary.words and read(path).sha256 == vocabulary.sha256


@pytest.mark.parametrize(
    "content, message",
    [
        ("red\napple\n", "<pad>"),
        ("<pad>\nred\nblue\nred\n", "ids 1 and 3"),
        ("<pad>\nred\n\nblue\n", "id 2"),
        ("<pad>\n", "no words"),
    ],
)
def test_load_refuses_what_is_no_vocabulary(tmp_path, content, message):
    path = tmp_path / "vocabulary.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        Vocabulary.load(path)


def test_half_a_pair_of_code_units_is_no_word():
    with pytest.raises(InputError, match="id 2 to be Unicode text"):
        Vocabulary(["red", "\ud83d"])


def test_load_of_no_file_and_of_no_text(tmp_path):
    with pytest.raises(InputError, match="no file"):
        Vocabulary.load(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="binary.txt"):
        Vocabulary.load(tmp_path / "binary.txt")


def test_check_same_vocabulary_names_both_and_the_first_difference():
    ours, theirs = Vocabulary(["red", "apple"]), Vocabulary(["red", "pear", "tree"])
    check_same_vocabulary(ours, "a", Vocabulary(["red", "apple"]), "b")
    with pytest.raises(InputError) as caught:
        check_same_vocabulary(ours, "the data", theirs, "the encoder")
    message = str(caught.value)
    for part in ("the data (2 words", "the encoder (3 words", "id 2: 'apple' against 'pear'"):
        assert part in message
    assert ours.sha256[:8] in message and theirs.sha256[:8] in message
    with pytest.raises(InputError, match="id 3: nothing against 'tree'"):
        check_same_vocabulary(Vocabulary(["red", "pear"]), "a", theirs, "b")


def test_words_of_captions_come_after_its_own():
    vocabulary = Vocabulary(["red", "bird"])
    extended = vocabulary.extended(["A red fish.", "a blue fish and a crab"], min_count=1)
    assert extended.words == ("<pad>", "red", "bird", "a", "fish", "and", "blue", "crab")
    assert extended.extends(vocabulary) and not vocabulary.extends(extended)
    assert vocabulary.extended(["a fish", "a"], min_count=2).words[3:] == ("a",)
    assert vocabulary.extended(["red"]) == vocabulary


def test_two_spellings_of_a_new_word_are_one():
    extended = Vocabulary(["red"]).extended(["caf\u00e9", "cafe\u0301"])
    assert extended.words[2:] == ("caf\u00e9",)
