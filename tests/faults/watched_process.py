"""A training process that is watched while it runs, and may be killed."""

import collections
import os
import pathlib
import pty
import re
import signal
import subprocess
import termios
import time

from faults.tiny_run import ROOT, environment

WRITING = {  # what a temporary name in the run directory is of, and of which process
    "checkpoint": re.compile(r"checkpoints/\.step-\d+\.(\d+)\.tmp\.npz"),
    "sheet": re.compile(r"samples/\..+\.(\d+)\.tmp\.png"),
    "replacing": re.compile(r"\.model\.(\d+)\.old"),
    "model": re.compile(r"\.model\.(\d+)\.tmp"),
    "note": re.compile(r"\.last_epoch\.(\d+)\.tmp\.json"),
    "flags": re.compile(r"\.flags\.(\d+)\.tmp\.txt"),
}
_BAR = re.compile(rb"\| +(\d+)/(\d+) \[")
_GOING_ON = re.compile(rb"from the checkpoint of step (\d+) of \d+")
_NEW = b"A new run of"
SECONDS_BETWEEN_LOOKS = 0.0003
_SECONDS_A_PROCESS = 300  # beside other work on a loaded machine; a hang has no end


class Process:
    """A training process, watched by its bar and its run directory.

    Attributes:
        started_from: The step that it says it goes on from; None before it does.
        reached: The last step that it finished; None before it shows.
        exit_status: None while it runs.
    """

    def __init__(self, command_line, run):
        self.run = run
        self.started_from = self.reached = None
        self.output = b""
        self._terminal, terminal = pty.openpty()  # only there it draws a bar, which counts steps
        termios.tcsetwinsize(terminal, (50, 400))
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            command_line,
            cwd=ROOT,
            env={**environment(), "TQDM_MININTERVAL": "0"},
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        os.set_blocking(self._terminal, False)

    @property
    def exit_status(self):
        return self._process.poll()

    @property
    def number(self):
        """That of the operating system."""
        return self._process.pid

    @property
    def seconds(self):
        """How long it has been running."""
        return time.monotonic() - self._started

    @property
    def last_words(self):
        """The end of what it said."""
        return self.output[-1500:].decode("utf-8", "replace")

    @property
    def has_trained(self):
        """Whether it has finished a step of its own."""
        return self.reached is not None and self.reached > (self.started_from or 0)

    def look(self):
        """Reads what it said since, and returns what it is writing: keys of `WRITING`."""
        self._read()
        if self.seconds > _SECONDS_A_PROCESS:
            self.kill()
            raise TimeoutError(f"a hang of more than {_SECONDS_A_PROCESS} s")
        return being_written(self.run, self.number)

    def kill(self):
        """Kills it and reads the last it said."""
        self._process.send_signal(signal.SIGKILL)
        self.close()

    def close(self):
        """Waits for its end."""
        self._process.wait()
        self._read()
        os.close(self._terminal)

    def _read(self):
        try:
            while said := os.read(self._terminal, 65536):
                self.output += said
        except OSError:  # nothing there now, or its end
            pass
        if self.started_from is None:
            if match := _GOING_ON.search(self.output):
                self.started_from = int(match.group(1))
            elif _NEW in self.output:
                self.started_from = 0
        if steps := _BAR.findall(self.output[-4000:]):
            self.reached = int(steps[-1][0])


def being_written(run: pathlib.Path, process: int) -> set[str]:
    """What has a temporary name of a process in a run directory: keys of `WRITING`."""
    names = []
    for part in ("", "checkpoints/", "samples/"):
        try:
            names += [f"{part}{name}" for name in os.listdir(run / part) if name[0] == "."]
        except OSError:  # not there yet
            continue
    matches = {what: map(pattern.fullmatch, names) for what, pattern in WRITING.items()}
    return {
        what
        for what, found in matches.items()
        if any(match and int(match.group(1)) == process for match in found)
    }


def watch(command_line, run) -> dict[str, float]:
    """Runs a command to its end, and measures in seconds how long what it does takes."""
    process = Process(command_line, run)
    spans, since = collections.defaultdict(list), {}
    first = None
    while process.exit_status is None:
        writing, now = process.look(), time.monotonic()
        for what in writing - since.keys():
            since[what] = now
        for what in since.keys() - writing:
            spans[what].append(now - since.pop(what))
        if first is None and process.has_trained:
            first = process.seconds
        time.sleep(SECONDS_BETWEEN_LOOKS)
    trained = process.seconds - (first or 0)
    process.close()
    if process.exit_status or not process.has_trained:
        raise RuntimeError(f"it ended with {process.exit_status}: {process.last_words}")
    durations = {what: sum(each) / len(each) for what, each in spans.items()}
    return {**durations, "start-up": first, "step": trained / process.reached}
