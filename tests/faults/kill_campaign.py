"""Runs that are killed at moments of chance: `python tests/faults/kill_campaign.py --kills=20`.

A small run of `train` gets SIGKILL again and again, while it starts, while it trains, and while it
writes a checkpoint, a sample sheet, a model or its note of an epoch's end, and goes on by the same
command line. What it ends with must be what the run that nobody killed ended with, byte for byte.
Then the same with some kills of `pretrain_damsm`.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import pty
import random
import re
import signal
import subprocess
import sys
import tempfile
import termios
import time
import zipfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
EPOCHS = {"train": 12, "pretrain_damsm": 6}
AIMS = {  # how many of ten kills are to fall where
    "train": {"start-up": 2, "step": 3, "checkpoint": 2, "sheet": 1, "model": 1, "note": 1},
    "pretrain_damsm": {"start-up": 2, "step": 3, "checkpoint": 3, "model": 2},
}
_WRITING = {  # what a temporary name in the run directory is of, and of which process
    "checkpoint": re.compile(r"checkpoints/\.step-\d+\.(\d+)\.tmp\.npz"),
    "sheet": re.compile(r"samples/\..+\.(\d+)\.tmp\.png"),
    "model": re.compile(r"\.model\.(\d+)\.(?:tmp|old)"),
    "note": re.compile(r"\.last_epoch\.(\d+)\.tmp\.json"),
    "flags": re.compile(r"\.flags\.(\d+)\.tmp\.txt"),
}
_BAR = re.compile(rb"\| +(\d+)/(\d+) \[")
_GOING_ON = re.compile(rb"from the checkpoint of step (\d+) of \d+")
_NEW = b"A new run of"
_SECONDS_BETWEEN_LOOKS = 0.0003
_SECONDS_A_PROCESS = 300  # beside other work on a loaded machine; a hang has no end


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill.

    Args:
        aim: In the middle of what: a key of `AIMS`.
        step: Not before the run has come so far.
        share: Of the time that it takes, how much is to pass first, in [0, 1).
    """

    aim: str
    step: int
    share: float


@dataclasses.dataclass
class Kill:
    """One kill and what came of it.

    Args:
        command: Of which command.
        aim: Where it was to fall.
        place: Where it fell, by what was left in the run directory.
        reached: The last step that was finished.
        saved: The step of the newest checkpoint.
        problems: What was not as it must be; survived if nothing.
    """

    command: str
    aim: str
    place: str
    reached: int
    saved: int
    problems: list[str]


def plan(command: str, kills: int, total_steps: int, chance: random.Random) -> list[Moment]:
    """Moments spread over the whole run, in their order."""
    aims = [aim for aim, count in AIMS[command].items() for _ in range(count)]
    chance.shuffle(aims)
    aims = [aims[number % len(aims)] for number in range(kills)]
    # The last of them a little before the end, so that what is waited for still comes.
    steps = sorted(chance.randrange(max(1, total_steps - 4)) for _ in aims)
    return [Moment(aim, step, chance.random()) for aim, step in zip(aims, steps, strict=True)]


class Process:
    """A training process, watched by its bar and its run directory.

    Attributes:
        started_from: The step that it says it goes on from; None before it does.
        reached: The last step that it finished; None before it shows.
        exit_status: None while it runs.
    """

    def __init__(self, command_line, run):
        from faults.tiny_run import ROOT, environment

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
    def has_trained(self):
        """Whether it has finished a step of its own."""
        return self.reached is not None and self.reached > (self.started_from or 0)

    def look(self):
        """Reads what it said since, and returns what it is writing: keys of `_WRITING`."""
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
    """What has a temporary name of a process in a run directory: keys of `_WRITING`."""
    names = []
    for part in ("", "checkpoints/", "samples/"):
        try:
            names += [f"{part}{name}" for name in os.listdir(run / part) if name[0] == "."]
        except OSError:  # not there yet
            continue
    matches = {what: map(pattern.fullmatch, names) for what, pattern in _WRITING.items()}
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
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    trained = process.seconds - (first or 0)
    process.close()
    if process.exit_status or not process.has_trained:
        raise RuntimeError(f"it ended with {process.exit_status}: {_said(process)}")
    durations = {what: sum(each) / len(each) for what, each in spans.items()}
    return {**durations, "start-up": first, "step": trained / process.reached}


def strike(command_line, run, moment, durations) -> Process:
    """Starts a command and kills it at a moment, unless it ends before."""
    process = Process(command_line, run)
    delay = moment.share * durations.get(moment.aim, 0)
    while process.exit_status is None:
        writing = process.look()
        if moment.aim == "start-up":
            is_due = process.seconds >= delay
        else:
            is_there = moment.aim in writing or moment.aim == "step"
            is_due = is_there and process.has_trained and process.reached >= moment.step
            if is_due:
                time.sleep(delay)
        if is_due:
            process.kill()
            return process
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    process.close()
    return process


