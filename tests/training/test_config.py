import dataclasses

import pytest
from tiny_training import CONFIG

from dmgan_tf.errors import InputError
from dmgan_tf.training.config import DMGANConfig, RunSettings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "--epochs to be 1 or more. Received: 0"),
        ({"batch_size": -4}, "--batch_size"),
        ({"channels": 0}, "--channels"),
        ({"memory_dim": 0}, "--memory_dim"),
        ({"noise_dim": 0}, "--noise_dim"),
        ({"num_stages": 0}, "--num_stages"),
        ({"num_residual_blocks": -1}, "--num_residual_blocks to be 0 or more"),
        ({"base_size": 24}, "--base_size to be a power of two from 16 up. Received: 24"),
        ({"base_size": 8}, "--base_size"),
        ({"damsm_weight": -1.0}, "--damsm_weight"),
        ({"kl_weight": float("nan")}, "--kl_weight"),
        ({"generator_learning_rate": 0.0}, "--generator_learning_rate to be a positive number"),
        ({"discriminator_learning_rate": float("inf")}, "--discriminator_learning_rate"),
        ({"ema_decay": 1.0}, "--ema_decay"),
        ({"objective": "hinge"}, "--objective .*Received: hinge"),
        ({"precision": "float8"}, "--precision"),
        ({"seed": -1}, "--seed to be from 0 to 4294967295. Received: -1"),
    ],
)
def test_settings_out_of_range_name_their_flag(setting, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(CONFIG, **setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"checkpoint_every": 0}, "--checkpoint_every to be 1 or more. Received: 0"),
        ({"keep_checkpoints": 0}, "--keep_checkpoints to be 1 or more"),
        ({"nan_patience": 0}, "--nan_patience to be 1 or more"),
        ({"max_skipped_fraction": 1.5}, "--max_skipped_fraction to be from 0 to 1. Received: 1.5"),
        ({"max_skipped_fraction": float("nan")}, "--max_skipped_fraction"),
        ({"on_nan": "ignore"}, "--on_nan to be one of .*rollback.*Received: ignore"),
    ],
)
def test_settings_of_a_run_name_their_flag(setting, message):
    with pytest.raises(InputError, match=message):
        RunSettings(**setting)


def test_defaults_are_the_papers():
    config = DMGANConfig()
    assert config.image_sizes == (64, 128, 256)
    assert (config.damsm_weight, config.kl_weight) == (5.0, 1.0)
    assert (config.epochs, config.batch_size) == (600, 10)
    assert config.generator_learning_rate == config.discriminator_learning_rate == 2e-4
