"""The `train` command: its flags, and one run of it as a user starts it."""

import dataclasses
import importlib
import subprocess
import sys

import pytest
from absl import flags
from source_imports import ROOT

from dmgan_tf.training.config import DMGANConfig, PretrainingConfig

TINY_FLAGS = (
    "--epochs=1",
    "--batch_size=4",
    "--channels=4",
    "--discriminator_channels=4",
    "--noise_dim=5",
    "--condition_dim=4",
    "--num_residual_blocks=1",
    "--base_size=16",
    "--num_stages=2",
    "--max_words=4",
)


@pytest.mark.parametrize(
    ("command", "config"), [("train", DMGANConfig), ("pretrain_damsm", PretrainingConfig)]
)
def test_flags_and_settings_have_the_same_defaults(command, config):
    known = set(flags.FLAGS)
    importlib.import_module(f"dmgan_tf.{command}").define_flags()
    try:
        defaults = {field.name: field.default for field in dataclasses.fields(config)}
        assert {name: flags.FLAGS[name].default for name in defaults} == defaults
    finally:
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)


def test_a_run_and_its_resumption_by_its_own_flags(
    prepared_data, damsm_directory, tmp_path, run_command, error_line
):
    run = tmp_path / "run"
    arguments = [f"--data={prepared_data}", f"--damsm={damsm_directory}", f"--run={run}"]
    arguments += [
        *TINY_FLAGS,
        "--noflip",
        "--sample_captions=a red disc, or blue",
        "--sample_every=2",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "dmgan_tf.train", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"model: {run / 'model'}",
        f"samples: {run / 'samples' / 'latest.png'}",
    ]
    assert "epoch 1/1: discriminator_32_loss=" in done.stderr and "images/s" in done.stderr
    sheets = sorted(path.name for path in (run / "samples").iterdir())
    assert sheets == ["latest.png", "step-00000002.png", "step-00000003.png"]
    flags_file = run / "flags.txt"
    kept = flags_file.read_text().splitlines()
    assert "--noflip" in kept and "--sample_captions=a red disc, or blue" in kept
    assert not any(line.startswith(("--resume", "--memory_dim")) for line in kept)

    assert "already holds a run" in error_line("train", f"--flagfile={flags_file}")
    status, stdout, stderr = run_command("train", f"--flagfile={flags_file}", "--resume")
    assert status == 0 and f"model: {run / 'model'}" in stdout, stderr
    assert flags_file.read_text().splitlines() == kept


def test_without_a_damsm_it_says_how_to_get_one(error_line):
    line = error_line("train", "--data=data", "--run=run")
    assert "--damsm=DIR" in line and "python -m dmgan_tf.pretrain_damsm --data=DIR" in line


@pytest.mark.parametrize("missing", ["data", "run"])
def test_what_else_is_needed(error_line, missing):
    given = {"data": "d", "run": "r", "damsm": "m"}
    del given[missing]
    line = error_line("train", *(f"--{name}={value}" for name, value in given.items()))
    assert f"Expected --{missing}=DIR" in line
