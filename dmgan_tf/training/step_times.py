"""Measures training steps on this machine."""

import dataclasses
import os
import statistics
import time

import numpy as np
import tensorflow as tf

from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.training.config import DMGANConfig, PretrainingConfig
from dmgan_tf.training.damsm_run import build_damsm
from dmgan_tf.training.dmgan_run import build_dmgan
from dmgan_tf.training.optimizer import adam

_TIMED_STEPS, _TIMED_SECONDS = 10, 15.0  # whichever ends first
_FASTER = 0.8  # bfloat16 is used if its step takes at most this fraction of the float32 step's time


@dataclasses.dataclass(frozen=True)
class StepTimes:
    """Seconds per training step on this machine, and the faster precision."""

    damsm: float
    training: float
    precision: str


def measure_steps(
    pretraining: PretrainingConfig,
    training: DMGANConfig,
    model: str | os.PathLike,
    precision: str | None = None,
) -> StepTimes:
    """Times steps with random pictures on this machine.

    Args:
        pretraining: The DAMSM's settings.
        training: The training's.
        model: The model to start from, whose encoders the training's steps use.
        precision: The one to use; None for the faster of float32 and bfloat16.
    """
    num_words = load_model_directory(model).text_encoder.vocabulary_size
    batch = _random_batch(training.batch_size, training.image_sizes, training.max_words, num_words)
    seconds = {}
    # By this step, because it takes most of the time.
    for name in [precision] if precision else ["float32", "bfloat16"]:
        config = dataclasses.replace(training, precision=name)
        dmgan = build_dmgan(config, load_model_directory(model, dtype=config.dtype_policy))
        seconds[name] = _seconds_per_step(dmgan, batch)
    fastest = min(seconds, key=seconds.get)
    if seconds[fastest] > _FASTER * seconds.get("float32", np.inf):
        fastest = "float32"
    size = training.image_sizes[-1]
    damsm = build_damsm(dataclasses.replace(pretraining, precision=fastest), num_words, size)
    damsm.compile(adam(pretraining.learning_rate, fastest))
    batch = _random_batch(pretraining.batch_size, (size,), pretraining.max_words, num_words)
    return StepTimes(_seconds_per_step(damsm, batch), seconds[fastest], fastest)


def _random_batch(batch_size, image_sizes, max_words, num_words):
    random = np.random.default_rng(0)
    images = [random.uniform(-1, 1, (batch_size, size, size, 3)) for size in image_sizes]
    return {
        "images": tuple(tf.constant(image, tf.float32) for image in images),
        "token_ids": tf.constant(random.integers(1, num_words, (batch_size, max_words)), tf.int32),
        "class_ids": tf.range(batch_size, dtype=tf.int32),
    }


def _seconds_per_step(model, batch):
    step = tf.function(model.train_step, autograph=False)
    seconds = []
    while len(seconds) < _TIMED_STEPS + 2:  # the first two trace and warm up
        if sum(seconds[2:]) > _TIMED_SECONDS:
            break
        began = time.perf_counter()
        tf.nest.map_structure(lambda value: np.asarray(value), step(batch))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[2:])
