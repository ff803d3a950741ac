"""Signals that ask a training run to stop: it saves, and says how to continue."""

import contextlib
import os
import signal
import threading
from typing import NoReturn

import keras

from dmgan_tf.errors import Interrupted

# 75 is "try again later" (EX_TEMPFAIL): a job that may be queued again unchanged.
EXIT_STATUS = {signal.SIGTERM: 75, signal.SIGINT: 130}
_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}
if hasattr(signal, "SIGHUP"):  # the terminal was closed
    EXIT_STATUS[signal.SIGHUP], _NAMES[signal.SIGHUP] = 75, "SIGHUP"


class Interruption:
    """Stops a run without loss on SIGTERM, which ends preemptible machines, SIGHUP and Ctrl-C.

    Where every step taken is saved, as at start-up, in evaluation and while a model is written,
    the signal raises `Interrupted` at once. Otherwise the step is finished first, and saved by
    `CheckpointSaver`. Ctrl-C after any signal raises at once, even if steps are lost; another
    SIGTERM does not, as some systems send it to a whole group and to its leader again.

    It is a context. Outside the main thread Python allows no handlers, so there it does nothing,
    and so it does for a signal that the process was started to ignore.

    Args:
        several_workers: Whether there are other processes. From the first step on they stop
            together, in the next step, also where that comes after the long work at an epoch's end:
            a machine that ends earlier loses no trained step.
    """

    def __init__(self, several_workers: bool = False):
        self.several_workers = several_workers
        self.step = self.saved_step = 0
        self.is_within_step = False
        self._signal = None
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in EXIT_STATUS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

    @property
    def is_requested(self) -> bool:
        """Whether this process received a signal."""
        return self._signal is not None

    def stop(self) -> NoReturn:
        """Raises `Interrupted`, saying what is saved."""
        number = self._signal or signal.SIGTERM  # of another worker
        stopped = f"stopped by {_NAMES[number]}"
        if self.step == 0:
            after = "before the first step"
        elif self.saved_step == self.step:
            after = f"after step {self.step}, saved"
        else:
            after = f"after step {self.step}, saved as of step {self.saved_step}"
        raise Interrupted(f"{stopped} {after}; continue with --resume", EXIT_STATUS[number])

    def _receive(self, number, frame):
        is_impatient = self.is_requested and number == signal.SIGINT
        self._signal = signal.Signals(number)
        everything_is_saved = self.saved_step == self.step
        if is_impatient or (
            everything_is_saved and not (self.several_workers and self.is_within_step)
        ):
            self.stop()
        line = f"{_NAMES[number]}: saving after this step; Ctrl-C to stop at once\n"
        # Not print, which the signal may have interrupted. stderr may be closed.
        with contextlib.suppress(OSError):
            os.write(2, line.encode())


class StopRequests(keras.callbacks.Callback):
    """Exchanges stop requests with the other workers, with the logs of each step.

    Put it before the callbacks that read the logs: the entry `stop_requested`, how many workers
    were asked to stop, is removed from them.

    Args:
        interruption: The `Interruption` of this process.
    """

    def __init__(self, interruption: Interruption):
        super().__init__()
        self.interruption = interruption
        self.is_agreed = False

    def on_train_batch_begin(self, batch, logs=None):
        self.interruption.is_within_step = True
        request = getattr(self.model, "stop_requested", None)
        if request is not None and self.interruption.is_requested:
            request.assign(1.0)

    def on_train_batch_end(self, batch, logs=None):
        asked = (logs or {}).pop("stop_requested", 0.0) > 0
        self.interruption.is_within_step = self.interruption.several_workers
        self.interruption.step += 1
        self.is_agreed = bool(asked or self.came())

    def on_epoch_end(self, epoch, logs=None):
        (logs or {}).pop("stop_requested", None)  # `fit` passes the last step's logs again

    def on_train_end(self, logs=None):
        self.interruption.is_within_step = False

    def came(self) -> bool:
        """Returns whether this process received a signal and needs no agreement."""
        return self.interruption.is_requested and not self.interruption.several_workers
