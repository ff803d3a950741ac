"""`train --init`: training goes on from a model's networks."""

import dataclasses
import shutil

import numpy as np
import pytest
from tiny_training import CONFIG, make_dmgan, values_of

from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.starting_point import start_from


def assert_equal_weights(mine, theirs):
    pairs = zip(values_of(mine.weights), values_of(theirs.weights), strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_generator_average_and_discriminators_are_taken_over(finished_run):
    model, dmgan = load_model_directory(finished_run), make_dmgan()
    start_from(dmgan, finished_run, model.vocabulary)
    assert_equal_weights(dmgan.generator, model.generator)
    assert_equal_weights(dmgan.average_generator, model.generator)
    for mine, theirs in zip(dmgan.discriminators, model.discriminators, strict=True):
        assert_equal_weights(mine, theirs)


def test_a_run_starts_there(finished_run, prepared_data, damsm_directory, tmp_path):
    still = dataclasses.replace(CONFIG, epochs=1, generator_learning_rate=1e-9)
    train_dmgan(still, prepared_data, damsm_directory, tmp_path / "run", init=finished_run)
    after, before = load_model_directory(tmp_path / "run"), load_model_directory(finished_run)
    # All but the statistics of batch normalisation, which a learning rate does not hold still.
    pairs = zip(after.generator.trainable_weights, before.generator.trainable_weights, strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_a_run_that_goes_on_needs_it_no_more(
    finished_run, prepared_data, damsm_directory, tmp_path
):
    shutil.copytree(finished_run, tmp_path / "start")
    config = dataclasses.replace(CONFIG, epochs=1)
    arguments = (config, prepared_data, damsm_directory, tmp_path / "run")
    result = train_dmgan(*arguments, init=tmp_path / "start")
    recorded = load_model_directory(result.model).extra["started_from"]
    assert recorded == str(tmp_path / "start")
    shutil.rmtree(tmp_path / "start")
    train_dmgan(*arguments, init=tmp_path / "start", resume=True)
    arguments = (config, prepared_data, damsm_directory, tmp_path / "another")
    with pytest.raises(InputError, match="start. Received: nothing there"):
        train_dmgan(*arguments, init=tmp_path / "start")


def test_networks_of_other_sizes_are_refused(finished_run):
    vocabulary = load_model_directory(finished_run).vocabulary
    with pytest.raises(InputError, match=r"num_residual_blocks=1 \(here 2\)"):
        start_from(make_dmgan(num_residual_blocks=2), finished_run, vocabulary)


def test_a_generator_grows_by_copies_of_its_last_stage(finished_run):
    model = load_model_directory(finished_run)
    num_stages = model.generator.num_stages
    dmgan = make_dmgan(num_stages=num_stages + 2)
    start_from(dmgan, finished_run, model.vocabulary)
    for mine in (dmgan.generator, dmgan.average_generator):
        assert_equal_weights(mine.initial_stage, model.generator.initial_stage)
        for name in ("refinement_stages", "to_images"):
            given = getattr(model.generator, name)
            grown = [*given, given[-1], given[-1]]
            for part, source in zip(getattr(mine, name), grown, strict=True):
                assert_equal_weights(part, source)
    for mine, theirs in zip(dmgan.discriminators, model.discriminators, strict=False):
        assert_equal_weights(mine, theirs)


def test_of_a_longer_generator_the_first_stages_are_taken(finished_run):
    model = load_model_directory(finished_run)
    dmgan = make_dmgan(num_stages=1)
    start_from(dmgan, finished_run, model.vocabulary)
    assert model.generator.num_stages > 1
    assert_equal_weights(dmgan.generator.initial_stage, model.generator.initial_stage)
    assert_equal_weights(dmgan.generator.to_images[0], model.generator.to_images[0])
    assert_equal_weights(dmgan.discriminators[0], model.discriminators[0])


def test_a_model_without_generator_is_refused(damsm_directory):
    vocabulary = load_model_directory(damsm_directory).vocabulary
    with pytest.raises(InputError, match="Expected a model with a generator at --init"):
        start_from(make_dmgan(), damsm_directory, vocabulary)


def test_a_generator_that_knows_other_words_is_refused(finished_run):
    with pytest.raises(InputError, match="first differ at id 1"):
        start_from(make_dmgan(), finished_run, Vocabulary(["zebra", "yak"]))
