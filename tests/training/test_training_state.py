"""A checkpoint has everything: no variable that a step changes is missing from it."""

import dataclasses
import gc
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_training import PRETRAINING, make_batch, make_dmgan, take_step

from dmgan_tf.training import damsm_run, dmgan_run
from dmgan_tf.training.optimizer import EpochDecay, adam


def make_damsm(precision="float32"):
    config = dataclasses.replace(PRETRAINING, precision=precision)
    damsm = damsm_run.build_damsm(config, vocabulary_size=7, image_size=32)
    damsm.compile(adam(EpochDecay(0.01, steps_per_epoch=2), precision))
    return damsm


MODELS = {
    "dmgan": (make_dmgan, dmgan_run.training_state),
    "damsm": (make_damsm, damsm_run.training_state),
}


def all_variables():
    """Every TensorFlow variable of this process, and its value."""
    return {
        id(item): (item, item.numpy())
        for item in gc.get_objects()
        if isinstance(item, tf.Variable) and item.dtype != tf.resource
    }


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("kind", MODELS)
def test_no_variable_that_a_step_changes_is_missing(kind, precision):
    make, state_of = MODELS[kind]
    model = make(precision=precision)
    for name in ("optimizer", "discriminator_optimizer"):
        if hasattr(getattr(model, name, None), "dynamic_scale"):
            getattr(model, name).dynamic_scale.assign(16.0)  # where a longer run would have arrived
    take_step(model, make_batch(0))  # makes what only the first step makes
    before, state = all_variables(), state_of(model)
    take_step(model, make_batch(1))
    saved = {id(getattr(variable, "value", variable)) for variable in state.values()}
    changed = {
        key
        for key, (variable, value) in before.items()
        if value.tobytes() != variable.numpy().tobytes()
    }
    assert {before[key][0].path for key in changed - saved} == set()
    assert len(changed) > 20
    assert {name.split("/")[0] for name in state} >= {"dmgan": {"steps"}, "damsm": set()}[kind]


@pytest.mark.parametrize("kind", MODELS)
def test_no_random_state_outside_of_variables_is_used(kind):
    """Such as Python's and NumPy's generators, which no checkpoint holds."""

    def states():
        numpy = np.random.get_state()
        return (
            random.getstate(),
            (numpy[0], numpy[1].tobytes(), *numpy[2:]),
            tf.random.get_global_generator().state.numpy().tobytes(),
        )

    model = MODELS[kind][0]()
    take_step(model, make_batch(0))
    keras.utils.set_random_seed(5)
    before = states()
    take_step(model, make_batch(1))
    assert states() == before
