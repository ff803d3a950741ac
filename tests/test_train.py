"""The `train` command: its flags, and a run of it from the command line to its result."""

import dataclasses
import json
import logging

import pytest
from tiny_training import CONFIG, flags_of

ONE_EPOCH = dataclasses.replace(CONFIG, epochs=1)


@pytest.mark.usefixtures("traced_once")
def test_a_run_and_its_resumption_by_its_own_flags(
    prepared_data, damsm_directory, tmp_path, run_command, error_line
):
    run = tmp_path / "run"
    status, stdout, stderr = run_command(
        "train",
        *(f"--data={prepared_data}", f"--damsm={damsm_directory}", f"--run={run}"),
        *flags_of(ONE_EPOCH),
        *("--noflip", "--sample_captions=a red disc, or blue", "--sample_every=2"),
        "--allow_module=of_the_damsm",
    )
    assert status == 0, stderr
    assert stdout.splitlines() == [
        f"model: {run / 'model'}",
        f"samples: {run / 'samples' / 'latest.png'}",
    ]
    assert "epoch 1/1: discriminator_32_loss=" in stderr and "images/s" in stderr
    sheets = sorted(path.name for path in (run / "samples").iterdir())
    assert sheets == ["latest.png", "step-00000002.png", "step-00000003.png"]
    flags_file = run / "flags.txt"
    kept = flags_file.read_text().splitlines()
    assert {"--noflip", "--allow_module=of_the_damsm"} <= set(kept)
    assert "--sample_captions=a red disc, or blue" in kept
    absent = ("--resume", "--memory_dim", "--during_training", "--evaluate_every")
    assert not any(line.startswith(absent) for line in kept)

    assert "already contains a run" in error_line("train", f"--flagfile={flags_file}")
    status, stdout, stderr = run_command("train", f"--flagfile={flags_file}", "--resume")
    assert status == 0 and f"model: {run / 'model'}" in stdout, stderr
    assert flags_file.read_text().splitlines() == kept


@pytest.mark.usefixtures("traced_once")
def test_evaluation_during_training(validated_data, damsm_directory, tmp_path, run_command, caplog):
    """By a module of the user's own; the run may go on without."""
    caplog.set_level(logging.INFO)
    module = tmp_path / "colours.py"
    module.write_text("def features(images):\n    return images.mean(axis=(1, 2))\n")
    run = tmp_path / "run"
    status, stdout, stderr = run_command(
        "train",
        *(f"--data={validated_data}", f"--damsm={damsm_directory}", f"--run={run}"),
        *flags_of(ONE_EPOCH),
        *("--during_training", "--evaluate_every=7", "--num_evaluation_images=6"),
        f"--features={module}",
    )
    assert status == 0, stderr
    (entry,) = map(json.loads, (run / "evaluations.jsonl").read_text().splitlines())
    assert stdout.splitlines()[-1] == f"best: {run}/best (epoch 1, FID {entry['fid']:.4g})"
    (epoch_line,) = (line for line in stderr.splitlines() if line.startswith("epoch 1/1"))
    assert f"validation_fid={entry['fid']:.4g}, validation_r_precision=" in epoch_line
    assert caplog.text.count("are not comparable with a paper's numbers") == 1

    kept = (run / "flags.txt").read_text().splitlines()
    assert {"--during_training", "--evaluate_every=7", f"--features={module}"} <= set(kept)
    again = (f"--flagfile={run / 'flags.txt'}", "--resume", "--noduring_training")
    status, _, stderr = run_command("train", *again)
    assert status == 0 and "--during_training" not in (run / "flags.txt").read_text(), stderr


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--evaluate_every=2"], ("--during_training with --evaluate_every", "it out")),
        (
            ["--protocol=lite0", "--inception=x.pth"],
            ("--during_training with --protocol, --inception", "them out"),
        ),
        (["--during_training", "--evaluate_every=0"], ("evaluate_every",)),
        (["--during_training", "--num_evaluation_images=1"], ("num_evaluation_images",)),
        (["--during_training", "--protocol=clean", "--features=f.py"], ("Received: both",)),
    ],
)
def test_evaluation_flags_that_cannot_be(error_line, arguments, parts):
    line = error_line("train", "--data=d", "--damsm=m", "--run=r", *arguments)
    assert all(part in line for part in parts), line


def test_evaluation_needs_a_validation_split(error_line, prepared_data, damsm_directory, tmp_path):
    line = error_line(
        "train",
        *(f"--data={prepared_data}", f"--damsm={damsm_directory}", f"--run={tmp_path}/run"),
        *flags_of(CONFIG),
        *("--during_training", "--protocol=lite0"),
    )
    assert "--validation_fraction=0.1" in line and str(prepared_data) in line
    assert not (tmp_path / "run").exists()


def test_without_a_damsm_it_says_how_to_get_one(error_line):
    line = error_line("train", "--data=data", "--run=run")
    assert "--damsm=DIR" in line and "python -m dmgan_tf.pretrain_damsm --data=DIR" in line


@pytest.mark.parametrize("missing", ["data", "run"])
def test_what_else_is_needed(error_line, missing):
    given = {"data": "d", "run": "r", "damsm": "m"}
    del given[missing]
    line = error_line("train", *(f"--{name}={value}" for name, value in given.items()))
    assert f"Expected --{missing}=DIR" in line


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hinge", "--objective to be one of paper, release, or module:Class. Received: 'hinge'."),
        ("relase", "Did you mean 'release'?"),
        ("paper(weight)", "Expected NAME or NAME(argument=value, ...)"),
    ],
)
def test_a_class_of_no_known_name(error_line, name, message):
    given = ("--data=d", "--run=r", "--damsm=m", f"--objective={name}")
    assert message in error_line("train", *given)
