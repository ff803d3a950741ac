"""A run of a `Session` with neither networks nor graphs, in a fraction of a second.

Its one weight shows which batches came, and in which order: no step can be left out, taken twice or
taken with another's batch without a sign.
"""

import dataclasses

import keras
import tensorflow as tf
from tiny_training import PRETRAINING

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.training.config import RunSettings
from dmgan_tf.training.session.checkpoints import named_variables
from dmgan_tf.training.session.session import Session

STEPS_PER_EPOCH = 3
CONFIG = PRETRAINING  # of two epochs
LAST_STEP = STEPS_PER_EPOCH * CONFIG.epochs


class Stub(keras.Model):
    """A number that every step halves and adds its own to.

    Args:
        at_step: Called with the step's number, from 1; gives further logs.
        frozen: The value of a weight that no checkpoint holds, as the DAMSM's.
    """

    described = {}  # of its objective

    def __init__(self, at_step, frozen):
        super().__init__()
        self.total = self.add_weight(name="total", dtype="float64", initializer="zeros")
        self.frozen = self.add_weight(
            name="frozen", initializer=keras.initializers.Constant(frozen)
        )
        self.at_step = at_step
        self.built = True
        self.compile(run_eagerly=True)

    def train_step(self, batch):
        number = int(batch) + 1
        self.total.assign(0.5 * self.total + number)
        return {"loss": 0.1 * number, **(self.at_step(number) or {})}


def train(
    run,
    data,
    *,
    at_step=lambda number: None,
    finishing=(),
    settings=RunSettings(),  # noqa: B008  frozen
    steps_per_epoch=STEPS_PER_EPOCH,
    frozen=1.0,
    epochs=CONFIG.epochs,
    max_words=CONFIG.max_words,
):
    """Begins the run or goes on with it, as the runs of networks do, and gives its total."""
    config = dataclasses.replace(CONFIG, epochs=epochs, max_words=max_words)
    with Session(run, config, settings, resume=True, flags_text="--a=flag") as session:
        session.scan(load_dataset_info(data))
        with session.building():
            model = Stub(at_step, frozen)
        variables = named_variables("stub", [model.total])
        session.restore(model, variables, steps_per_epoch)
        session.prepare()
        save = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: session.directory.model.mkdir(exist_ok=True)
        )
        session.fit(
            lambda first, last, **part: tf.data.Dataset.range(first, last),
            finishing=[*finishing, save],
            metrics=["loss"],
        )
        return float(model.total.numpy())


def total_after(*numbers):
    """What the weight is after the steps of these numbers."""
    total = 0.0
    for number in numbers:
        total = 0.5 * total + number
    return total
