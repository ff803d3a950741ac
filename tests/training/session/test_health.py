"""What a run does about bad steps, with the training step's logs made up; then a whole run."""

import dataclasses
import logging

import numpy as np
import pytest
import tensorflow as tf
from several_workers import Workers
from tiny_training import CONFIG, PRETRAINING

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.errors import TrainingDiverged
from dmgan_tf.training.config import RunSettings
from dmgan_tf.training.distribution.replicated_model import ReplicatedModel
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.session.health import HealthMonitor
from dmgan_tf.training.session.session import Session

GOOD = {"generator_bad_steps": 0.0, "discriminators_bad_steps": 0.0, "damsm_loss": 3.0}
BAD = {
    "generator_bad_steps": 1.0,
    "discriminators_bad_steps": 0.0,
    "damsm_loss": np.inf,
    "discriminator_32_loss": 1.0,
    "generator_gradient_norm": np.nan,
}


class Checkpoints:
    """The steps that the next returns lead to; None for nothing there."""

    def __init__(self, *steps):
        self.steps = list(steps)

    def restore(self):
        return self.steps.pop(0)


def feed(monitor, *logs):
    for one in logs:
        monitor.on_train_batch_end(0, one)


def test_a_bad_step_is_told_of_once_in_a_row(caplog):
    caplog.set_level(logging.INFO)
    monitor = HealthMonitor(None, patience=3, initial_step=40)
    feed(monitor, GOOD)
    assert monitor.is_healthy
    feed(monitor, BAD, BAD)
    assert not monitor.is_healthy
    feed(monitor, GOOD, BAD, BAD, GOOD)
    assert monitor.is_healthy
    assert [record.getMessage() for record in caplog.records] == [
        f"Step {step} of generator is skipped, the weights stay unchanged: "
        "not finite: damsm_loss, generator_gradient_norm."
        for step in (42, 45)
    ]


def test_warnings_come_to_an_end(caplog):
    feed(HealthMonitor(None), *[BAD, GOOD] * 30)
    assert len(caplog.records) == 20
    assert caplog.records[-1].getMessage().endswith("Later ones are only counted.")


def test_both_networks_are_told_of_in_one_line(caplog):
    feed(HealthMonitor(None), {**BAD, "discriminators_bad_steps": 1.0, "a": np.inf, "b": -np.inf})
    assert caplog.text.count("Step ") == 1 and "generator and discriminators" in caplog.text
    assert "not finite: damsm_loss, generator_gradient_norm, a, b." in caplog.text


def test_bad_steps_of_two_networks_are_not_in_a_row():
    other = {**GOOD, "discriminators_bad_steps": 1.0, "discriminator_32_loss": np.nan}
    monitor = HealthMonitor(None, on_nan="stop", patience=2)
    feed(monitor, BAD, other, BAD, other)
    with pytest.raises(TrainingDiverged, match="row of discriminators .*: discriminator_32_loss"):
        feed(monitor, other)


def test_it_stops_if_told_to():
    monitor = HealthMonitor(None, on_nan="stop", patience=3)
    feed(monitor, GOOD, BAD, BAD)
    with pytest.raises(TrainingDiverged) as stopped:
        feed(monitor, BAD)
    message = str(stopped.value)
    assert message.startswith("training diverged at step 4: 3 steps in a row of generator were")
    assert "damsm_loss" in message and "lower learning rate" in message and "\n" not in message


def test_it_goes_back_three_times_to_one_checkpoint(caplog):
    monitor = HealthMonitor(Checkpoints(7, 7, 9, 9, 9, 9).restore, patience=2, initial_step=10)
    for _ in range(5):
        feed(monitor, BAD, BAD)
    assert "Continuing with the weights of step 7." in caplog.text
    with pytest.raises(TrainingDiverged, match="each of 3 rollbacks to the checkpoint of step 9"):
        feed(monitor, BAD, BAD)


def test_after_a_return_some_steps_go_by_before_the_next_checkpoint():
    monitor = HealthMonitor(Checkpoints(7, 7).restore, patience=3, initial_step=10)
    assert monitor.is_healthy
    feed(monitor, BAD)
    assert not monitor.is_healthy
    feed(monitor, GOOD)
    assert monitor.is_healthy
    feed(monitor, BAD, BAD, BAD, GOOD, BAD, GOOD)
    assert not monitor.is_healthy  # after one that is lucky
    feed(monitor, BAD, BAD, BAD)
    healthy = []
    for _ in range(7):
        feed(monitor, GOOD)
        healthy.append(monitor.is_healthy)
    assert healthy == [False] * 5 + [True] * 2
    feed(monitor, BAD)
    assert not monitor.is_healthy
    feed(monitor, GOOD)  # rare bad ones do not forbid checkpoints for ever
    assert monitor.is_healthy


def test_without_a_checkpoint_it_stops():
    monitor = HealthMonitor(Checkpoints(None).restore, patience=1)
    with pytest.raises(TrainingDiverged, match="there is no checkpoint to go back to"):
        feed(monitor, BAD)


def test_the_one_network_of_pretraining_is_the_damsm(caplog):
    monitor = HealthMonitor(None)
    feed(monitor, {"bad_steps": 1.0, "loss": np.nan, "image_gradient_norm": np.nan}, {})
    assert "Step 1 of DAMSM is skipped" in caplog.text
    assert "not finite: loss, image_gradient_norm." in caplog.text


