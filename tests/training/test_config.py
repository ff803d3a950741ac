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


def test_networks_are_those_of_the_settings():
    config = dataclasses.replace(CONFIG, num_stages=3, memory_dim=6, response_gate=False)
    generator = config.build_generator(word_dim=8)
    discriminators = config.build_discriminators(word_dim=8)
    assert generator.built and all(network.built for network in discriminators)
    assert generator.image_sizes == config.image_sizes == (16, 32, 64)
    assert [network.image_size for network in discriminators] == [16, 32, 64]
    settings = {**generator.get_config(), "word_dim": None}
    shared = settings.keys() & dataclasses.asdict(config).keys()
    assert {"channels", "memory_dim", "response_gate", "base_size"} <= shared
    assert {name: settings[name] for name in shared} == {
        name: getattr(config, name) for name in shared
    }


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_precision_is_that_of_the_computation(precision):
    config = dataclasses.replace(CONFIG, precision=precision)
    networks = [config.build_generator(word_dim=8), *config.build_discriminators(word_dim=8)]
    assert {network.compute_dtype for network in networks} == {precision}
    assert {variable.dtype for network in networks for variable in network.weights} == {"float32"}
    assert config.build_generator(word_dim=8, dtype="float32").compute_dtype == "float32"
