"""Handling of steps whose loss or gradient is not finite."""

import logging
import math
from collections.abc import Callable, Mapping

import keras

from dmgan_tf.errors import TrainingDiverged
from dmgan_tf.training.session.callbacks import BAD_STEPS

_MAX_ROLLBACKS = 3  # to one checkpoint
_MAX_WARNINGS = 20  # so that a run with many bad steps does not fill the disk with warnings
_MAX_NAMES = 4
_ADVICE = (
    "Try a lower learning rate, or --precision=float32 or bfloat16 where it is float16; "
    "TensorBoard shows which values grew before"
)


class HealthMonitor(keras.callbacks.Callback):
    """Reports bad steps, and after too many in a row restores the last checkpoint or stops.

    The training step itself skips a bad step (`GuardedStep`); a few, by a rare overflow or an
    unusual image, are harmless. Many in a row mean weights from which training cannot recover:
    finite, but so large that the loss is not. Put it before the callback that saves checkpoints,
    which should not save while `is_healthy` is false.

    A collapse without any such step is visible in TensorBoard only: see the help of `train`.

    Args:
        restore: Function that loads the last checkpoint into the networks, except for the count of
            steps, so that data and noise advance; returns its step, or None if there is none.
        on_nan: `"rollback"` or `"stop"`.
        patience: Consecutive bad steps of one network after which it acts, at least 1.
        initial_step: Steps that were taken before.
    """

    def __init__(
        self,
        restore: Callable[[], int | None],
        on_nan: str = "rollback",
        patience: int = 10,
        initial_step: int = 0,
    ):
        super().__init__()
        self.restore = restore
        self.on_nan = on_nan
        self.patience = patience
        self.step = initial_step
        self._in_a_row = {}
        self._restored_step = None
        self._num_rollbacks = 0
        self._on_trial_to = initial_step
        self._num_warnings = 0

    @property
    def is_healthy(self) -> bool:
        """Whether the weights are worth restoring.

        The last step was good; and after a rollback, twice `patience` steps were taken. Otherwise
        one good step after each rollback would make a new checkpoint, and the rollbacks would never
        end.
        """
        return self.step >= self._on_trial_to and not any(self._in_a_row.values())

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Reads the flags of bad steps in the logs of a step.

        Raises:
            TrainingDiverged: If there is nothing left to try.
        """
        self.step += 1
        new, lost = [], []
        for flag, value in (logs or {}).items():
            if flag.endswith(BAD_STEPS):
                network = flag.removesuffix(BAD_STEPS).rstrip("_") or "DAMSM"
                count = self._in_a_row[network] = self._in_a_row.get(network, 0) + 1 if value else 0
                new += [network] * (count == 1)
                lost += [network] * (count >= self.patience)
        if new:
            self._warn(new, logs)
        if lost:
            self._act(lost, logs)

    def _warn(self, networks, logs):
        self._num_warnings += 1
        if self._num_warnings <= _MAX_WARNINGS:
            logging.warning(
                "Step %d of %s is skipped, the weights stay unchanged: not finite: %s.%s",
                self.step,
                " and ".join(networks),
                _what_is_not_finite(networks, logs),
                " Later ones are only counted." if self._num_warnings == _MAX_WARNINGS else "",
            )

    def _act(self, networks, logs):
        problem = (
            f"training diverged at step {self.step}: {self.patience} steps in a row of "
            f"{' and '.join(networks)} were not finite: {_what_is_not_finite(networks, logs)}"
        )
        if self.on_nan == "stop":
            raise TrainingDiverged(
                f"{problem}. {_ADVICE}; --resume continues from the last checkpoint."
            )
        step = self.restore()
        if step is None:
            raise TrainingDiverged(f"{problem}; there is no checkpoint to go back to. {_ADVICE}.")
        self._num_rollbacks = self._num_rollbacks + 1 if step == self._restored_step else 1
        self._restored_step = step
        if self._num_rollbacks > _MAX_ROLLBACKS:
            raise TrainingDiverged(
                f"{problem}; the same after each of {_MAX_ROLLBACKS} rollbacks to the checkpoint "
                f"of step {step}. {_ADVICE}; --resume continues from it, or, if its file is moved "
                "away, from the one before."
            )
        logging.warning("%s. Continuing with the weights of step %d.", problem, step)
        self._in_a_row.clear()
        self._on_trial_to = self.step + 2 * self.patience


def _what_is_not_finite(networks, logs):
    """The names of the logs that are not finite, losses and norms of gradients first."""
    names = [name for name, value in logs.items() if not math.isfinite(value)]
    if len(networks) == 1:
        wanted = networks == ["discriminators"]
        names = [name for name in names if name.startswith("discriminator_") == wanted]
    names.sort(key=lambda name: (not name.endswith("loss"), not name.endswith("gradient_norm")))
    more = [f"{len(names) - _MAX_NAMES} more"] if len(names) > _MAX_NAMES else []
    return ", ".join([*names[:_MAX_NAMES], *more])