def values_in(run):
    """Every number of every checkpoint and weight file of a run."""
    import h5py

    for path in (run / "checkpoints").glob("*.npz"):
        with np.load(path) as file:
            yield from (file[name] for name in file.files if file[name].dtype.kind == "f")
    for path in (run / "model").glob("*.weights.h5"):
        with h5py.File(path) as file:
            found = []
            file.visititems(lambda _, node, found=found: found.append(node))
            yield from (np.array(node) for node in found if isinstance(node, h5py.Dataset))


class LeavingAllBounds(ReplicatedModel):
    """A weight that grows by 1 a step, and from 4 on gives bad steps only."""

    def __init__(self):
        super().__init__()
        self.weight = self.add_weight(name="weight", initializer="zeros")
        self.steps_done = self.add_weight(name="steps_done", initializer="zeros")
        self.compile(optimizer="sgd", jit_compile=False)
        self.built = True

    def train_step(self, batch):
        is_good = self.weight.value < 4.0
        self.weight.assign_add(tf.cast(is_good, "float32"))
        self.steps_done.assign_add(1.0)
        return {"bad_steps": tf.cast(~is_good, "float32"), "loss": self.weight / (4 - self.weight)}


def test_a_run_goes_back_to_its_checkpoint_and_then_ends(prepared_data, tmp_path, caplog):
    config = dataclasses.replace(PRETRAINING, epochs=100)
    with Session(tmp_path / "run", config, RunSettings(nan_patience=2)) as run:
        run.scan(load_dataset_info(prepared_data))
        with run.building():
            model = LeavingAllBounds()
        variables = {"a/weight": model.weight, "a/steps_done": model.steps_done}
        run.restore(model, variables, steps_per_epoch=3)
        run.prepare()
        with pytest.raises(TrainingDiverged, match="3 rollbacks to the checkpoint of step 3"):
            run.fit(
                lambda first, last, **part: tf.data.Dataset.range(first, last), metrics=["loss"]
            )
        assert run.store.steps() == [3]
    assert caplog.text.count("Continuing with the weights of step 3.") == 3
    assert float(model.steps_done) == 3 + 4 * 3  # of which two each were bad
    with np.load(next((tmp_path / "run/checkpoints").glob("*.npz"))) as file:
        assert file["variables/a/weight"] == 3.0


@pytest.mark.slow
@pytest.mark.usefixtures("traced_once")
def test_a_run_whose_weights_leave_all_bounds_goes_back_and_then_ends(
    prepared_data, damsm_directory, tmp_path, caplog
):
    """One good epoch; then, resumed at an absurd learning rate, one good step and only bad ones."""
    run = tmp_path / "run"
    arguments = prepared_data, damsm_directory, run
    train_dmgan(dataclasses.replace(CONFIG, epochs=1), *arguments)
    config = dataclasses.replace(CONFIG, epochs=100, generator_learning_rate=1e20)
    with pytest.raises(TrainingDiverged, match="3 rollbacks to the checkpoint of step 3"):
        train_dmgan(config, *arguments, resume=True, settings=RunSettings(nan_patience=4))
    assert caplog.text.count("Continuing with the weights of step 3.") == 3
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000003.npz"]
    values = list(values_in(run))
    assert len(values) > 100 and all(np.all(np.isfinite(value)) for value in values)


def flags_of_a_run_that_diverges(data, damsm, run, **changes):
    config = dataclasses.replace(CONFIG, generator_learning_rate=1e20, epochs=30, **changes)
    flags = {**dataclasses.asdict(config), "data": data, "damsm": damsm, "run": run}
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


@pytest.mark.slow
@pytest.mark.parametrize("on_nan", ["rollback", "stop"])
def test_the_command_ends_with_one_line(
    run_command, prepared_data, damsm_directory, tmp_path, on_nan
):
    run = tmp_path / "run"
    flags = flags_of_a_run_that_diverges(prepared_data, damsm_directory, run)
    status, _, stderr = run_command("train", *flags, f"--on_nan={on_nan}", "--nan_patience=5")
    lines = [line for line in stderr.splitlines() if line.startswith("error:")]
    assert status == 3 and "Traceback" not in stderr
    assert len(lines) == 1 and "training diverged at step" in lines[0]
    assert all(np.all(np.isfinite(value)) for value in values_in(run))


@pytest.mark.slow
def test_two_workers_go_back_and_end_together(prepared_data, damsm_directory, tmp_path):
    """The only checkpoint is of the one good step, after which no weights are of use."""
    run = tmp_path / "run"
    flags = flags_of_a_run_that_diverges(
        prepared_data, damsm_directory, run, strategy="multi_worker"
    )
    arguments = ["-m", "dmgan_tf.train", *flags, "--checkpoint_every=1", "--nan_patience=2"]
    with Workers(arguments, tmp_path) as workers:
        assert workers.end() == [3, 3], workers.report()
        (one,), (other,) = (workers.lines(index, "error:") for index in range(2))
    assert one == other and "each of 3 rollbacks to the checkpoint of step 1" in one
    assert all(np.all(np.isfinite(value)) for value in values_in(run))
