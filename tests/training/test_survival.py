"""Runs whose process is stopped or killed, and that go on as if it had never been.

One process as a user starts it, and one that ends at every delicate moment; what a session does at
each of them stands in `session/test_session.py`, with a stub for the networks.
"""

import signal

import dying_process
import pytest
from faults.tiny_run import differences, results
from tiny_training import CONFIG

from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.session.checkpoints import CheckpointStore

pytestmark = pytest.mark.slow
KILLED = -signal.SIGKILL


def assert_same_results(one, other):
    assert len(results(one)) >= 6
    assert differences(one, other) == []


def test_sigterm_to_a_process(prepared_data, damsm_directory, finished_run, tmp_path):
    """The whole command line's way: it finishes the step, saves, says so, and goes on."""
    arguments = prepared_data, damsm_directory, tmp_path / "run"
    status, stderr = dying_process.run(
        training="dmgan", arguments=arguments, moment="step", number=5, signal="SIGTERM"
    )
    lines = stderr.splitlines()
    assert status == 75, stderr
    assert lines[-1] == "stopped by SIGTERM after step 5, saved; continue with --resume"
    assert not any("Traceback" in line for line in lines)
    assert CheckpointStore(tmp_path / "run/checkpoints").steps() == [3, 5]
    assert not (tmp_path / "run/lock").exists()
    train_dmgan(CONFIG, *arguments, resume=True)
    assert_same_results(tmp_path / "run", finished_run)


MOMENTS = [
    ("start", None, "SIGTERM", 75),
    ("step", 2, "SIGKILL", KILLED),
    ("checkpoint", 2, "SIGKILL", KILLED),
    ("step", 3, "SIGINT", 130),
    ("epoch", None, "SIGTERM", 75),
    ("model", None, "SIGKILL", KILLED),
    ("renaming", None, "SIGKILL", KILLED),
    ("step", 5, "SIGTERM", 75),
    ("checkpoint", 6, "SIGTERM", 75),
    ("noting", None, "SIGKILL", KILLED),
]


@pytest.mark.parametrize("training", ["dmgan", "damsm"])
def test_a_run_that_ends_at_every_delicate_moment(
    training, prepared_data, damsm_directory, tmp_path
):
    """One end after another, each time going on from what the one before left."""

    def train(name, **moment):
        directories = [prepared_data, damsm_directory, tmp_path / name]
        return dying_process.run(
            training=training,
            arguments=directories if training == "dmgan" else directories[::2],
            settings={"checkpoint_every": 1, "deterministic": True},
            **moment,
        )

    for moment, number, name, expected in MOMENTS:
        status, stderr = train("run", moment=moment, number=number, signal=name)
        assert status == expected, (moment, number, stderr)
    for name in ("run", "whole"):
        status, stderr = train(name)
        assert status == 0, stderr
    assert_same_results(tmp_path / "run", tmp_path / "whole")
