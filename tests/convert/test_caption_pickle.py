import pickle
import random

import pytest

from dmgan_tf.convert.caption_pickle import read_vocabulary, write_vocabulary
from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary

WORDS = {0: "<end>", 1: "red", 2: "bird", 3: "bl\u00e5"}
IDS = {word: index for index, word in WORDS.items()}
# [[[1, 300]], [[2]], {0: u'<end>', 1: u'red', 2: u'bird'}, {...}] by Python 2.7's cPickle
PYTHON2 = (
    b"\x80\x02]q\x01(]q\x02]q\x03(K\x01M,\x01ea]q\x04]q\x05K\x02aa}q\x06(K\x00X\x05\x00\x00\x00<end>"
    b"q\x07K\x01X\x03\x00\x00\x00redq\x08K\x02X\x04\x00\x00\x00birdq\tu}q\n(h\x07K\x00h\tK\x02h\x08"
    b"K\x01ue."
)


def write(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def test_a_file_of_python_2(tmp_path):
    path = tmp_path / "captions.pickle"
    path.write_bytes(PYTHON2)
    assert read_vocabulary(path) == Vocabulary(["red", "bird"])


@pytest.mark.parametrize("protocol", range(6))
def test_every_word_keeps_its_id(tmp_path, protocol):
    shuffled = {index: WORDS[index] for index in (2, 0, 3, 1)}
    path = write(tmp_path / "captions.pickle", [[[1, 2]], [[3]], shuffled, IDS], protocol)
    vocabulary = read_vocabulary(path)
    assert vocabulary.words == ("<pad>", "red", "bird", "bl\u00e5")


def test_our_own_file(tmp_path):
    vocabulary = Vocabulary(["red", "bird"])
    vocabulary.save(tmp_path / "vocabulary.txt")
    assert read_vocabulary(tmp_path / "vocabulary.txt") == vocabulary


def test_what_is_written_is_read_by_both(tmp_path):
    path = tmp_path / "captions.pickle"
    vocabulary = Vocabulary(["red", "bird", "bl\u00e5"])
    write_vocabulary(path, vocabulary)
    assert read_vocabulary(path) == vocabulary
    assert path.read_bytes().startswith(b"\x80\x02")
    assert pickle.loads(path.read_bytes()) == [[], [], WORDS, IDS]


def test_the_end_word_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="without the word <end>, .* with id 2"):
        write_vocabulary(tmp_path / "captions.pickle", Vocabulary(["red", "<end>"]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content, problem",
    [
        (5, "a pickle of int"),
        ([1, 2, 3], "a pickle of list of length 3"),
        ([[], [], WORDS], "a pickle of list of length 3"),
        ("abcd", "a pickle of str of length 4"),
        (
            [[], [], list(WORDS.values()), IDS],
            "list of length 4 and dict of length 4 in the third and fourth place",
        ),
        ([[], [], WORDS, None], "and NoneType in the third"),
        ([[], [], {}, {}], "as the word with id 0 .* no words"),
        ([[], [], {0: "red", 1: "bird"}, {}], "Expected <end> as the word with id 0 .* 'red'"),
        ([[], [], {0: "<end>", 2: "red"}, IDS], "ids 0 to 1. Received: no word with id 1"),
        ([[], [], {0: "<end>", "1": "red"}, IDS], "no word with id 1"),
        ([[], [], {0: "<end>", 1: 7}, IDS], "no word with id 1"),
        ([[], [], {1: "<end>", 2: "red"}, IDS], "no word with id 0"),
        ([[], [], WORDS, {**IDS, "red": 2}], "'red' has id 1 in the one, and not in the other"),
        ([[], [], WORDS, {**IDS, "red": True}], "'red' has id 1 in the one"),
        ([[], [], WORDS, {"<end>": 0}], "'red' has id 1 in the one"),
        ([[], [], WORDS, {**IDS, "fish": 4}], "4 ids and 5 words"),
        ([[], [], {0: "<end>"}, {"<end>": 0}], "In .*captions.pickle: .* no words"),
        ([[], [], {0: "<end>", 1: "a\nb"}, {"<end>": 0, "a\nb": 1}], "text on one line"),
        ([[], [], {0: "<end>", 1: "a", 2: "a"}, {"<end>": 0, "a": 2}], "'a' has id 1"),
        ([print], "asks for 'builtins.print'|asks for '__builtin__.print'"),
    ],
)
def test_other_contents_are_named(tmp_path, content, problem):
    path = write(tmp_path / "captions.pickle", content)
    with pytest.raises(InputError, match=problem) as caught:
        read_vocabulary(path)
    assert "captions.pickle" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"", "an empty file"),
        (b"<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"red\nbird\n", "begins with b'red.*nbird"),
        (b"PK\x03\x04", "begins with b'PK"),
        (b"<pad>\nred\nred\n", "ids 1 and 2"),
        (b"(dp0\n", "damaged or truncated"),
        (b"cos\nsystem\n(S'ls'\ntR.", "asks for 'os.system'"),
    ],
)
def test_other_files_are_named(tmp_path, data, problem):
    path = tmp_path / "captions.pickle"
    path.write_bytes(data)
    with pytest.raises(InputError, match=problem) as caught:
        read_vocabulary(path)
    assert "captions.pickle" in str(caught.value) and "\n" not in str(caught.value)


def test_no_file_and_a_directory(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_vocabulary(tmp_path / "none.pickle")
    with pytest.raises(InputError, match="a directory"):
        read_vocabulary(tmp_path)


def test_a_file_cut_off_or_changed(tmp_path):
    path = tmp_path / "captions.pickle"
    for length in range(len(PYTHON2)):
        path.write_bytes(PYTHON2[:length])
        with pytest.raises(InputError, match="captions.pickle"):
            read_vocabulary(path)
    chance = random.Random(0)
    refused = 0
    for _ in range(200):
        data = bytearray(PYTHON2)
        data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            assert len(read_vocabulary(path)) == 3
        except InputError:
            refused += 1
    assert 10 < refused < 200
