"""What a training step costs, as a fine-tuning measures it."""

import dataclasses

import numpy as np
import tensorflow as tf
from tiny_training import CONFIG, PRETRAINING

from dmgan_tf.training import step_times
from dmgan_tf.training.step_times import StepTimes


def test_steps_are_timed_with_the_model_s_own_networks(finished_run, monkeypatch):
    timed, policies = [], []

    def fake(model, batch):
        timed.append((type(model).__name__, [tuple(image.shape) for image in batch["images"]]))
        policies.append(model.text_encoder.dtype_policy.name)
        return 1.0 if len(timed) == 1 else 0.9  # bfloat16 is a little faster: not worth it

    monkeypatch.setattr(step_times, "_seconds_per_step", fake)
    pretraining = dataclasses.replace(PRETRAINING, backbone_channels=4)
    times = step_times.measure_steps(pretraining, CONFIG, finished_run)
    assert timed == [
        *[("DMGAN", [(4, 16, 16, 3), (4, 32, 32, 3)])] * 2,
        ("DAMSM", [(4, 32, 32, 3)]),
    ]
    assert times == StepTimes(0.9, 1.0, "float32")
    assert policies == ["float32", "mixed_bfloat16", "float32"]
    step_times.measure_steps(pretraining, CONFIG, finished_run, "bfloat16")
    assert policies[3:] == ["mixed_bfloat16"] * 2


def test_a_step_is_taken_with_the_batch_and_timed():
    taken = []

    class Model:
        def train_step(self, batch):
            tf.py_function(lambda: taken.append(1), [], [])
            return {"loss": tf.reduce_sum(batch["images"][-1])}

    batch = step_times._random_batch(4, (16, 32), 5, num_words=9)
    ids = batch["token_ids"].numpy()
    assert ids.shape == (4, 5) and ids.min() >= 1 and ids.max() < 9
    assert len(np.unique(batch["class_ids"])) == 4
    assert step_times._seconds_per_step(Model(), batch) > 0
    assert len(taken) == 12
