"""Adam to the bit in good steps, and nothing at all in bad ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_training import values_of

from dmgan_tf.training.damsm import EpochDecay
from dmgan_tf.training.optimizer import GuardedAdam, GuardedLossScaleOptimizer
from dmgan_tf.training.session.checkpoints import named_variables

SETTINGS = {"learning_rate": 2e-3, "beta_1": 0.5, "beta_2": 0.999, "epsilon": 1e-8}
SHAPES = [(3, 3, 4, 8), (8,), (), (50, 6)]


def make(optimizer, seed=0):
    """The optimizer, built for variables of its own."""
    random = np.random.default_rng(seed)
    variables = [keras.Variable(random.normal(size=shape).astype("f")) for shape in SHAPES]
    optimizer.build(variables)
    return optimizer, variables


def draw_gradients(random):
    """Of all sizes, so that roots and quotients round in many ways; a tenth of them 0."""
    sizes = 10.0 ** random.integers(-18, 15, len(SHAPES))
    return [
        tf.constant(random.normal(size=shape) * size * (random.random(shape) > 0.1), tf.float32)
        for shape, size in zip(SHAPES, sizes, strict=True)
    ]


def bytes_of(optimizer, variables):
    return [value.tobytes() for value in values_of([*optimizer.variables, *variables])]


@pytest.mark.parametrize("rate", [2e-3, EpochDecay(2e-3, steps_per_epoch=7)])
def test_good_steps_are_those_of_keras_to_the_bit(rate):
    settings = {**SETTINGS, "learning_rate": rate}
    ours, variables = make(GuardedAdam(**settings))
    keras_adam, others = make(keras.optimizers.Adam(**settings))
    step = tf.function(lambda gradients: ours.apply(gradients, variables))
    keras_step = tf.function(lambda gradients: keras_adam.apply(gradients, others))
    random = np.random.default_rng(1)
    for _ in range(40):
        gradients = draw_gradients(random)
        step(gradients)
        keras_step(gradients)
        assert bytes_of(ours, variables) == bytes_of(keras_adam, others)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1.0])
def test_a_bad_step_changes_no_byte(value):
    optimizer, variables = make(GuardedAdam(**SETTINGS))
    variables[1].assign(np.full(8, -0.0))
    step = tf.function(lambda gradients, is_good: optimizer.apply(gradients, variables, is_good))
    random = np.random.default_rng(1)
    step(draw_gradients(random), True)
    optimizer._momentums[1].assign(np.full(8, -0.0))
    before = bytes_of(optimizer, variables)
    bad = [tf.fill(shape, tf.constant(value, tf.float32)) for shape in SHAPES]
    step(bad, False)
    assert bytes_of(optimizer, variables) == before
    step(draw_gradients(random), True)
    after = bytes_of(optimizer, variables)
    same = [one == other for one, other in zip(before, after, strict=True)]
    assert same == [False, True, *[False] * (3 * len(SHAPES))]  # but for the learning rate


def test_a_variable_without_gradient_stays():
    optimizer, variables = make(GuardedAdam(**SETTINGS))
    before = bytes_of(optimizer, variables)
    optimizer.apply([tf.ones(SHAPES[0]), None, None, None], variables)
    after = bytes_of(optimizer, variables)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 4


@pytest.mark.parametrize("scaled", [False, True])
def test_the_variables_are_those_of_keras(scaled):
    """Names and order are what checkpoints go by."""
    ours, theirs = GuardedAdam(**SETTINGS), keras.optimizers.Adam(**SETTINGS)
    if scaled:
        ours = GuardedLossScaleOptimizer(ours)
        theirs = keras.optimizers.LossScaleOptimizer(theirs)
    names = [list(named_variables("o", make(one)[0].variables)) for one in (ours, theirs)]
    assert names[0] == names[1] and len(names[0]) == 2 + 2 * len(SHAPES) + 4 * scaled


def test_its_configuration_makes_another():
    again = GuardedAdam.from_config(GuardedAdam(**SETTINGS).get_config())
    assert again.get_config() == GuardedAdam(**SETTINGS).get_config()


def test_the_loss_scale_follows_overflow_and_good_steps():
    optimizer, variables = make(
        GuardedLossScaleOptimizer(GuardedAdam(**SETTINGS), 2.0, dynamic_growth_steps=3)
    )
    gradients = [tf.ones(shape) for shape in SHAPES]
    step = tf.function(lambda **verdict: optimizer.apply(gradients, variables, **verdict))

    def state(**verdict):
        step(**verdict)
        counts = optimizer.iterations, optimizer.step_counter, optimizer.dynamic_scale
        return [float(count) for count in counts]

    good, overflow = {"is_good": True}, {"is_good": False, "is_overflow": True}
    assert state(**good) == [1, 1, 2]
    assert state(**overflow) == [1, 0, 1]
    assert state(**overflow) == [1, 0, 1]  # not below 1
    before = bytes_of(optimizer, variables)
    state(is_good=False, is_overflow=False)
    assert bytes_of(optimizer, variables) == before
    assert [state(**good) for _ in range(3)] == [[2, 1, 1], [3, 2, 1], [4, 0, 2]]


def test_the_scale_is_taken_out_of_the_gradients():
    plain, expected = make(GuardedAdam(**SETTINGS))
    scaled, variables = make(GuardedLossScaleOptimizer(GuardedAdam(**SETTINGS), 1024.0))
    gradients = draw_gradients(np.random.default_rng(1))
    plain.apply(gradients, expected)
    scaled.apply([1024.0 * gradient for gradient in gradients], variables)
    for one, other in zip(values_of(expected), values_of(variables), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scaled", [False, True])
def test_on_two_replicas_it_takes_the_sums_as_they_are(two_replicas, scaled):
    def build():
        optimizer = GuardedAdam(**SETTINGS)
        return make(GuardedLossScaleOptimizer(optimizer, 64.0) if scaled else optimizer)

    alone, expected = build()
    with two_replicas.scope():
        together, variables = build()

    @tf.function
    def step(gradients, is_good):
        two_replicas.run(together.apply, args=(gradients, variables, is_good))

    random = np.random.default_rng(1)
    for is_good in (True, False, True):
        gradients = draw_gradients(random)
        alone.apply(gradients, expected, is_good)
        step(gradients, tf.constant(is_good))
    assert bytes_of(together, variables) == bytes_of(alone, expected)
    for variable in [*variables, *together.variables]:
        copies = [copy.numpy() for copy in two_replicas.experimental_local_results(variable.value)]
        np.testing.assert_array_equal(*copies)
