"""Keras callbacks that report and save a run. Use them with `model.fit(verbose=0)`."""

import collections
import contextlib
import errno
import logging
import math
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.process.progress import progress_bar
from dmgan_tf.training.one_class import ONE_CLASS_BATCHES
from dmgan_tf.training.session.checkpoints import CheckpointStore
from dmgan_tf.training.session.interruption import StopRequests

BAD_STEPS = "bad_steps"  # the suffix of logs that are 1 for a skipped step, else 0
_COUNTED = (BAD_STEPS, ONE_CLASS_BATCHES)  # of an epoch, these are numbers and not means
_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
_SPEED_OVER = 50  # steps
_SCALARS_EVERY = 10  # steps; those of an epoch's end are always written


class Progress(keras.callbacks.Callback):
    """One bar for the whole run, and one line per epoch.

    The speed shown is that of the last steps, without the work at an epoch's end, such as
    validation and saving. Where stderr is not a terminal (a log file, a build server) there is no
    bar, but a line every ten seconds of a longer epoch.

    Args:
        epochs: Epochs of the whole run.
        total_steps: Steps of the whole run, including those before a resumption.
        batch_size: Examples per step, over all devices.
        initial_step: Steps that were taken before.
        metrics: Names of the logs on the bar.
        epoch_metrics: Names of the logs in the line of an epoch; None for all.
    """

    def __init__(
        self,
        epochs: int,
        total_steps: int,
        batch_size: int,
        initial_step: int,
        metrics: Sequence[str],
        epoch_metrics: Sequence[str] | None = None,
    ):
        super().__init__()
        self.epochs = epochs
        self.batch_size = batch_size
        self.metrics = metrics
        self.epoch_metrics = epoch_metrics
        self._durations = collections.deque(maxlen=_SPEED_OVER)
        self._last_end = None
        self._bar = progress_bar(
            total_steps, "step", "training", initial=initial_step, bar_format=_BAR
        )

    def on_train_batch_begin(self, batch, logs=None):
        if self._last_end is None:
            self._last_end = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        self._durations.append(now - self._last_end)
        self._last_end = now
        self._bar.set_postfix_str(self._describe(logs, self.metrics), refresh=False)
        self._bar.update(1)

    def on_epoch_end(self, epoch, logs=None):
        self._last_end = None  # the time between two epochs is not training
        figures = self._describe(logs, self.epoch_metrics)
        self._bar.write(f"epoch {epoch + 1}/{self.epochs}: {figures}", file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        """Closes the bar, also where training was interrupted."""
        self._bar.close()

    def images_per_second(self) -> float:
        """Returns the training examples per second over the last steps; 0 before the first."""
        total = sum(self._durations)
        return len(self._durations) * self.batch_size / total if total > 0 else 0.0

    def _describe(self, logs, wanted):
        counted = [name for name in logs if name.endswith(_COUNTED)]
        others = [name for name in logs if name not in counted]
        names = others if wanted is None else [name for name in wanted if name in others]
        parts = [f"{name}={logs[name]:.4g}" for name in names]
        parts += [f"{name}={logs[name]:.0f}" for name in counted if logs[name] > 0]
        return ", ".join([*parts, f"{self.images_per_second():.1f} images/s"])


class EpochMeans(keras.callbacks.Callback):
    """Replaces the logs at an epoch's end, those of the last step, by the means over all steps.

    For training steps that log scalars of their own batch. Put it before the callbacks that report.
    Values of skipped steps that are not finite are ignored; for bad steps and batches of one class
    the log is their number.

    Args:
        state: The `state` of another one that was interrupted within the epoch, to continue.
    """

    def __init__(self, state: Mapping | None = None):
        super().__init__()
        self._sums = collections.defaultdict(float, (state or {}).get("sums", {}))
        self._counts = collections.Counter((state or {}).get("counts", {}))

    def state(self) -> dict:
        """Returns the sums over this epoch's steps so far, as a JSON value."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def on_train_batch_end(self, batch, logs=None):
        for name, value in logs.items():
            if math.isfinite(value):
                self._sums[name] += float(value)
                self._counts[name] += 1

    def on_epoch_end(self, epoch, logs=None):
        for name, total in self._sums.items():
            logs[name] = total if name.endswith(_COUNTED) else total / self._counts[name]
        self._sums.clear()
        self._counts.clear()


class ScalarLogger(keras.callbacks.Callback):
    """Writes the logs as TensorBoard scalars, by global step.

    Args:
        log_dir: Directory of the event files.
        initial_step: Steps that were taken before.
    """

    def __init__(self, log_dir: pathlib.Path, initial_step: int = 0):
        super().__init__()
        self.log_dir = log_dir
        self.step = initial_step
        self._writer = None

    def on_train_begin(self, logs=None):
        with self._telling_of_a_full_disk():
            self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % _SCALARS_EVERY == 0:
            self._write("", logs)

    def on_epoch_end(self, epoch, logs=None):
        self._write("epoch/", logs)
        with self._telling_of_a_full_disk():
            self._writer.flush()

    def on_train_end(self, logs=None):
        self.close()

    def close(self) -> None:
        """Writes the logs still in memory, also where training was interrupted."""
        if self._writer is not None:
            with self._telling_of_a_full_disk():
                self._writer.close()

    @contextlib.contextmanager
    def _telling_of_a_full_disk(self):
        try:
            yield
        except tf.errors.OpError as error:
            full = os.strerror(errno.ENOSPC)
            if full not in error.message:
                raise
            raise InputError(
                f"disk full while writing the TensorBoard logs {self.log_dir} ({full}). Free some "
                "space and continue with --resume."
            ) from error

    def _write(self, prefix, logs):
        with self._telling_of_a_full_disk(), self._writer.as_default(step=self.step):
            for name, value in logs.items():
                tf.summary.scalar(prefix + name, value)


class CheckpointSaver(keras.callbacks.Callback):
    """Saves a checkpoint after the last step of every epoch, and in between if requested.

    It is written before the work at an epoch's end, so that an interruption there loses no step; a
    run that continues from it repeats that work. Stops the run if requested.

    Args:
        store: The `CheckpointStore`.
        variables: Everything that the next step depends on, by name.
        steps_per_epoch: Steps of an epoch.
        every: Also save every so many steps; None for after epochs only.
        initial_step: Steps that were taken before.
        metadata: Function that returns a dict to store with the variables.
        requests: The `StopRequests` of the run.
        is_healthy: Function that says whether the weights are worth restoring; while they are not,
            saving is postponed.
    """

    def __init__(
        self,
        store: CheckpointStore,
        variables: Mapping,
        steps_per_epoch: int,
        every: int | None,
        initial_step: int,
        metadata: Callable[[], dict],
        requests: StopRequests,
        is_healthy: Callable[[], bool],
    ):
        super().__init__()
        self.store = store
        self.named_variables = variables
        self.steps_per_epoch = steps_per_epoch
        self.every = every
        self.step = initial_step
        self.metadata = metadata
        self.requests = requests
        self.is_healthy = is_healthy
        self._is_owed = False

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        ends_epoch = self.step % self.steps_per_epoch == 0
        is_due = self._is_owed or ends_epoch or (self.every and self.step % self.every == 0)
        stops, is_healthy = self.requests.is_agreed, self.is_healthy()
        if is_due and not is_healthy and not self._is_owed:
            logging.warning("No checkpoint at step %d: saving waits for good steps.", self.step)
        self._is_owed = bool(is_due and not is_healthy)
        if (is_due or stops) and is_healthy:
            self.save()
            stops = stops or self.requests.came()  # a signal that came while it was written
        if stops:
            self.requests.interruption.stop()

    def save(self) -> None:
        """Saves the state after the last step."""
        self.store.save(self.step, self.named_variables, self.metadata())
        self.requests.interruption.saved_step = self.step
