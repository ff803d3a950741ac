"""Two replicas train as one device with the same global batch.

By plain gradient descent: Adam divides a gradient by its own size, so where the true gradient is 0
(a bias before batch norm) it makes a full step of what is rounding alone.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tiny_training import (
    COLOR_IDS,
    CONFIG,
    NUM_WORD_IDS,
    PRETRAINING,
    SGD,
    fit,
    make_batch,
    make_damsm,
    make_dmgan,
    take_step,
    values_of,
)

from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.training import damsm_run, dmgan_run
from dmgan_tf.training.damsm import DAMSM, MATCHING, WORDS
from dmgan_tf.training.distribution import replicas
from dmgan_tf.training.session import session

RATE = 0.002
STEPS = 4


def make_plain(make, **settings):
    model = make(**settings)
    model.compile(*[SGD(RATE) for _ in range(2 if make is make_dmgan else 1)])
    return model


def values_by_name(model):
    """All there is: weights, statistics of batch norm, singular vectors, the average, the steps."""
    values = values_of(model.variables)
    return {
        f"{index} {variable.path}": value
        for index, (variable, value) in enumerate(zip(model.variables, values, strict=True))
    }


def assert_replicas_train_as_one_device(strategy, make, steps, **settings):
    """What moved by up to 1 in these steps is equal to 1e-5; so are the logs, which it returns."""
    batches = [make_batch(seed) for seed in range(steps)]
    alone = make_plain(make, **settings)
    before = values_by_name(alone)
    with strategy.scope():
        together = make_plain(make, **settings)
    logs = [take_step(alone, batch) for batch in batches][-1]
    shared_logs = [take_step(together, batch, strategy) for batch in batches][-1]
    largest_move = 0.0
    for (path, one), other, start in zip(
        values_by_name(alone).items(),
        values_by_name(together).values(),
        before.values(),
        strict=True,
    ):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5, err_msg=path)
        largest_move = max(largest_move, np.max(np.abs(one - start), initial=0.0))
    assert largest_move > 0.0025 * steps
    for name, value in logs.items():
        assert shared_logs[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name
    return logs


def test_dmgan(two_replicas):
    assert_replicas_train_as_one_device(two_replicas, make_dmgan, 1, objective="release")


def test_dmgan_with_the_losses_of_words_and_likeness(two_replicas, monkeypatch):
    # Untrained, images of one caption differ so much that they would cost nothing.
    monkeypatch.setattr("dmgan_tf.losses.mode_seeking._FAR_ENOUGH", 100.0)
    logs = assert_replicas_train_as_one_device(
        two_replicas, make_dmgan, 1, word_weight=3.0, mode_seeking_weight=1.0
    )
    assert logs["mode_seeking_loss"] > 0.1


def test_dmgan_with_recombined_captions(two_replicas):
    logs = assert_replicas_train_as_one_device(
        two_replicas, make_dmgan, 1, recombination_weight=3.0
    )
    assert logs["recombination_loss"] > 0


def test_damsm(two_replicas):
    assert_replicas_train_as_one_device(two_replicas, make_damsm, 1)


@pytest.mark.parametrize("phase", [WORDS, MATCHING])
def test_damsm_that_predicts_words(two_replicas, monkeypatch, phase):
    monkeypatch.setattr(DAMSM, "phase", phase)
    settings = {"num_predicted_words": NUM_WORD_IDS, "color_ids": COLOR_IDS}
    assert_replicas_train_as_one_device(two_replicas, make_damsm, 1, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["paper", "release"])
def test_dmgan_for_some_steps(two_replicas, objective):
    settings = {"objective": objective, "ema_decay": 0.5}
    assert_replicas_train_as_one_device(two_replicas, make_dmgan, STEPS, **settings)


@pytest.mark.slow
def test_damsm_for_some_steps(two_replicas):
    assert_replicas_train_as_one_device(two_replicas, make_damsm, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_dmgan, make_damsm])
def test_fit_trains_as_eager_steps(two_replicas, make):
    """Traced under the strategy, with the logs of all replicas in one exchange."""
    logs = take_step(make_plain(make), make_batch(0))
    with two_replicas.scope():
        together = make_plain(make)
    shared_logs = fit(together, [make_batch(0)])
    assert set(shared_logs) == set(logs)
    for name, value in logs.items():
        assert shared_logs[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name


@pytest.mark.slow
def test_replicas_augment_as_one_device(two_replicas):
    """After one step: in a blank square every pixel is at the leaky ReLU's corner, and from then on
    rounding decides its side."""
    settings = {"discriminator_augmentation": True}
    logs = take_step(make_plain(make_dmgan, **settings), make_batch(0))
    with two_replicas.scope():
        together = make_plain(make_dmgan, **settings)
    shared_logs = take_step(together, make_batch(0), two_replicas)
    for name in ("discriminator_16_loss", "discriminator_32_loss", "generator_gradient_norm"):
        assert shared_logs[name] == pytest.approx(logs[name], rel=1e-4), name


@pytest.mark.parametrize("negatives", ["gathered", "local"])
def test_what_a_pair_is_told_apart_from(two_replicas, negatives):
    """The global batch, or, without an exchange, the replica's half of it."""

    batch = make_batch(0, size=8)
    first = tf.nest.map_structure(lambda value: value[:4], batch)
    halves = first, tf.nest.map_structure(lambda value: value[4:], batch)
    alone = make_damsm(negatives=negatives)
    parts = [batch] if negatives == "gathered" else halves
    expected = [alone.losses_of(part, training=False) for part in parts]
    with two_replicas.scope():
        together = make_damsm(negatives=negatives)

    def losses():
        share = two_replicas.experimental_distribute_values_from_function(
            lambda context: halves[context.replica_id_in_sync_group]
        )
        step = two_replicas.run(lambda part: together.losses_of(part, False), args=(share,))
        return {n: two_replicas.experimental_local_results(value) for n, value in step.items()}

    for name, values in losses().items():
        wanted = np.concatenate([part[name] for part in expected])
        np.testing.assert_allclose(np.concatenate(values), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_whole_runs(two_replicas, prepared_data, tmp_path, monkeypatch, capsys):
    """Pretraining, training, sheets, models and checkpoints, all under the strategy."""
    monkeypatch.setattr(session, "get_strategy", lambda name: two_replicas)
    pretrain = dataclasses.replace(PRETRAINING, epochs=1, strategy="mirrored")
    damsm_run.pretrain_damsm(pretrain, prepared_data, tmp_path / "damsm")
    arguments = prepared_data, tmp_path / "damsm", tmp_path / "run"
    config = dataclasses.replace(CONFIG, epochs=1, strategy="mirrored")
    result = dmgan_run.train_dmgan(config, *arguments)
    assert "epoch 1/1: discriminator_32_loss=" in capsys.readouterr().err
    model = DMGANTextToImage.from_preset(result.model)
    assert model.generate(["a red disc"]).shape == (1, 32, 32, 3)
    assert (tmp_path / "run/samples/step-00000003.png").is_file()
    assert (tmp_path / "run/checkpoints/step-00000003.npz").is_file()


def test_a_strategy_is_made_once():
    devices = ["CPU:0", "CPU:1"]
    assert replicas.get_strategy("mirrored", devices) is replicas.get_strategy("mirrored", devices)
