import pickle

import numpy as np
import pytest
from miniature_trees import python2_pickle, write_pickle

from dmgan_tf.data.sources import release_metadata
from dmgan_tf.data.sources.published import split_as_released, with_released_words
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError
from dmgan_tf.text.words import split_words


@pytest.mark.parametrize(
    "caption, words",
    [
        ("This bird's beak is RED.", ["this", "bird", "s", "beak", "is", "red"]),
        ("a red\ufffd\ufffdbrown one", ["a", "red", "brown", "one"]),
        ("a caf\xe9au l\xe0it", ["a", "cafau", "lit"]),  # dropped inside of words
        ("\xe9 \u4e2d\u6587 snake_case 2nd", ["snake_case", "2nd"]),
        ("half\xbd x\xb2 \u212aelvin", ["half", "x", "kelvin"]),
        ("a\u0300 b", ["a", "b"]),  # a combining mark is no \w
        (" -- ", []),
    ],
)
def test_words_as_the_release_splits_them(caption, words):
    assert split_as_released(caption) == words
    assert split_words(" ".join(words)) == words


def test_released_words_of_any_character_are_words_of_ours():
    text = "".join(f"x{chr(code)}Y " for code in range(0x3000) if not 0xD800 <= code < 0xE000)
    words = split_as_released(text)
    assert len(words) > 0x3000 and split_words(" ".join(words)) == words


# The beginning of the published birds/train/class_info.pickle, with its second and third class.
PUBLISHED_CLASSES = (
    b"(lp0\ncnumpy.core.multiarray\nscalar\np1\n(cnumpy\ndtype\np2\n(S'i8'\np3\nI0\nI1\ntp4\nRp5\n"
    b"(I3\nS'<'\np6\nNNNI-1\nI-1\nI0\ntp7\nbS'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00'\np8\ntp9\n"
    b"Rp10\nag10\nag1\n(g5\nS'\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00'\np11\ntp12\nRp13\na."
)


def test_class_ids_as_they_are_published(tmp_path):
    (tmp_path / "class_info.pickle").write_bytes(PUBLISHED_CLASSES)
    assert release_metadata.read_class_ids(tmp_path / "class_info.pickle", 3) == [2, 2, 3]


IDS = [0, 34, 39, 127, 128, 200, 255, 256, 0x80C2, 0x20AC, 70_000, 2**31 - 1]


@pytest.mark.parametrize("write", [lambda v: python2_pickle(v, 0), lambda v: python2_pickle(v, 2)])
@pytest.mark.parametrize("kind", [int, np.int64])
def test_class_ids_of_python_2(tmp_path, write, kind):
    path = tmp_path / "class_info.pickle"
    path.write_bytes(write([kind(number) for number in IDS]))
    assert release_metadata.read_class_ids(path, len(IDS)) == IDS


@pytest.mark.parametrize("kind", [int, np.int64, np.uint32])
def test_class_ids_of_python_3(tmp_path, kind):
    path = tmp_path / "class_info.pickle"
    path.write_bytes(pickle.dumps([kind(number) for number in IDS]))
    assert release_metadata.read_class_ids(path, len(IDS)) == IDS


@pytest.mark.parametrize(
    "content, message",
    [
        ([1, 2], "each of the 3 images of .*filenames.pickle.* 2 classes. .* remove"),
        (
            [1, 2, "3"],
            r"a list of class ids.* a list of 3 \(int and str\). .* remove class_info.pickle",
        ),
        ([1, 2, -3], "a list of class ids, one for each"),
        ({1: 2}, "a value of type dict"),
        ([np.float64(1)] * 3, "damaged|asks for"),
        (
            np.arange(3),
            "other than plain numbers, such as an array.* remove class_info.pickle: it is not",
        ),
    ],
)
def test_other_class_ids_are_refused(tmp_path, content, message):
    path = tmp_path / "class_info.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        release_metadata.read_class_ids(path, 3)
    assert "class_info.pickle" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", [0, 2])
def test_file_names_of_python_2(tmp_path, protocol):
    names = ["001.A/B_0001_1", "002.C's/D"]
    write_pickle(tmp_path / "filenames.pickle", names, protocol)
    assert release_metadata.read_file_names(tmp_path / "filenames.pickle") == names


@pytest.mark.parametrize(
    "content, message",
    [
        ([], r"a list of 0 \(nothing\). Get the list again"),
        (["a", 1], r"a list of 2 \(int and str\)"),
        ("a", "of type str"),
        (["../a"], "relative to their folder"),
        (["/a"], "relative to their folder"),
        (["a\0"], r"relative to their folder.*a.x00'. Get the file again"),
    ],
)
def test_other_file_names_are_refused(tmp_path, content, message):
    path = tmp_path / "filenames.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        release_metadata.read_file_names(path)
    assert "filenames.pickle" in str(caught.value)


def test_a_pickle_cut_off_and_none(tmp_path):
    path = tmp_path / "filenames.pickle"
    path.write_bytes(python2_pickle(["a"], 0)[:-3])
    with pytest.raises(InputError, match="filenames.pickle.*damaged or truncated"):
        release_metadata.read_file_names(path)
    with pytest.raises(InputError, match="Cannot read .*none.pickle.* Unpack it again from"):
        release_metadata.read_file_names(tmp_path / "none.pickle")


@pytest.mark.parametrize(
    "content, what",
    [
        (b"<!DOCTYPE html><title>Download anyway?", "a web page, .* in a browser"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS; .*git lfs pull"),
        (b"", "an empty file; get it again"),
    ],
)
def test_what_a_failed_download_left_is_named(tmp_path, content, what):
    path = tmp_path / "filenames.pickle"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"a pickle of .*filenames.pickle. Received: {what}"):
        release_metadata.read_file_names(path)


def test_captions_of_the_same_words_stay_as_they_are():
    captions = ("This bird's RED, it's b\u00efg.", "This bird's RED.", "\xe9")
    image = CaptionedImage(None, "a.jpg", captions, 1)
    (changed,) = with_released_words({"train": [image]})["train"]
    assert changed.captions == ("this bird s red it s bg", "This bird's RED.", "")
    assert (changed.file_name, changed.class_id) == ("a.jpg", 1)


def test_captions_are_the_first_that_have_a_word(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("One.\r\n\n--\n two\ufffd\ufffdx \n\xe9\nfour\n".encode())
    assert release_metadata.read_caption_file(path, 3) == ("One.", "two x", "\xe9")
    assert release_metadata.read_caption_file(path, 4)[3] == "four"
    with pytest.raises(InputError, match="Expected 5 captions in .*a.txt. Received: 4"):
        release_metadata.read_caption_file(path, 5)
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(InputError, match="UTF-8 in .*a.txt"):
        release_metadata.read_caption_file(path, 1)
    with pytest.raises(InputError, match="none.txt. Received: no such file"):
        release_metadata.read_caption_file(tmp_path / "none.txt", 1)
