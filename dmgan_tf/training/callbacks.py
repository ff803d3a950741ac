"""Keras callbacks that report and save a run. Use them with `model.fit(verbose=0)`."""

import collections
import sys
import time

import keras
import tensorflow as tf
import tqdm

_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class Progress(keras.callbacks.Callback):
    """One bar for the whole run, and one line an epoch.

    The speed shown is that of the last steps; what is done at an epoch's end, such as validation
    and saving, does not count. Where stderr is no terminal (a log file, a build server) there is
    no bar, only the lines.

    Args:
        total_steps: Steps of the whole run, those before a resumption included.
        batch_size: Examples a step, over all devices.
        initial_step: Steps that were taken before.
        metrics: Names of the logs to show on the bar; None for the first four.
        epoch_metrics: Names of the logs in the line of an epoch; None for all.
        window: How many steps the speed is measured over.
        epochs: Epochs of the whole run; None for those of the current `fit`.
    """

    def __init__(
        self,
        total_steps,
        batch_size,
        initial_step=0,
        metrics=None,
        epoch_metrics=None,
        window=50,
        epochs=None,
    ):
        super().__init__()
        self.total_steps = total_steps
        self.batch_size = batch_size
        self.step = initial_step
        self.epochs = epochs
        self.shown = metrics
        self.epoch_shown = epoch_metrics
        self._durations = collections.deque(maxlen=window)
        self._bar = None
        self._last_end = None

    def on_train_begin(self, logs=None):
        self._bar = tqdm.tqdm(
            total=self.total_steps,
            initial=self.step,
            unit="step",
            file=sys.stderr,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
            bar_format=_BAR,
        )

    def on_train_batch_begin(self, batch, logs=None):
        if self._last_end is None:
            self._last_end = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        self._durations.append(now - self._last_end)
        self._last_end = now
        self.step += 1
        self._bar.set_postfix_str(self._describe(logs, self.shown, 4), refresh=False)
        self._bar.update(1)

    def on_epoch_end(self, epoch, logs=None):
        self._last_end = None  # what stands between two epochs is not training
        epochs = self.epochs or self.params["epochs"]
        figures = self._describe(logs, self.epoch_shown, None)
        self._bar.write(f"epoch {epoch + 1}/{epochs}: {figures}", file=sys.stderr)
        sys.stderr.flush()

    def on_train_end(self, logs=None):
        self._bar.close()

    def images_per_second(self):
        """Training examples a second over the last steps; 0 before the first."""
        total = sum(self._durations)
        return len(self._durations) * self.batch_size / total if total > 0 else 0.0

    def _describe(self, logs, names, count):
        logs = logs or {}
        names = list(logs)[:count] if names is None else [name for name in names if name in logs]
        parts = [f"{name}={logs[name]:.4g}" for name in names]
        return ", ".join([*parts, f"{self.images_per_second():.1f} images/s"])


class EpochMeans(keras.callbacks.Callback):
    """Makes the logs of an epoch's end the means over its steps, instead of the last step's.

    For training steps that log scalars of their own batch. Put it before the callbacks that report.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._sums = collections.defaultdict(float)
        self._num_steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self._num_steps += 1
        for name, value in logs.items():
            self._sums[name] += value

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: total / self._num_steps for name, total in self._sums.items()})


class ScalarLogger(keras.callbacks.Callback):
    """Writes every log as a TensorBoard scalar, by global step.

    Args:
        log_dir: Directory of the event files.
        every: Steps between two records. The logs of an epoch's end are always recorded.
        initial_step: Steps that were taken before.
    """

    def __init__(self, log_dir, every=10, initial_step=0):
        super().__init__()
        self.log_dir = log_dir
        self.every = every
        self.step = initial_step
        self._writer = None

    def on_train_begin(self, logs=None):
        self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % self.every == 0:
            self._write("", logs)

    def on_epoch_end(self, epoch, logs=None):
        self._write("epoch/", logs)
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()

    def _write(self, prefix, logs):
        with self._writer.as_default(step=self.step):
            for name, value in (logs or {}).items():
                tf.summary.scalar(prefix + name, value)


class CheckpointSaver(keras.callbacks.Callback):
    """Saves a checkpoint at the end of every epoch, and between if wanted.

    Args:
        store: A `CheckpointStore`.
        variables: Dict of names and variables, everything that the next step depends on.
        every: Also save after each so many steps; None for at the ends of epochs only.
        initial_step: Steps that were taken before.
        metadata: Dict stored beside; `"epochs_done"` is added.
    """

    def __init__(self, store, variables, every=None, initial_step=0, metadata=None):
        super().__init__()
        self.store = store
        self.named_variables = variables
        self.every = every
        self.step = initial_step
        self.metadata = metadata or {}
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.every and self.step % self.every == 0:
            self._save(self._epoch)

    def on_epoch_end(self, epoch, logs=None):
        self._save(epoch + 1)

    def _save(self, epochs_done):
        metadata = {**self.metadata, "epochs_done": epochs_done}
        self.store.save(self.step, self.named_variables, metadata)
