"""Two processes on the loopback address train as one device with the same global batch.

What several machines do, each with its own memory, files and failures, only without their network.
"""

import dataclasses
import signal

import numpy as np
import pytest
import several_workers
from several_workers import Workers
from tiny_training import PRETRAINING, flags_of

from dmgan_tf.training.session import session

pytestmark = pytest.mark.slow
TINY_DAMSM = flags_of(dataclasses.replace(PRETRAINING, epochs=2000, strategy="multi_worker")) + [
    "--resume"
]


def files_in(run):
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())


def values_after_5_steps(run):
    with np.load(run / "checkpoints/step-00000005.npz") as file:
        return {name: file[name] for name in file.files if name != "metadata"}


def assert_equal(one, other, tolerance, optimizer_tolerance):
    """Every value is equal to a share of the largest of its variable, or of 1 if that is less."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        scale = max(1.0, float(np.max(np.abs(value), initial=0.0)))
        share = optimizer_tolerance if "optimizer/" in name else tolerance
        np.testing.assert_allclose(
            other[name].astype(float), value, rtol=0, atol=share * scale, err_msg=name
        )


@pytest.fixture(scope="module")
def runs(prepared_data, damsm_directory, two_replicas, tmp_path_factory):
    """The same trainings on one device, on two replicas and by two workers."""
    directory = tmp_path_factory.mktemp("runs")
    paths = {name: directory / name for name in ("one", "two_replicas", "two_workers")}
    for path in paths.values():
        path.mkdir()
    program = [several_workers.__file__, prepared_data, damsm_directory, paths["two_workers"]]
    with Workers(program, directory) as workers:
        several_workers.train(prepared_data, damsm_directory, paths["one"], "default")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "get_strategy", lambda name: two_replicas)
            several_workers.train(prepared_data, damsm_directory, paths["two_replicas"], "mirrored")
        assert workers.end() == [0, 0], workers.report()
    return paths


@pytest.mark.parametrize("training", ["damsm", "dmgan"])
def test_equality(runs, training):
    """Weights, optimizer, average, batch norm, singular vectors, seeds: after five steps of Adam.

    Not to the bit: the sums over the batch, of losses, gradients and statistics of batch norm, are
    made in parts, and Adam divides by the size of gradients, which magnifies the rounding of small
    ones. Two replicas and two workers make the same parts.
    """
    one, replicas, workers = (values_after_5_steps(path / training) for path in runs.values())
    assert_equal(one, replicas, 5e-5, 1e-3)
    assert_equal(one, workers, 5e-5, 1e-3)
    assert_equal(replicas, workers, 1e-6, 1e-6)


def test_only_the_chief_writes(runs):
    """One file of everything, with the names that a run on one device gives them."""
    for training in ("damsm", "dmgan"):
        one, workers = (
            {name for name in files_in(runs[which] / training) if not name.startswith("logs/")}
            for which in ("one", "two_workers")
        )
        assert one == workers and len(one) > 5
        logs = [name for name in files_in(runs["two_workers"] / training) if "logs/" in name]
        assert len(logs) == 1


def test_workers_that_disagree(prepared_data, tmp_path):
    """Each of them says what differs, and nothing is left behind."""
    run = tmp_path / "run"
    arguments = ["-m", "dmgan_tf.pretrain_damsm", f"--data={prepared_data}", f"--run={run}"]
    also = {1: ["--learning_rate=0.003"]}
    with Workers([*arguments, *TINY_DAMSM], tmp_path, also=also) as workers:
        assert workers.end() == [2, 2], workers.report()
        for index in range(2):
            (line,) = workers.lines(index, "error:")
            assert "same configuration. Received: another one on worker 1" in line
    assert not run.exists()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_is_killed(prepared_data, tmp_path, victim):
    """The other ends with one line; the run goes on from what was saved, until SIGTERM to one."""
    run = tmp_path / "run"
    arguments = ["-m", "dmgan_tf.pretrain_damsm", f"--data={prepared_data}", f"--run={run}"]
    with Workers([*arguments, *TINY_DAMSM], tmp_path) as workers:
        workers.wait_until((run / "checkpoints/step-00000006.npz").exists)
        workers.processes[victim].kill()
        statuses = workers.end()
        assert statuses[victim] == -signal.SIGKILL
        assert statuses[1 - victim] == 4, workers.report()
        (line,) = workers.lines(1 - victim, "error:")
        assert f"no more from worker {victim}" in line and "--resume" in line
    before = max(int(path.stem[5:]) for path in (run / "checkpoints").glob("step-*.npz"))
    with Workers([*arguments, *TINY_DAMSM], tmp_path) as workers:
        next_epoch = run / f"checkpoints/step-{before // 3 * 3 + 3:08d}.npz"
        workers.wait_until(next_epoch.exists)
        workers.processes[victim].send_signal(signal.SIGTERM)
        assert workers.end() == [75, 75], workers.report()
        (one,), (other,) = (workers.lines(index, "stopped by SIGTERM") for index in range(2))
        assert one == other and "saved; continue with --resume" in one
    assert "lock" not in files_in(run)


def test_progress_is_the_chiefs(runs):
    """The lines of epochs come from worker 0 alone."""
    outputs = sorted(runs["two_workers"].parent.glob("worker-*.txt"))
    texts = [output.read_text(encoding="utf-8") for output in outputs]
    assert [text.count("epoch 2/2: ") for text in texts] == [2, 0]
