import pickle
import re

import pytest
from miniature_trees import write_captions_pickle, write_pickle

from dmgan_tf.data import vocabulary_check
from dmgan_tf.data.sources.image_folder import CaptionedImage
from dmgan_tf.data.sources.release_metadata import PublishedSource
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary


def images_of(split, count=150, text="a red bird {0}"):
    return [
        CaptionedImage(None, f"{split}{number}.jpg", (text.format(number), "it flies"), number)
        for number in range(count)
    ]


@pytest.fixture
def source():
    splits = {"train": images_of("train"), "test": images_of("test", 50)}
    return PublishedSource(splits, None, True, "birds", {})


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
    vocabulary_check.check_captions_pickle(path, source, vocabulary)
    held = pickle.loads(path.read_bytes(), encoding="utf-8")[0]
    tokenizer = Tokenizer(vocabulary)
    ours = [tokenizer.encode(text) for image in source.splits["train"] for text in image.captions]
    assert ours == held


def test_captions_pickle_of_another_data_set(source, captions_pickle):
    path, vocabulary = captions_pickle
    fewer = source._replace(splits={**source.splits, "test": source.splits["test"][:-1]})
    with pytest.raises(InputError, match="captions.pickle.* 100 .* for test, where birds gives 98"):
        vocabulary_check.check_captions_pickle(path, fewer, vocabulary)
    other = {**source.splits, "train": source.splits["train"][::-1]}
    with pytest.raises(InputError, match="in 150 of 300 captions, the first that of train149.jpg"):
        vocabulary_check.check_captions_pickle(path, source._replace(splits=other), vocabulary)


def test_a_few_edited_captions_are_a_warning(source, captions_pickle, caplog):
    path, vocabulary = captions_pickle
    source.splits["train"][7] = source.splits["train"][8]
    vocabulary_check.check_captions_pickle(path, source, vocabulary)
    (message,) = caplog.messages
    assert re.search("captions.pickle has other words in 1 of 300 captions.*train8.jpg", message)


def test_captions_pickle_in_another_order_must_know_the_words(source, captions_pickle):
    path, vocabulary = captions_pickle
    shuffled = source._replace(
        splits={**source.splits, "train": source.splits["train"][::-1]}, in_release_order=False
    )
    vocabulary_check.check_captions_pickle(path, shuffled, vocabulary)
    other = {"train": images_of("train", text="un oiseau rouge {0}"), "test": []}
    with pytest.raises(InputError, match="captions.pickle.* 50% of the .*'(un|oiseau|rouge)'"):
        vocabulary_check.check_captions_pickle(path, shuffled._replace(splits=other), vocabulary)


def test_captions_pickle_without_captions_must_know_the_words(source, captions_pickle):
    path, vocabulary = captions_pickle
    words = pickle.loads(path.read_bytes(), encoding="utf-8")[2:]
    write_pickle(path, [[], [], *words], 2)
    vocabulary_check.check_captions_pickle(path, source, vocabulary)
    with pytest.raises(InputError, match="very data set.* of the captions' words are not in it"):
        vocabulary_check.check_captions_pickle(path, source, Vocabulary(["zebra"]))


@pytest.mark.parametrize("in_release_order", [False, True])
def test_the_advice_of_a_captions_pickle_that_was_given(source, captions_pickle, in_release_order):
    path, vocabulary = captions_pickle
    other = {split: images_of(split, 9, "un oiseau {0}") for split in source.splits}
    other = source._replace(splits=other, in_release_order=in_release_order)
    messages = []
    for given in (False, True):
        with pytest.raises(InputError) as caught:
            vocabulary_check.check_captions_pickle(path, other, vocabulary, given=given)
        messages.append(str(caught.value))
    assert "move it away" in messages[0] and "give --vocabulary=FILE of an encoder" in messages[0]
    assert "give --vocabulary" not in messages[1] and "move it away" not in messages[1]
    assert messages[1].endswith("of an encoder; or leave the flag out.")


def test_a_vocabulary_of_other_words_is_a_warning(source, captions_pickle, caplog):
    path, vocabulary = captions_pickle
    vocabulary_check.warn_of_unknown_words(path, source.splits, vocabulary)
    assert not caplog.messages
    few = Vocabulary(["a", "red", "bird", "it"])  # of six words, "flies" and a name are unknown
    vocabulary_check.warn_of_unknown_words("vocabulary.txt", source.splits, few)
    (message,) = caplog.messages
    assert re.search("vocabulary.txt may be .* another data set: 33% of .* as 'flies'", message)
