"""Runs that are killed at moments of chance: `python tests/faults/kill_campaign.py --kills=20`.

A small run of `train` gets SIGKILL again and again, while it starts, while it trains, and while it
writes a checkpoint, a sample sheet, a model or its note of an epoch's end, and goes on by the same
command line. What it ends with must be what the run that nobody killed ended with, byte for byte.
Then the same with some kills of `pretrain_damsm`.
"""

import argparse
import collections
import dataclasses
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

if __name__ == "__main__":
    sys.path[:0] = map(str, pathlib.Path(__file__).resolve().parents[1:3])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from faults import tiny_run
from faults.watched_process import SECONDS_BETWEEN_LOOKS, WRITING, Process, being_written, watch

from dmgan_tf.training.session.checkpoints import CheckpointStore
from dmgan_tf.training.session.run_directory import RunDirectory

EPOCHS = {"train": 12, "pretrain_damsm": 6}
AIMS = {  # how many of ten kills are to fall where
    "train": {"start-up": 2, "step": 2, "checkpoint": 2}
    | {"sheet": 1, "model": 1, "replacing": 1, "note": 1},
    "pretrain_damsm": {"start-up": 2, "step": 3, "checkpoint": 3, "model": 2},
}
_PLACES = {
    "checkpoint": "writing a checkpoint",
    "sheet": "writing a sheet",
    "replacing": "replacing the model",
    "model": "writing the model",
    "note": "noting an epoch's end",
    "flags": "writing the flags",
}


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill.

    Args:
        aim: In the middle of what: a key of `AIMS`.
        step: Not before the run has come so far.
        share: Of the time that it takes, how much is to pass first, in [0, 0.8).
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
    return [Moment(aim, step, 0.8 * chance.random()) for aim, step in zip(aims, steps, strict=True)]


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
        time.sleep(SECONDS_BETWEEN_LOOKS)
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
            problem = f"ended with {process.exit_status}: {process.last_words}"
            if not kills:
                raise RuntimeError(problem)
            kills[-1].problems.append(problem)
            break
        saved = _newest(run)
        # What was saved was finished, too, if only after the last look at the process.
        reached = max(process.reached, saved) if process.has_trained else saved
        place = place_of(run, process)
        kills.append(Kill(command, moment.aim, place, reached, saved, tiny_run.broken_files(run)))
    return kills


def _newest(run):
    return CheckpointStore(run / "checkpoints").latest() or 0


def place_of(run: pathlib.Path, process: Process) -> str:
    """Where a process was killed, by what it left."""
    writing = being_written(run, process.number)
    for what in WRITING:
        if what in writing:
            return _PLACES[what]
    if not process.has_trained:
        return "start-up, first step"
    saved = _newest(run)
    if saved % tiny_run.BATCHES == 0 and RunDirectory(run).last_epoch_end() != saved:
        return "end of an epoch"
    return "step"


def table(kills: list[Kill]) -> str:
    """The figures: every kill, and how many of those at each place were survived."""
    lines = [f"{'':>4} {'command':16}{'fell in':24}{'reached':>8}{'saved':>7}{'again':>7}  outcome"]
    for number, kill in enumerate(kills, 1):
        outcome = "survived"
        if kill.problems:
            outcome = f"lost: {kill.problems[0]}, {len(kill.problems) - 1} more"
        lines.append(
            f"{number:>3}. {kill.command:16}{kill.place:24}{kill.reached:>8}{kill.saved:>7}"
            f"{kill.reached - kill.saved:>7}  {outcome}"
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
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        tiny_run.make_inputs(scratch / "inputs")
        for command, kills in (
            ("train", options.kills),
            ("pretrain_damsm", options.pretraining_kills),
        ):
            results += run_campaign(command, scratch / "inputs", scratch, kills, options.seed)
    print(table(results))
    return int(any(kill.problems for kill in results))


if __name__ == "__main__":
    sys.exit(main())
