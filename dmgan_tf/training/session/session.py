"""What every training run does around its steps: lock, restore, save, stop and report."""

import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import tensorflow as tf

from dmgan_tf.data.readable import ReadableRecords, reading, scan_split
from dmgan_tf.data.records import DatasetInfo
from dmgan_tf.errors import InputError
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.training.config import RunSettings, Settings
from dmgan_tf.training.distribution.replicas import (
    check_batch_size,
    distribute,
    get_strategy,
    is_chief,
    worker_of,
)
from dmgan_tf.training.distribution.workers import (
    check_agreement,
    chief_first,
    digest_of_variables,
    wait_for_workers,
    worker_loss,
)
from dmgan_tf.training.one_class import OneClassNotice
from dmgan_tf.training.session.callbacks import CheckpointSaver, EpochMeans, Progress, ScalarLogger
from dmgan_tf.training.session.checkpoints import CheckpointStore
from dmgan_tf.training.session.determinism import in_order, same_bits
from dmgan_tf.training.session.health import HealthMonitor
from dmgan_tf.training.session.interruption import Interruption, StopRequests
from dmgan_tf.training.session.run_directory import RunDirectory
from dmgan_tf.training.session.start_report import report_start


class Session:
    """One run in its directory: locked, restored, and saved so that it can continue.

    A context, to be entered before anything is built: it makes the strategy, handles signals, and
    locks the run directory. Within it: `scan` the data, `building` the networks, `restore`,
    `prepare` after all other input is checked, and `fit`.

    Args:
        run: The run directory.
        config: A `PretrainingConfig` or `DMGANConfig`.
        settings: How the run is saved and monitored.
        resume: Whether to continue a run in that directory.
        flags_text: Flags to save in the run directory, one per line.

    Attributes:
        directory: The `RunDirectory`.
        strategy: The `tf.distribute.Strategy`.
        is_chief: Whether this process is the one of several workers that writes.
        store: The `CheckpointStore`.
        step: Training steps taken before.
    """

    def __init__(
        self,
        run: str | os.PathLike,
        config: Settings,
        settings: RunSettings,
        resume: bool = False,
        flags_text: str = "",
    ):
        self.directory = RunDirectory(run)
        self.config = config
        self.settings = settings
        self.resume = resume
        self.flags_text = flags_text
        self.step = 0
        self._metadata, self._given = {}, {}
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        check_tensorflow("training")
        self.strategy = get_strategy(self.config.strategy)
        check_batch_size(self.config.batch_size, self.strategy)
        self.is_chief = is_chief(self.strategy)
        self.store = CheckpointStore(
            self.directory.checkpoints, self.settings.keep_checkpoints, writes=self.is_chief
        )
        self.interruption = Interruption(several_workers=worker_of(self.strategy)[1] > 1)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.interruption)
            if self.settings.deterministic:
                stack.enter_context(same_bits())
            self.directory.check(self.resume)
            if self.is_chief:
                stack.enter_context(self.directory.lock())
            stack.enter_context(worker_loss(self.strategy))
            stack.push(self._wait_at_end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def _wait_at_end(self, error_type, error, traceback):
        if error_type is None:
            wait_for_workers(self.strategy)  # the other workers wait until the chief has written

    @property
    def is_new(self) -> bool:
        """Whether there is no checkpoint to continue from."""
        return self.store.latest() is None

    def scan(self, info: DatasetInfo) -> ReadableRecords:
        """Returns which records of the training split can be read.

        Raises:
            InputError: If too many cannot.
        """
        self.info = info
        self.readable = scan_split(info, "train", self.settings.max_skipped_fraction)
        return self.readable

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Enters the strategy's scope to build networks; the seed sets their initial weights."""
        keras.utils.set_random_seed(self.config.seed)
        with self.strategy.scope():
            yield

    def restore(self, model: keras.Model, variables: Mapping, steps_per_epoch: int) -> int:
        """Continues from the newest undamaged checkpoint, if there is one.

        Args:
            model: The Keras model whose `fit` will run.
            variables: Everything that the next step depends on, by stable names.
            steps_per_epoch: Steps of an epoch.

        Returns:
            The number of training steps taken before.

        Raises:
            InputError: If the checkpoint is of another architecture or length of epochs.
        """
        self.model, self.variables, self.steps_per_epoch = model, variables, steps_per_epoch
        # The learning rates are variables, too; the current settings are used.
        with chief_first(self.strategy):  # it renames damaged files
            restored = self.store.restore(variables, self._named("learning_rate"))
        self._metadata = restored or {"step": 0}
        saved = self._metadata.get("steps_per_epoch", steps_per_epoch)
        if saved != steps_per_epoch:
            raise InputError(
                f"Expected {saved} steps per epoch, as in the run. Received: --batch_size and "
                f"--data that give {steps_per_epoch}. Give those in its flags.txt, or another "
                "--run."
            )
        self.step = self._metadata["step"]
        self.interruption.step = self.interruption.saved_step = self.step
        saved = {id(variable) for variable in variables.values()}
        self._given = {
            "data set": self.info.fingerprint,
            "selection of readable records": self.readable.digest,
            "DAMSM": digest_of_variables([w for w in model.weights if id(w) not in saved]),
            **model.described,
        }
        self._check_agreement()
        return self.step

    def _check_agreement(self):
        """Raises an error for workers with different settings, data, weights or steps."""
        if self.interruption.several_workers:
            versions = f"Keras {keras.version()}, TensorFlow {tf.version.VERSION}"
            parts = {
                "configuration": f"{versions}, {self.config}, {self.settings}",
                "data set": f"{self.info.fingerprint} {self.info.vocabulary_sha256}",
                "readable records": self.readable.digest,
                "step to continue from": str(self.step),
                "initial weights": digest_of_variables(
                    [*self.model.weights, *self.variables.values()]
                ),
            }
            check_agreement(self.strategy, parts)

    def roll_back(self) -> int | None:
        """Restores the newest undamaged checkpoint during training.

        The count of steps is kept, so that data and noise advance.

        Returns:
            The step of the checkpoint; None, and nothing changed, if there is none yet.
        """
        staying = self._named("learning_rate") | self._named("steps_done")
        with chief_first(self.strategy):
            metadata = self.store.restore(self.variables, staying)
        step = None if metadata is None else metadata["step"]
        check_agreement(self.strategy, {"checkpoint to roll back to": str(step)})
        return step

    def _named(self, name):
        return {full_name for full_name in self.variables if full_name.endswith(f"/{name}")}

    def prepare(self) -> None:
        """Writes the flags into the run directory, which starts the run."""
        if self.is_chief:
            self.directory.prepare(self.flags_text, self.resume)

    def fit(
        self,
        make_dataset: Callable,
        *,
        preparing: Sequence[keras.callbacks.Callback] = (),
        measuring: Sequence[keras.callbacks.Callback] = (),
        finishing: Sequence[keras.callbacks.Callback] = (),
        metrics: Sequence[str],
        epoch_metrics: Sequence[str] | None = None,
    ) -> None:
        """Trains from the step of `restore` to the last one of the configuration.

        Args:
            make_dataset: Returns the batches of the steps from `first` up to, not including,
                `last`; called with these and the keywords `worker` and `replicas_per_worker`.
            preparing: Callbacks of every worker that change the model at an epoch's begin.
            measuring: Callbacks that add to the logs of an epoch's end.
            finishing: Callbacks that draw and write at an epoch's end; it must be harmless to
                repeat the work of an epoch's end after an interruption.
            metrics: Names of the logs to show on the bar.
            epoch_metrics: Names of the logs in the line of an epoch; None for all.

        Raises:
            Interrupted: If a signal asked to stop; the run is saved first.
            TrainingDiverged: If losses or gradients stayed not finite.
            InputError: If the data are damaged, or the disk is full.
        """
        report_start(self, self.info, self.readable)
        self._warn_of_what_changed()
        ends_again = self._left_at_epoch_end()
        steps, total_steps = self.steps_per_epoch, self.config.epochs * self.steps_per_epoch
        if self.settings.deterministic and self.strategy.num_replicas_in_sync == 1:
            self.model.train_function = in_order(self.model.make_train_function())
        with contextlib.ExitStack() as stack:
            callbacks = [*preparing, *self._state_callbacks(stack, ends_again)]
            if self.is_chief:
                reporting = self._reporting_callbacks(stack, total_steps, metrics, epoch_metrics)
                ended = keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda *_: self.directory.note_epoch_end(self.interruption.step)
                )
                callbacks += [*measuring, *reporting, *finishing, ended]
            stack.enter_context(reading(self.info, self.readable))
            if ends_again:
                self._end_epoch_again(callbacks)
            # A run that stopped within an epoch first finishes that one.
            for first, last in _fit_ranges(self.step, steps, total_steps):
                self.model.fit(
                    distribute(self.strategy, functools.partial(make_dataset, first, last)),
                    initial_epoch=first // steps,
                    epochs=-(-last // steps),
                    steps_per_epoch=min(steps, last - first),
                    shuffle=False,  # the data set shuffles by itself
                    verbose=0,
                    callbacks=callbacks,
                )
        if self.readable.num_skipped:
            logging.warning("Trained without some records: %s", self.readable.summary())

    def _state_callbacks(self, stack, ends_again):
        """The callbacks of every worker, before any that write to terminals or disks.

        In the order of their dependencies.
        """
        requests = StopRequests(self.interruption)
        is_within_epoch = ends_again or self.step % self.steps_per_epoch
        means = EpochMeans(self._metadata.get("epoch_means") if is_within_epoch else None)
        monitor = HealthMonitor(
            self.roll_back, self.settings.on_nan, self.settings.nan_patience, self.step
        )
        beside = {**self._given, "steps_per_epoch": self.steps_per_epoch}
        saver = CheckpointSaver(
            self.store,
            self.variables,
            self.steps_per_epoch,
            every=self.settings.checkpoint_every,
            initial_step=self.step,
            metadata=lambda: {"epoch_means": means.state(), **beside},
            requests=requests,
            is_healthy=lambda: monitor.is_healthy,
        )
        stack.push(functools.partial(self._save_at_error, saver))
        return [requests, means, monitor, saver]

    def _reporting_callbacks(self, stack, total_steps, metrics, epoch_metrics):
        """The bar and TensorBoard, which are closed also when the run is interrupted."""
        epochs, batch_size = self.config.epochs, self.config.batch_size
        progress = Progress(epochs, total_steps, batch_size, self.step, metrics, epoch_metrics)
        scalars = ScalarLogger(self.directory.logs, self.step)
        stack.callback(progress.close)
        stack.callback(scalars.close)
        return [progress, scalars, OneClassNotice(self.steps_per_epoch)]

    def _save_at_error(self, saver, error_type, error, traceback):
        """Saves the last step when a missing shard or a full disk of the logs ends the run."""
        steps = self.interruption.step, self.interruption.saved_step
        if isinstance(error, InputError) and saver.step == steps[0] > steps[1]:
            if saver.is_healthy() and not self.interruption.several_workers:
                with contextlib.suppress(InputError, OSError):
                    saver.save()
                    logging.info("Saved after step %d, because the run ends here.", saver.step)

    def _warn_of_what_changed(self):
        """Logs inputs that differ from those of the checkpoint and are not visible in the flags."""
        before = self._metadata
        changed = [name for name, now in self._given.items() if before.get(name, now) != now]
        if changed:
            logging.warning(
                "Another %s than when step %d was saved: from here on the run differs from one "
                "that was not interrupted.",
                " and another ".join(changed),
                self.step,
            )

    def _left_at_epoch_end(self):
        """Whether the run stopped between an epoch's last checkpoint and the end of its work."""
        if self.step == 0 or self.step % self.steps_per_epoch:
            return False
        return self.directory.last_epoch_end() != self.step or not self.directory.model.exists()

    def _end_epoch_again(self, callbacks):
        epoch = self.step // self.steps_per_epoch - 1
        logging.info("The work at the end of epoch %d may be incomplete; repeating it.", epoch + 1)
        every = keras.callbacks.CallbackList(callbacks, model=self.model)
        every.on_train_begin()
        every.on_epoch_end(epoch, {})
        every.on_train_end()


def _fit_ranges(step, steps_per_epoch, total_steps):
    """The ranges of steps for successive calls of `fit`, which counts whole epochs only."""
    epoch_end = -(-step // steps_per_epoch) * steps_per_epoch
    ranges = [(step, epoch_end), (epoch_end, total_steps)]
    return [(first, last) for first, last in ranges if first < last <= total_steps]
