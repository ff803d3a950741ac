import pathlib
import pickle
import re

import pytest
from miniature_trees import write_captions_pickle, write_pickle

from dmgan_tf.data.sources.published import PublishedSource
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary


class Birds(PublishedSource):
    """A published source whose images are given."""

    lists = {"train": pathlib.Path("birds/train"), "test": pathlib.Path("birds/test")}

    def __init__(self, train, test, in_release_order=True, vocabulary_file=None):
        self.splits = {"train": train, "test": test}
        self.in_release_order = in_release_order
        self.vocabulary_file = vocabulary_file

    def list_images(self):
        return self.splits

    def fit(self, path, vocabulary):
        return self.fit_vocabulary(self.splits, path, vocabulary)


def images_of(split, count=150, text="a red bird {0}"):
    return [
        CaptionedImage(None, f"{split}{number}.jpg", (text.format(number), "it flies"), number)
        for number in range(count)
    ]


@pytest.fixture
def source():
    return Birds(images_of("train"), images_of("test", 50))


@pytest.fixture
def captions_pickle(source, tmp_path):
    words = {
        split: [text.split() for image in images for text in image.captions]
        for split, images in source.splits.items()
    }
    path = tmp_path / "captions.pickle"
    write_captions_pickle(path, words)
    words = pickle.loads(path.read_bytes(), encoding="utf-8")[2]
    return path, Vocabulary([words[index] for index in range(1, len(words))])


def test_captions_pickle_of_this_data_set(source, captions_pickle):
    path, vocabulary = captions_pickle
    source.fit(path, vocabulary)
    held = pickle.loads(path.read_bytes(), encoding="utf-8")[0]
    tokenizer = Tokenizer(vocabulary)
    ours = [tokenizer.encode(text) for image in source.splits["train"] for text in image.captions]
    assert ours == held


def test_captions_pickle_of_another_data_set(source, captions_pickle):
    path, vocabulary = captions_pickle
    train, test = source.splits["train"], source.splits["test"]
    expected = "captions.pickle.* 100 .* for test, where birds/test gives 98"
    with pytest.raises(InputError, match=expected):
        Birds(train, test[:-1]).fit(path, vocabulary)
    with pytest.raises(InputError, match="in 150 of 300 captions, the first that of train149.jpg"):
        Birds(train[::-1], test).fit(path, vocabulary)


def test_a_few_edited_captions_are_a_warning(source, captions_pickle, caplog):
    path, vocabulary = captions_pickle
    source.splits["train"][7] = source.splits["train"][8]
    source.fit(path, vocabulary)
    (message,) = caplog.messages
    assert re.search("captions.pickle has other words in 1 of 300 captions.*train8.jpg", message)


def test_captions_pickle_in_another_order_must_know_the_words(source, captions_pickle):
    path, vocabulary = captions_pickle
    Birds(source.splits["train"][::-1], source.splits["test"], False).fit(path, vocabulary)
    other = images_of("train", text="un oiseau rouge {0}")
    with pytest.raises(InputError, match="captions.pickle.* 50% of the .*'(un|oiseau|rouge)'"):
        Birds(other, [], False).fit(path, vocabulary)


def test_captions_pickle_without_captions_must_know_the_words(source, captions_pickle):
    path, vocabulary = captions_pickle
    words = pickle.loads(path.read_bytes(), encoding="utf-8")[2:]
    write_pickle(path, [[], [], *words], 2)
    source.fit(path, vocabulary)
    with pytest.raises(InputError, match="this data set.* of the captions' words are not in it"):
        source.fit(path, Vocabulary(["zebra"]))


@pytest.mark.parametrize("in_release_order", [False, True])
def test_the_advice_of_a_captions_pickle_that_was_given(source, captions_pickle, in_release_order):
    path, vocabulary = captions_pickle
    other = (images_of(split, 9, "un oiseau {0}") for split in source.splits)
    other = Birds(*other, in_release_order)
    messages = []
    for found in (path, None):
        other.vocabulary_file = found
        with pytest.raises(InputError) as caught:
            other.fit(path, vocabulary)
        messages.append(str(caught.value))
    assert "move it away" in messages[0] and "give --vocabulary=FILE of an encoder" in messages[0]
    assert "give --vocabulary" not in messages[1] and "move it away" not in messages[1]
    assert messages[1].endswith("of an encoder; or leave the flag out.")


def test_a_vocabulary_of_other_words_is_a_warning(source, captions_pickle, caplog):
    path, vocabulary = captions_pickle
    path = path.with_name("vocabulary.txt")
    for words in (vocabulary, Vocabulary(["a", "red", "bird", "it"])):
        words.save(path)
        assert source.fit(path, words) == source.splits
    (message,) = caplog.messages
    assert re.search("vocabulary.txt may be .* another data set: 33% of .* as 'flies'", message)
