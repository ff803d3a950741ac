"""`train --init`: training goes on from a model's networks."""

import dataclasses
import shutil
import types

import numpy as np
import pytest
from tiny_training import COLOR_IDS, CONFIG, make_encoders, save_damsm, values_of

from dmgan_tf.errors import InputError
from dmgan_tf.models.building import build_discriminators, build_generator
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.model_directory import load_model_directory, save_model_directory
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.starting_point import start_damsm_from, start_from


class OtherDiscriminator(Discriminator):
    """A class of somebody else."""


def make_networks(**settings):
    """What a `DMGAN` has of networks, with sizes of `finished_run` but for the settings."""
    config = dataclasses.replace(CONFIG, **settings)
    return types.SimpleNamespace(
        generator=build_generator(config, word_dim=8),
        average_generator=build_generator(config, word_dim=8),
        discriminators=build_discriminators(config, word_dim=8),
    )


@pytest.fixture(scope="module")
def model(finished_run):
    """The model that training starts from, as it is loaded."""
    return load_model_directory(finished_run)


def assert_equal_weights(mine, theirs):
    pairs = zip(values_of(mine.weights), values_of(theirs.weights), strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_generator_average_and_discriminators_are_taken_over(finished_run, model):
    networks = make_networks()
    start_from(networks, finished_run, model.vocabulary)
    assert_equal_weights(networks.generator, model.generator)
    assert_equal_weights(networks.average_generator, model.generator)
    for mine, theirs in zip(networks.discriminators, model.discriminators, strict=True):
        assert_equal_weights(mine, theirs)


@pytest.mark.usefixtures("traced_once")
def test_a_run_starts_there_and_needs_it_no_more_when_it_goes_on(
    finished_run, model, prepared_data, damsm_directory, tmp_path
):
    start = shutil.copytree(finished_run, tmp_path / "start")
    still = dataclasses.replace(CONFIG, epochs=1, generator_learning_rate=1e-9)
    arguments = (still, prepared_data, damsm_directory, tmp_path / "run")
    after = load_model_directory(train_dmgan(*arguments, init=start).model)
    assert after.extra["started_from"] == str(start)
    # All but the statistics of batch normalisation, which a learning rate does not hold still.
    pairs = zip(after.generator.trainable_weights, model.generator.trainable_weights, strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    shutil.rmtree(start)
    train_dmgan(*arguments, init=start, resume=True)
    arguments = (still, prepared_data, damsm_directory, tmp_path / "another")
    with pytest.raises(InputError, match="start. Received: nothing there"):
        train_dmgan(*arguments, init=start)


def test_networks_of_other_sizes_are_refused(finished_run, model):
    with pytest.raises(InputError, match=r"num_residual_blocks=1 \(here 2\)"):
        start_from(make_networks(num_residual_blocks=2), finished_run, model.vocabulary)


def test_a_generator_grows_by_copies_of_its_last_stage(finished_run, model):
    networks = make_networks(num_stages=model.generator.num_stages + 2)
    start_from(networks, finished_run, model.vocabulary)
    for mine in (networks.generator, networks.average_generator):
        assert_equal_weights(mine.initial_stage, model.generator.initial_stage)
        for name in ("refinement_stages", "to_images"):
            given = getattr(model.generator, name)
            grown = [*given, given[-1], given[-1]]
            for part, source in zip(getattr(mine, name), grown, strict=True):
                assert_equal_weights(part, source)
    for mine, theirs in zip(networks.discriminators, model.discriminators, strict=False):
        assert_equal_weights(mine, theirs)


def test_of_a_longer_generator_the_first_stages_are_taken(finished_run, model):
    networks = make_networks(num_stages=1)
    start_from(networks, finished_run, model.vocabulary)
    assert model.generator.num_stages > 1
    assert_equal_weights(networks.generator.initial_stage, model.generator.initial_stage)
    assert_equal_weights(networks.generator.to_images[0], model.generator.to_images[0])
    assert_equal_weights(networks.discriminators[0], model.discriminators[0])


def test_a_model_without_generator_is_refused(damsm_directory, model):
    with pytest.raises(InputError, match="Expected a model with a generator at --init"):
        start_from(None, damsm_directory, model.vocabulary)


def test_a_generator_that_knows_other_words_is_refused(finished_run):
    with pytest.raises(InputError, match="first differ at id 1"):
        start_from(None, finished_run, Vocabulary(["zebra", "yak"]))


def test_a_discriminator_of_another_class_begins_anew(finished_run, model, caplog):
    networks = make_networks()
    networks.discriminators[0] = OtherDiscriminator(16, 4, 8)
    networks.discriminators[0].build()
    before = values_of(networks.discriminators[0].weights)
    with caplog.at_level("INFO"):
        start_from(networks, finished_run, model.vocabulary)
    assert "and 1 of 2 discriminators" in caplog.text
    for value, mine in zip(before, values_of(networks.discriminators[0].weights), strict=True):
        np.testing.assert_array_equal(value, mine)
    assert_equal_weights(networks.discriminators[1], model.discriminators[1])


def test_a_generator_goes_on_with_words_beside_its_own(finished_run, model):
    networks = make_networks()
    start_from(networks, finished_run, model.vocabulary.extended(["a zebra"]))
    assert_equal_weights(networks.generator, model.generator)


def make_longer_damsm(vocabulary, **options):
    encoders = make_encoders(vocabulary, **options)
    return types.SimpleNamespace(
        text_encoder=encoders.text_encoder, image_encoder=encoders.image_encoder
    )


def test_a_damsm_goes_on_from_encoders_and_keeps_vectors_for_new_words(finished_run, model):
    vocabulary = model.vocabulary.extended(["a zebra and a yak"])
    damsm = make_longer_damsm(vocabulary)
    for weight in damsm.text_encoder.weights:
        weight.assign(weight + 1.0)
    before = values_of(damsm.text_encoder.embedding.weights)[0]
    start_damsm_from(damsm, finished_run, vocabulary)
    assert_equal_weights(damsm.image_encoder, model.image_encoder)
    assert_equal_weights(damsm.text_encoder.recurrence, model.text_encoder.recurrence)
    (mine,), (theirs,) = (
        values_of(encoder.embedding.weights) for encoder in (damsm.text_encoder, model.text_encoder)
    )
    known = len(model.vocabulary)
    assert len(mine) == known + 3
    np.testing.assert_array_equal(mine[:known], theirs)
    np.testing.assert_array_equal(mine[known:], before[known:])


@pytest.mark.parametrize("given", [0, 7])
def test_what_predicts_known_words_is_taken_over(model, tmp_path, given):
    save_damsm(tmp_path / "start", model.vocabulary, num_predicted_words=given)
    theirs = load_model_directory(tmp_path / "start").image_encoder
    damsm = make_longer_damsm(model.vocabulary, num_predicted_words=9)
    for weight in damsm.image_encoder.weights:
        weight.assign(weight + 1.0)
    before = values_of(damsm.image_encoder.word_prediction.weights)
    start_damsm_from(damsm, tmp_path / "start", model.vocabulary)
    assert_equal_weights(damsm.image_encoder.backbone, theirs.backbone)
    known = values_of(theirs.word_prediction.weights) if given else before
    after = values_of(damsm.image_encoder.word_prediction.weights)
    for mine, old, start in zip(after, before, known, strict=True):
        np.testing.assert_array_equal(mine[..., :given], start[..., :given])
        np.testing.assert_array_equal(mine[..., given:], old[..., given:])


def test_a_reader_of_words_is_taken_over_or_begins_anew(model, tmp_path):
    options = {"num_predicted_words": 7, "color_ids": COLOR_IDS}
    for name, given in (("with", options), ("without", {"num_predicted_words": 7})):
        save_damsm(tmp_path / name, model.vocabulary, **given)
        damsm = make_longer_damsm(model.vocabulary, **options)
        for weight in damsm.image_encoder.weights:
            weight.assign(weight + 1.0)
        before = values_of(damsm.image_encoder.word_reader.weights)
        start_damsm_from(damsm, tmp_path / name, model.vocabulary)
        expected = before
        if name == "with":
            loaded = load_model_directory(tmp_path / name).image_encoder
            expected = values_of(loaded.word_reader.weights)
        after = values_of(damsm.image_encoder.word_reader.weights)
        for mine, theirs in zip(after, expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_damsm_of_other_words_or_sizes_is_refused(finished_run, damsm_directory, model):
    other = make_longer_damsm(Vocabulary(["zebra", "yak"]))
    with pytest.raises(InputError, match="first differ at id 1"):
        start_damsm_from(other, finished_run, Vocabulary(["zebra", "yak"]))
    damsm = make_longer_damsm(model.vocabulary)
    damsm.text_encoder = TextEncoder(len(model.vocabulary), word_dim=8, embedding_dim=4)
    damsm.text_encoder.build()
    with pytest.raises(InputError, match=r"embedding_dim=6 \(here 4\)"):
        start_damsm_from(damsm, finished_run, model.vocabulary)


def test_new_words_of_a_table_of_vectors_are_accepted(model, tmp_path):
    def text_encoder(size):
        vectors = {"class": "word_vectors", "vector_dim": 3, "num_trained": 2}
        encoder = TextEncoder(size, word_dim=8, embedding_dim=6, word_embedding=vectors)
        encoder.build()
        return encoder

    damsm = make_longer_damsm(model.vocabulary)
    start = {"text_encoder": text_encoder(len(model.vocabulary))}
    start["image_encoder"] = damsm.image_encoder
    save_model_directory(tmp_path, vocabulary=model.vocabulary, **start)
    longer = Vocabulary([*model.vocabulary.words[1:], "zebra", "yak"])
    damsm.text_encoder = text_encoder(len(longer))
    start_damsm_from(damsm, tmp_path, longer)
    assert_equal_weights(damsm.text_encoder.recurrence, start["text_encoder"].recurrence)


def test_word_vectors_are_not_mixed_with_learned_embeddings(finished_run, model, tmp_path):
    size = len(model.vocabulary)
    vectors = {"class": "word_vectors", "vector_dim": 3, "num_trained": size - 1}
    damsm = make_longer_damsm(model.vocabulary)
    learned = damsm.text_encoder
    damsm.text_encoder = TextEncoder(size, word_dim=8, embedding_dim=6, word_embedding=vectors)
    damsm.text_encoder.build()
    with pytest.raises(InputError, match=r"word_embedding=default \(here {'class': 'word_vectors'"):
        start_damsm_from(damsm, finished_run, model.vocabulary)
    start = {"text_encoder": damsm.text_encoder, "image_encoder": damsm.image_encoder}
    save_model_directory(tmp_path, vocabulary=model.vocabulary, **start)
    damsm.text_encoder = learned
    with pytest.raises(InputError, match=r"word_embedding={'class'.* \(here default\)"):
        start_damsm_from(damsm, tmp_path, model.vocabulary)


def test_a_model_without_an_encoder_is_refused(model, tmp_path):
    save_damsm(tmp_path / "text", model.vocabulary, with_image_encoder=False)
    with pytest.raises(InputError, match="Received: one without image encoder"):
        start_damsm_from(None, tmp_path / "text", model.vocabulary)
