import dataclasses
import subprocess
import sys

import pytest
from source_imports import ROOT
from tiny_training import CONFIG

from dmgan_tf.errors import InputError
from dmgan_tf.training.config import (
    DMGANConfig,
    EvaluationSettings,
    PretrainingConfig,
    RunSettings,
)


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
        ({"objective": "hinge"}, "--objective to be one of paper, release, or .*Received: 'hinge'"),
        ({"objective": "papre"}, "Did you mean 'paper'"),
        ({"objective": "paper(1)"}, "NAME\\(argument=value"),
        (
            {"discriminator": "patch"},
            "--discriminator to be one of dm_gan, projected, or module:Class",
        ),
        ({"precision": "float8"}, "--precision to be one of .*'bfloat16'"),
        ({"strategy": "horovod"}, "--strategy to be one of .*Received: horovod"),
        ({"refinement": "none"}, "--refinement to be one of .*Received: none"),
        ({"seed": -1}, "--seed to be from 0 to 4294967295. Received: -1"),
    ],
)
def test_settings_out_of_range_name_their_flag(setting, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(CONFIG, **setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "--epochs to be 1 or more. Received: 0"),
        ({"batch_size": 1}, "--batch_size to be 2 or more"),
        ({"word_dim": 7}, "--word_dim to be an even number from 2 up. Received: 7"),
        ({"encoder_input_size": 8}, "--encoder_input_size to be 16 or more"),
        ({"dropout": 1.0}, "--dropout to be from 0 up to, not including, 1. Received: 1.0"),
        ({"learning_rate": -1.0}, "--learning_rate to be a positive number"),
        ({"learning_rate_decay": 1.1}, "--learning_rate_decay to be above 0, at most 1"),
        ({"gamma2": float("inf")}, "--gamma2"),
        ({"negatives": "none"}, "--negatives to be one of"),
        (
            {"image_backbone": "vgg"},
            "--image_backbone to be one of efficientnet_lite0, inception_v3",
        ),
        ({"word_embedding": "glove"}, "--word_embedding to be one of learned"),
        ({"word_reader": True}, "--word_epochs of 1 or more with --word_reader"),
        ({"image_weights": "models/i"}, "--image_weights with --image_backbone=inception_v3 only"),
    ],
)
def test_settings_of_pretraining_name_their_flag(setting, message):
    with pytest.raises(InputError, match=message):
        PretrainingConfig(**setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"every": 0}, "--evaluate_every to be 1 or more. Received: 0"),
        ({"num_images": 1}, "--num_evaluation_images to be 2 or more. Received: 1"),
        ({"protocol": "lite0", "features": "x.keras"}, "--protocol or --features.*both"),
    ],
)
def test_settings_of_an_evaluation_name_their_flag(setting, message):
    with pytest.raises(InputError, match=message):
        EvaluationSettings(**setting)


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


def test_settings_at_the_edge_of_their_range_are_taken():
    DMGANConfig(base_size=16, num_residual_blocks=0, ema_decay=0.0, seed=2**32 - 1)
    RunSettings(max_skipped_fraction=1.0)
    PretrainingConfig(learning_rate_decay=1.0, dropout=0.0, word_dim=2)
    PretrainingConfig(image_backbone="inception_v3", image_weights="models/inception")


def test_no_network_and_no_framework_is_imported():
    script = "import sys, dmgan_tf.train, dmgan_tf.pretrain_damsm; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    modules = set(done.stdout.split())
    assert not modules & {"tensorflow", "keras", "numpy", "dmgan_tf.models.generator"}