def run_campaign(command: str, inputs, scratch, kills: int, seed: int = 0, on_kill=None):
    """Kills a run so many times; a run that ends before its time is followed by another.

    Args:
        command: `"train"` or `"pretrain_damsm"`.
        inputs: What `tiny_run.make_inputs` wrote.
        scratch: A directory for the runs.
        kills: How many.
        seed: Of the moments.
        on_kill: Called with each `Kill`, if given.

    Returns:
        The list of `Kill`.
    """
    from faults import tiny_run

    make_line = {"train": tiny_run.training, "pretrain_damsm": tiny_run.pretraining}[command]
    chance, epochs = random.Random(f"{seed}/{command}"), EPOCHS[command]
    undisturbed, results = scratch / f"{command}-undisturbed", []
    durations = watch(make_line(inputs, undisturbed, epochs), undisturbed)
    while len(results) < kills:
        run = scratch / f"{command}-{len(results)}"
        moments = plan(command, kills - len(results), epochs * tiny_run.BATCHES, chance)
        killed = _kill_and_go_on(command, make_line(inputs, run, epochs), run, moments, durations)
        if not killed:
            raise RuntimeError("a run ended before any kill")
        problems = [f"{name} differs" for name in tiny_run.differences(undisturbed, run)]
        problems += [f"{name} is left" for name in tiny_run.leftovers(run)]
        for kill in killed:
            kill.problems.extend(problems)
            if on_kill is not None:
                on_kill(kill)
        results += killed
    return results


def _kill_and_go_on(command, command_line, run, moments, durations):
    """Kills one run at the moments and lets it end, which it may do before the last of them."""
    from faults.tiny_run import BATCHES

    kills, saved = [], 0
    for moment in [*moments, None]:
        if moment is None:
            process = Process(command_line, run)
            while process.exit_status is None:
                process.look()
                time.sleep(0.1)
            process.close()
        else:
            process = strike(command_line, run, moment, durations)
        if process.started_from not in (None, saved) and kills:
            kills[-1].problems.append(f"went on from step {process.started_from}, not {saved}")
        if process.exit_status == 0:
            break
        if process.exit_status != -signal.SIGKILL:
            kills[-1].problems.append(f"ended with {process.exit_status}: {_said(process)}")
            break
        saved = _newest(run)
        reached = process.reached if process.has_trained else saved
        place = place_of(run, process, BATCHES)
        kills.append(Kill(command, moment.aim, place, reached, saved, broken_files(run)))
    return kills


def _newest(run):
    from dmgan_tf.training.checkpoints import CheckpointStore

    return CheckpointStore(run / "checkpoints").latest() or 0


def place_of(run: pathlib.Path, process: Process, steps_per_epoch: int) -> str:
    """Where a process was killed, by what it left."""
    writing = being_written(run, process.number)
    for what in _WRITING:
        if what in writing:
            return f"{what}, writing"
    if not process.has_trained:
        return "start-up, first step"
    from dmgan_tf.training.run_directory import RunDirectory

    saved = _newest(run)
    if saved % steps_per_epoch == 0 and RunDirectory(run).last_epoch_end() != saved:
        return "end of an epoch"
    return "step"


def broken_files(run: pathlib.Path) -> list[str]:
    """The files under their final names that cannot be read."""
    broken = []
    for path in sorted(run.rglob("*")):
        inside = path.relative_to(run)
        if path.is_dir() or any(part.startswith(".") for part in inside.parts):
            continue
        try:
            _read_whole(path)
        except Exception as error:
            broken.append(f"{inside} cannot be read: {error}")
    return broken


def _read_whole(path):
    from faults.tiny_run import content
    from PIL import Image

    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ValueError("a wrong checksum")
    elif path.suffix == ".h5":
        content(path)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".txt" and not path.read_text(encoding="utf-8").endswith("\n"):
        raise ValueError("half a line")


def _said(process):
    return process.output[-1500:].decode("utf-8", "replace")


def table(kills: list[Kill]) -> str:
    """The figures: every kill, and how many of those at each place were survived."""
    lines = [f"{'':>4} {'command':16}{'fell in':24}{'reached':>8}{'saved':>7}{'lost':>6}  outcome"]
    for number, kill in enumerate(kills, 1):
        outcome = "; ".join(kill.problems) or "survived"
        lines.append(
            f"{number:>3}. {kill.command:16}{kill.place:24}{kill.reached:>8}{kill.saved:>7}"
            f"{kill.reached - kill.saved:>6}  {outcome}"
        )
    counts = collections.defaultdict(list)
    for kill in kills:
        counts[kill.place].append(kill)
    lines += ["", f"{'fell in':24}{'tried':>10}{'survived':>10}{'lost':>10}{'steps again':>14}"]
    for place, each in [*sorted(counts.items()), ("all", kills)]:
        lost = sum(bool(kill.problems) for kill in each)
        again = max(kill.reached - kill.saved for kill in each)
        lines.append(
            f"{place:24}{len(each):>10}{len(each) - lost:>10}{lost:>10}{f'{again} at most':>14}"
        )
    return "\n".join(lines)


def main() -> int:
    """Runs the campaign and prints its figures; the exit status is 1 if a run was lost."""
    parser = argparse.ArgumentParser(description="Kills training runs and lets them go on.")
    parser.add_argument("--kills", type=int, default=20, help="Of train (default: 20).")
    parser.add_argument("--pretraining_kills", type=int, default=5, help="(default: 5).")
    parser.add_argument("--seed", type=int, default=0, help="Of the moments (default: 0).")
    options = parser.parse_args()
    from faults.tiny_run import make_inputs

    results = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        make_inputs(scratch / "inputs")
        for command, kills in (
            ("train", options.kills),
            ("pretrain_damsm", options.pretraining_kills),
        ):
            results += run_campaign(command, scratch / "inputs", scratch, kills, options.seed)
    print(table(results))
    return int(any(kill.problems for kill in results))


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
