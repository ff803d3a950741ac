"""A step that is not finite reaches nothing of its network, to the byte; what is not its own moves.

One device and two replicas, of which one alone has the fault, and every precision.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_training import CONFIG, fit, make_batch, make_dmgan, make_encoders, values_of

from dmgan_tf.layers.normalization import BatchNorm
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training import dmgan as dmgan_module
from dmgan_tf.training.damsm import DAMSM, create_optimizer
from dmgan_tf.training.guarded_step import Statistics, judge

GOOD, BAD = make_batch(0), make_batch(1)
IMAGES = [image.numpy() for image in BAD["images"]]
for image in IMAGES:
    image[3, 2, 2, 1] = np.nan  # which the second replica gets
BAD["images"] = tuple(tf.constant(image) for image in IMAGES)


@pytest.fixture
def scope_of(two_replicas):
    """The scope in which the networks are made, by how many replicas they are for."""
    return {1: tf.distribute.get_strategy().scope, 2: two_replicas.scope}


def bytes_of(variables):
    return [value.tobytes() for value in values_of(variables)]


def discriminators_of(dmgan):
    networks = [variable for network in dmgan.discriminators for variable in network.variables]
    return bytes_of([*networks, *dmgan.discriminator_optimizer.variables])


def generator_of(dmgan):
    variables = [*dmgan.generator.variables, *dmgan.average_generator.variables]
    return bytes_of([*variables, *dmgan.optimizer.variables])


def num_changed(before, after):
    return sum(one != other for one, other in zip(before, after, strict=True))


@tf.custom_gradient
def with_infinite_gradient(value):
    return tf.identity(value), lambda upstream: upstream * np.inf


@pytest.mark.parametrize(("num_replicas", "objective"), [(1, "release"), (2, "paper")])
def test_an_image_that_is_not_a_number_stops_the_discriminators_alone(
    scope_of, num_replicas, objective
):
    with scope_of[num_replicas]():
        dmgan = make_dmgan(objective=objective)
    fit(dmgan, [GOOD])
    discriminators, generator = discriminators_of(dmgan), generator_of(dmgan)
    logs = fit(dmgan, [BAD])
    assert discriminators_of(dmgan) == discriminators
    assert num_changed(generator, generator_of(dmgan)) > 50
    assert (logs["discriminators_bad_steps"], logs["generator_bad_steps"]) == (1, 0)
    assert int(dmgan.steps_done.numpy()) == 2
    assert not np.isfinite(logs["discriminator_32_loss"])
    logs = fit(dmgan, [GOOD])
    assert num_changed(discriminators, discriminators_of(dmgan)) > 20
    assert logs["discriminators_bad_steps"] == 0 and np.isfinite(logs["discriminator_32_loss"])


@pytest.mark.parametrize(("num_replicas", "fault"), [(1, "loss"), (2, "gradient")])
def test_a_fault_of_the_generator_stops_it_alone(scope_of, num_replicas, fault, monkeypatch):
    right = dmgan_module.conditioning_divergence
    wrong = {
        "loss": lambda *arguments: right(*arguments) + np.inf,  # its gradient is finite
        "gradient": lambda *arguments: with_infinite_gradient(right(*arguments)),
    }[fault]
    with scope_of[num_replicas]():
        dmgan = make_dmgan()
    monkeypatch.setattr(dmgan_module, "conditioning_divergence", wrong)
    discriminators, generator = discriminators_of(dmgan), generator_of(dmgan)
    logs = fit(dmgan, [GOOD])
    assert generator_of(dmgan) == generator
    assert num_changed(discriminators, discriminators_of(dmgan)) > 20
    assert (logs["discriminators_bad_steps"], logs["generator_bad_steps"]) == (0, 1)
    assert np.isfinite(logs["conditioning_divergence"]) == (fault == "gradient")
    assert np.isfinite(logs["generator_gradient_norm"]) == (fault == "loss")


def test_an_overflow_of_float16_is_left_to_the_loss_scale(scope_of):
    """It too leaves everything but the scale as it was."""
    with scope_of[2]():
        dmgan = make_dmgan(precision="float16")
        optimizers = dmgan.optimizer, dmgan.discriminator_optimizer
    for optimizer in optimizers:
        optimizer.dynamic_scale.assign(2.0**60)
    before = bytes_of([*dmgan.generator.variables, *dmgan.average_generator.variables])
    discriminators = [v for network in dmgan.discriminators for v in network.variables]
    before += bytes_of(discriminators)
    logs = fit(dmgan, [GOOD])
    after = bytes_of([*dmgan.generator.variables, *dmgan.average_generator.variables])
    assert after + bytes_of(discriminators) == before
    assert (logs["discriminators_bad_steps"], logs["generator_bad_steps"]) == (0, 0)
    assert [float(optimizer.dynamic_scale.numpy()) for optimizer in optimizers] == [2.0**59] * 2
    for optimizer in optimizers:
        optimizer.dynamic_scale.assign(64.0)
    bad = fit(dmgan, [BAD])  # not the scale's fault
    assert (bad["discriminators_bad_steps"], bad["generator_bad_steps"]) == (1, 0)
    assert float(optimizers[1].dynamic_scale.numpy()) == 64.0


def make_damsm(dtype="float32"):
    encoders = make_encoders(Vocabulary(["a", "red", "green", "apple", "pear", "leaf"]), dtype)
    damsm = DAMSM(encoders.text_encoder, encoders.image_encoder, image_size=32)
    damsm.compile(optimizer=create_optimizer(damsm, 0.002), jit_compile=False)
    return damsm


@pytest.mark.parametrize(("num_replicas", "dtype"), [(1, "mixed_float16"), (2, "float32")])
def test_an_image_that_is_not_a_number_leaves_the_damsm_as_it_was(scope_of, num_replicas, dtype):
    with scope_of[num_replicas]():
        damsm = make_damsm(dtype)
    if dtype == "mixed_float16":
        damsm.optimizer.dynamic_scale.assign(1.0)  # which gets no smaller
    assert fit(damsm, [GOOD])["bad_steps"] == 0
    seeds = [variable for variable in damsm.variables if "seed" in variable.path]
    others = [*damsm.optimizer.variables]
    others += [v for v in damsm.variables if all(v is not seed for seed in seeds)]
    before, seed_before = bytes_of(others), bytes_of(seeds)
    logs = fit(damsm, [BAD])
    assert logs["bad_steps"] == 1 and not np.isfinite(logs["image_gradient_norm"])
    assert bytes_of(others) == before
    assert bytes_of(seeds) != seed_before  # dropout moves on
    assert fit(damsm, [GOOD])["bad_steps"] == 0
    assert num_changed(before, bytes_of(others)) > 20


def verdict(loss=1.0, norm=1.0, scale=None):
    optimizer = keras.optimizers.SGD()
    if scale is not None:
        optimizer.dynamic_scale = tf.constant(scale)
    result = judge(tf.constant([1.0, loss]), tf.constant([norm, 1.0]), optimizer)
    return bool(result.is_good), bool(result.is_overflow), float(result.bad_steps)


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_verdicts(fault):
    good, overflow, bad = (True, False, 0), (False, True, 0), (False, False, 1)
    assert verdict() == verdict(scale=8.0) == good
    assert verdict(loss=fault) == verdict(norm=fault) == bad
    assert verdict(norm=fault, scale=8.0) == overflow
    assert verdict(norm=fault, scale=1.0) == verdict(loss=fault, scale=8.0) == bad
    assert verdict(loss=fault, norm=fault, scale=8.0) == bad


def test_statistics_are_those_that_a_forward_pass_changes():
    dmgan = make_dmgan()
    networks = [dmgan.generator, *dmgan.discriminators]
    variables = [variable for network in networks for variable in network.non_trainable_variables]
    remembered = Statistics(networks)._variables
    assert {variable.name for variable in remembered} == {v.value.name for v in variables}
    frozen = BatchNorm(trainable=False)
    frozen.build((None, 3))
    assert frozen.statistics == [] and len(remembered) > 15


def test_the_batch_of_this_file_is_bad_for_one_replica_only():
    half = CONFIG.batch_size // 2
    for images in BAD["images"]:
        assert np.all(np.isfinite(images[:half])) and not np.all(np.isfinite(images[half:]))
