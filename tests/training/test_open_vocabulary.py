"""A DAMSM with word vectors, and what is trained, drawn and judged with it."""

import dataclasses
import json
import logging

import numpy as np
import pytest
from tiny_training import CONFIG, PRETRAINING

from dmgan_tf import DMGANTextToImage
from dmgan_tf.convert.release import read_text_encoder, write_release
from dmgan_tf.data.pipeline import check_tokenizer
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory, save_model_directory
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary, check_words_known
from dmgan_tf.text.word_vectors import open_vocabulary
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.dmgan_run import train_dmgan

TABLE = ["the", "a", "red", "crimson", "green", "blue", "disc", "circle"]  # no "square", no "is"


def write_table(path, words=TABLE, seed=0):
    vectors = np.random.RandomState(seed).normal(size=(len(words), 3))
    lines = [f"{w} {' '.join(map(str, v))}\n" for w, v in zip(words, vectors, strict=True)]
    path.write_text("".join(lines))
    return str(path)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    table = write_table(tmp_path_factory.mktemp("table") / "vectors.txt")
    return dataclasses.replace(PRETRAINING, epochs=1, word_vectors=table)


@pytest.fixture(scope="module")
def damsm_run(config, prepared_data, tmp_path_factory):
    run = tmp_path_factory.mktemp("open") / "run"
    pretrain_damsm(config, prepared_data, run)
    return run


def test_the_model_knows_the_words_of_the_table(damsm_run, prepared_data, config):
    known = load_dataset_info(prepared_data).vocabulary().words[1:]
    model = load_model_directory(damsm_run)
    assert model.vocabulary.words[1:] == (*known, "crimson", "circle")
    assert model.vocabulary.trained_words == known
    embedding = model.text_encoder.embedding
    assert embedding.learned.shape == (len(known) + 1, 6) and np.any(embedding.learned)
    vocabulary = load_dataset_info(prepared_data).vocabulary()
    table = open_vocabulary(vocabulary, config.word_vectors).centred()
    np.testing.assert_array_equal(embedding.vectors, table.vectors)
    assert np.any(table.vectors[[model.vocabulary.id_of(w) for w in ("red", "crimson")]])
    assert not np.any(embedding.vectors[model.vocabulary.id_of("square")])
    assert "## Word vectors" in model.readme and "`vectors.txt`" in model.readme
    assert "--word_vectors=VECTORS" in model.readme  # no place on somebody's machine


@pytest.mark.slow
def test_a_generator_trained_with_it_draws_new_words(
    damsm_run, prepared_data, tmp_path, traced_once, caplog
):
    config = dataclasses.replace(CONFIG, epochs=1)
    result = train_dmgan(config, prepared_data, damsm_run, tmp_path / "run")
    model = DMGANTextToImage.from_preset(result.model)
    assert "Its training captions had" in " ".join(model.readme.split())
    with caplog.at_level(logging.WARNING):
        new, known = model.generate(["a crimson circle", "a red disc"], seed=0)
    assert "nknown" not in caplog.text and np.any(new != known)
    with caplog.at_level(logging.WARNING):
        model.generate(["a crimson pear"], seed=0)
    assert "Unknown words dropped from 'a crimson pear': pear" in caplog.text
    with pytest.raises(InputError, match="a word of the vocabulary"):
        model.generate(["pear"])


def test_the_release_gets_the_whole_table_as_one(damsm_run, tmp_path):
    model = load_model_directory(damsm_run)
    write_release(model, tmp_path)
    released = read_text_encoder(tmp_path / "text_encoder.pth")
    ids = np.array([[model.vocabulary.id_of(word) for word in ("a", "crimson", "square")]])
    expected = model.text_encoder(ids)["sentence_embedding"]
    np.testing.assert_allclose(released(ids)["sentence_embedding"], expected, atol=1e-6)


def test_the_table_is_stored_once_as_it_is(damsm_run, tmp_path):
    model = load_model_directory(damsm_run)
    parts = {"vocabulary": model.vocabulary, "text_encoder": model.text_encoder}
    save_model_directory(tmp_path / "model", **parts, weights_dtype="float16")
    again = load_model_directory(tmp_path / "model")
    assert again.vocabulary.trained_words == model.vocabulary.trained_words
    vectors = [m.text_encoder.embedding.vectors.numpy() for m in (model, again)]
    np.testing.assert_array_equal(*vectors)
    stored = json.loads((tmp_path / "model/config.json").read_text())["tokenizer"]
    assert stored["num_trained_words"] == len(model.vocabulary.trained_words)


def test_data_of_other_words_that_it_knows(damsm_run, prepared_data):
    encoder = load_model_directory(damsm_run).vocabulary
    check_tokenizer(load_dataset_info(prepared_data), Tokenizer(encoder))
    check_words_known(Vocabulary(["crimson", "a"]), "the data", encoder, "the encoder")
    check_words_known(Vocabulary(encoder.words[1:]), "the data", encoder, "the encoder")
    with pytest.raises(
        InputError, match="1 of 2 words that it lacks, such as 'pear'.*--vocabulary"
    ):
        check_words_known(Vocabulary(["crimson", "pear"]), "the data", encoder, "the encoder")
    closed = Vocabulary(encoder.trained_words)
    with pytest.raises(InputError, match="the same vocabulary"):
        check_words_known(Vocabulary(closed.words[:0:-1]), "the data", closed, "the encoder")


def test_a_run_goes_on_with_its_own_table_only(damsm_run, prepared_data, config, tmp_path):
    other = write_table(tmp_path / "vectors.txt", seed=1)
    changed = dataclasses.replace(config, word_vectors=other)
    with pytest.raises(InputError, match="the word vectors that the run was started with"):
        pretrain_damsm(changed, prepared_data, damsm_run, resume=True)


def test_a_table_that_cannot_be_used_leaves_no_run(prepared_data, config, tmp_path):
    other = write_table(tmp_path / "vectors.txt", ["pear"])
    with pytest.raises(InputError, match="Received: none of any of them"):
        changed = dataclasses.replace(config, word_vectors=other)
        pretrain_damsm(changed, prepared_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_that_do_not_go_together():
    with pytest.raises(InputError, match="--word_vectors=FILE or glove"):
        dataclasses.replace(PRETRAINING, word_embedding="word_vectors")
    with pytest.raises(InputError, match="without another --word_embedding"):
        dataclasses.replace(PRETRAINING, word_embedding="a:B", word_vectors="glove")
