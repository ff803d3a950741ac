"""A step that is not finite reaches nothing of its network, to the byte; what is not its own moves.

By the step of one small layer first, eager and traced, then by the networks'.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_training import (
    CONFIG,
    make_batch,
    make_damsm,
    make_dmgan,
    shared,
    take_step,
    values_of,
)

from dmgan_tf.layers.normalization import BatchNorm
from dmgan_tf.training import dmgan as dmgan_module
from dmgan_tf.training.guarded_step import GuardedStep, trained
from dmgan_tf.training.optimizer import adam

GOOD, BAD = make_batch(0), make_batch(1)
IMAGES = [image.numpy() for image in BAD["images"]]
for image in IMAGES:
    image[3, 2, 2, 1] = np.nan  # which the second replica gets
BAD["images"] = tuple(tf.constant(image) for image in IMAGES)


def bytes_of(variables):
    return [value.tobytes() for value in values_of(variables)]


def num_changed(before, after):
    return sum(one != other for one, other in zip(before, after, strict=True))


class Small:
    """A layer with weights and statistics, and a step of it by gradients that are made up."""

    def __init__(self, precision="float32", in_graph=False, limits=None):
        keras.utils.set_random_seed(0)
        self.network = keras.Sequential([keras.layers.Dense(5), BatchNorm()])
        self.network.build((None, 3))
        self.optimizer = adam(2e-3, precision)
        self.optimizer.build(self.network.trainable_variables)
        self.limits = limits
        self.step = tf.function(self._step) if in_graph else self._step
        weights = self.network.trainable_variables
        self.shapes = [variable.shape for variable in weights]
        self.variables = [*self.network.variables, *self.optimizer.variables]

    def _step(self, gradients, loss=tf.constant(1.0)):  # noqa: B008  a constant
        step = GuardedStep({"small": self.network}, self.optimizer, self.limits)
        self.network(tf.ones((4, 3)), training=True)  # which moves the statistics
        return step.make(gradients, {"fine": tf.constant(0.0), "loss": loss})

    def gradients(self, seed, scale=1.0):
        """Of all sizes, so that roots and quotients round in many ways; a tenth of them 0."""
        random = np.random.default_rng(seed)
        sizes = scale * 10.0 ** random.integers(-18, 15, len(self.shapes))
        return [
            tf.constant(random.normal(size=shape) * size * (random.random(shape) > 0.1), "float32")
            for shape, size in zip(self.shapes, sizes, strict=True)
        ]


@pytest.mark.parametrize("in_graph", [False, True])
def test_good_steps_are_those_of_keras_to_the_bit(in_graph):
    ours, theirs = Small(in_graph=in_graph), Small()
    theirs.optimizer = keras.optimizers.Adam(2e-3, beta_1=0.5, beta_2=0.999, epsilon=1e-8)
    theirs.optimizer.build(theirs.network.trainable_variables)
    for seed in range(10):
        outcome = ours.step(ours.gradients(seed))
        theirs.optimizer.apply(theirs.gradients(seed), theirs.network.trainable_variables)
        assert (bool(outcome.is_good), float(outcome.is_bad)) == (True, 0)
    assert bytes_of(ours.network.trainable_variables) == bytes_of(
        theirs.network.trainable_variables
    )
    assert bytes_of(ours.optimizer.variables) == bytes_of(theirs.optimizer.variables)


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_bad_step_changes_no_byte(in_graph, precision):
    small = Small(precision, in_graph)
    if precision == "float16":
        small.optimizer.dynamic_scale.assign(1.0)  # which gets no smaller
    small.step(small.gradients(0))
    small.network.trainable_variables[1].assign(np.full(5, -0.0))
    before = bytes_of(small.variables)
    bad = [[tf.fill(s, tf.constant(x, "float32")) for s in small.shapes] for x in (np.nan, -np.inf)]
    bad += [[tf.fill(s, tf.constant(3e38)) for s in small.shapes]]  # whose square is infinite
    faults = [(gradients, 1.0) for gradients in bad]
    faults += [(small.gradients(1), loss) for loss in (np.nan, np.inf, -np.inf)]
    for gradients, loss in faults:
        outcome = small.step(gradients, tf.constant(loss, "float32"))
        assert (bool(outcome.is_good), float(outcome.is_bad)) == (False, 1)
        assert bytes_of(small.variables) == before
    small.step(small.gradients(2))
    # All but the rate, and the loss scale of 1 with a rate and a count that nobody uses.
    num_same = 4 if precision == "float16" else 1
    assert num_changed(before, bytes_of(small.variables)) == len(before) - num_same


@pytest.mark.parametrize("in_graph", [False, True])
def test_the_loss_scale_follows_overflow_and_good_steps(in_graph):
    small = Small("float16", in_graph)
    optimizer = small.optimizer
    optimizer.dynamic_growth_steps = 3
    optimizer.dynamic_scale.assign(2.0)

    def state(gradients, loss=1.0):
        outcome = small.step(gradients, tf.constant(loss, "float32"))
        counts = optimizer.iterations, optimizer.step_counter, optimizer.dynamic_scale
        return [float(outcome.is_bad), *(float(count.numpy()) for count in counts)]

    good = [tf.ones(shape) for shape in small.shapes]
    overflow = [tf.fill(shape, np.float32("inf")) for shape in small.shapes]
    assert state(good) == [0, 1, 1, 2]
    before = bytes_of(small.network.variables)
    assert state(overflow) == [0, 1, 0, 1]
    assert state(overflow) == [1, 1, 0, 1]  # not below 1, and then it is the gradient's fault
    assert bytes_of(small.network.variables) == before
    assert [state(good) for _ in range(3)] == [[0, 2, 1, 1], [0, 3, 2, 1], [0, 4, 0, 2]]
    assert state(good, loss=np.inf) == [1, 4, 0, 2]  # no fault of the scale


def test_the_scale_is_taken_out_of_gradients_and_norms():
    plain, scaled = Small(), Small("float16")
    scaled.optimizer.dynamic_scale.assign(1024.0)
    outcomes = plain.step(plain.gradients(1)), scaled.step(scaled.gradients(1, scale=1024.0))
    assert bytes_of(plain.network.variables) == bytes_of(scaled.network.variables)
    norms = [float(outcome.norms["small_gradient_norm"]) for outcome in outcomes]
    expected = np.sqrt(sum(np.sum(np.square(g.numpy())) for g in plain.gradients(1)))
    assert norms == [pytest.approx(expected, rel=1e-6)] * 2


def test_gradients_carry_the_scale_and_reach_what_is_not_used():
    small = Small("float16")
    small.optimizer.dynamic_scale.assign(8.0)
    step = GuardedStep({"small": small.network}, small.optimizer)
    unused = tf.Variable(tf.ones(2))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(trained(small.network)[0]) * 3.0
    first, second = step.gradients(tape, value, [trained(small.network)[0], unused])
    np.testing.assert_array_equal(first, np.full((3, 5), 24.0))
    np.testing.assert_array_equal(second, [0.0, 0.0])


def test_a_limit_is_one_of_the_norm_without_the_scale():
    free, limited = Small(), Small(limits={"small": 0.5})
    gradients = [tf.ones(shape) for shape in free.shapes]
    length = np.sqrt(sum(np.prod(shape) for shape in free.shapes))
    outcome = limited.step(gradients)
    free.step([gradient * 0.5 / length for gradient in gradients])
    for one, other in zip(values_of(free.variables), values_of(limited.variables), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)
    assert float(outcome.norms["small_gradient_norm"]) == pytest.approx(length)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_replicas_sum_and_judge_together(two_replicas, precision):
    alone = Small(precision)
    with two_replicas.scope():
        together = Small(precision, in_graph=True)
    step = tf.function(lambda gradients: two_replicas.run(together._step, args=(gradients,)))
    for is_good, seed in ((True, 0), (False, 1), (True, 2)):
        gradients = alone.gradients(seed)
        fault = np.inf if not is_good else 0.0
        halves = [gradient / 2 for gradient in gradients]
        shares = two_replicas.experimental_distribute_values_from_function(
            lambda context, halves=halves, fault=fault: (
                [half + fault * context.replica_id_in_sync_group for half in halves]
            )
        )
        alone.step([gradient + fault for gradient in gradients])
        outcome = step(shares)
        flags = two_replicas.experimental_local_results(outcome.is_good)
        assert [bool(flag) for flag in flags] == [is_good] * 2
    for one, other in zip(alone.variables, together.variables, strict=True):
        copies = [copy.numpy() for copy in two_replicas.experimental_local_results(other.value)]
        np.testing.assert_array_equal(*copies)
        if "moving" not in one.path:  # variances over 4 and 8 examples differ
            np.testing.assert_array_equal(copies[0], one.numpy())


def discriminators_of(dmgan):
    networks = [variable for network in dmgan.discriminators for variable in network.variables]
    return bytes_of([*networks, *dmgan.discriminator_optimizer.variables])


def generator_of(dmgan):
    variables = [*dmgan.generator.variables, *dmgan.average_generator.variables]
    return bytes_of([*variables, *dmgan.optimizer.variables])


def assert_a_bad_image_stops_the_discriminators_alone(dmgan, strategy=None):
    take_step(dmgan, GOOD, strategy)
    discriminators, generator = discriminators_of(dmgan), generator_of(dmgan)
    logs = take_step(dmgan, BAD, strategy)
    assert discriminators_of(dmgan) == discriminators
    assert num_changed(generator, generator_of(dmgan)) > 50
    assert (logs["discriminators_bad_steps"], logs["generator_bad_steps"]) == (1, 0)
    assert int(dmgan.steps_done.numpy()) == 2
    assert not np.isfinite(logs["discriminator_32_loss"])
    logs = take_step(dmgan, GOOD, strategy)
    assert num_changed(discriminators, discriminators_of(dmgan)) > 20
    assert logs["discriminators_bad_steps"] == 0 and np.isfinite(logs["discriminator_32_loss"])


def test_an_image_that_is_not_a_number_stops_the_discriminators_alone():
    assert_a_bad_image_stops_the_discriminators_alone(shared(make_dmgan))


@pytest.mark.slow
def test_on_one_of_two_replicas_it_stops_the_discriminators_of_both(two_replicas):
    with two_replicas.scope():
        dmgan = make_dmgan(objective="release")
    assert_a_bad_image_stops_the_discriminators_alone(dmgan, two_replicas)


@tf.custom_gradient
def with_infinite_gradient(value):
    return tf.identity(value), lambda upstream: upstream * np.inf


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_a_fault_of_the_generator_stops_it_alone(fault, monkeypatch):
    right = dmgan_module.conditioning_divergence
    wrong = {
        "loss": lambda *arguments: right(*arguments) + np.inf,  # its gradient is finite
        "gradient": lambda *arguments: with_infinite_gradient(right(*arguments)),
    }[fault]
    dmgan = shared(make_dmgan)
    monkeypatch.setattr(dmgan_module, "conditioning_divergence", wrong)
    discriminators, generator = discriminators_of(dmgan), generator_of(dmgan)
    logs = take_step(dmgan, GOOD)
    assert generator_of(dmgan) == generator
    assert num_changed(discriminators, discriminators_of(dmgan)) > 20
    assert (logs["discriminators_bad_steps"], logs["generator_bad_steps"]) == (0, 1)
    assert np.isfinite(logs["conditioning_divergence"]) == (fault == "gradient")
    assert np.isfinite(logs["generator_gradient_norm"]) == (fault == "loss")


def assert_an_overflow_is_left_to_the_loss_scale(dmgan, strategy=None):
    networks = [dmgan.generator, dmgan.average_generator, *dmgan.discriminators]
    variables = [variable for network in networks for variable in network.variables]
    optimizers = dmgan.optimizer, dmgan.discriminator_optimizer
    for optimizer in optimizers:
        optimizer.dynamic_scale.assign(2.0**60)
    before = bytes_of(variables)
    logs = take_step(dmgan, GOOD, strategy)
    assert bytes_of(variables) == before
    assert (logs["discriminators_bad_steps"], logs["generator_bad_steps"]) == (0, 0)
    assert [float(optimizer.dynamic_scale.numpy()) for optimizer in optimizers] == [2.0**59] * 2
    for optimizer in optimizers:
        optimizer.dynamic_scale.assign(64.0)
    bad = take_step(dmgan, BAD, strategy)  # not the scale's fault
    assert (bad["discriminators_bad_steps"], bad["generator_bad_steps"]) == (1, 0)
    assert float(optimizers[1].dynamic_scale.numpy()) == 64.0


def test_an_overflow_of_float16_is_left_to_the_loss_scale():
    """It too leaves everything but the scale as it was."""
    assert_an_overflow_is_left_to_the_loss_scale(shared(make_dmgan, precision="float16"))


@pytest.mark.slow
def test_an_overflow_on_two_replicas_is_left_to_the_loss_scale(two_replicas):
    with two_replicas.scope():
        dmgan = make_dmgan(precision="float16")
    assert_an_overflow_is_left_to_the_loss_scale(dmgan, two_replicas)


@pytest.mark.parametrize(
    ("num_replicas", "precision"),
    [(1, "float16"), pytest.param(2, "float32", marks=pytest.mark.slow)],
)
def test_a_bad_image_leaves_the_damsm_as_it_was(two_replicas, num_replicas, precision):
    strategy = two_replicas if num_replicas == 2 else None
    with (strategy or tf.distribute.get_strategy()).scope():
        damsm = make_damsm(precision)
    if precision == "float16":
        damsm.optimizer.dynamic_scale.assign(1.0)  # which gets no smaller
    assert take_step(damsm, GOOD, strategy)["bad_steps"] == 0
    seeds = [variable for variable in damsm.variables if "seed" in variable.path]
    others = [*damsm.optimizer.variables]
    others += [v for v in damsm.variables if all(v is not seed for seed in seeds)]
    before, seed_before = bytes_of(others), bytes_of(seeds)
    logs = take_step(damsm, BAD, strategy)
    assert logs["bad_steps"] == 1 and not np.isfinite(logs["image_gradient_norm"])
    assert bytes_of(others) == before
    assert bytes_of(seeds) != seed_before  # dropout moves on
    assert take_step(damsm, GOOD, strategy)["bad_steps"] == 0
    assert num_changed(before, bytes_of(others)) > 20


def test_statistics_are_those_that_a_forward_pass_changes():
    dmgan = shared(make_dmgan)
    networks = {str(i): n for i, n in enumerate([dmgan.generator, *dmgan.discriminators])}
    remembered = GuardedStep(networks, dmgan.optimizer)._statistics
    variables = [v for network in networks.values() for v in network.non_trainable_variables]
    assert {variable.name for variable in remembered} == {v.value.name for v in variables}
    frozen = BatchNorm(trainable=False)
    frozen.build((None, 3))
    assert frozen.statistics == [] and len(remembered) > 15


def test_the_batch_of_this_file_is_bad_for_one_replica_only():
    half = CONFIG.batch_size // 2
    for images in BAD["images"]:
        assert np.all(np.isfinite(images[:half])) and not np.all(np.isfinite(images[half:]))
