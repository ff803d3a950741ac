"""A thousand malformed inputs: `python tests/faults/malformed_inputs.py`.

Each is a sound file, damaged by chance from a seed, given to the command or the function that reads
it. It must work, or be refused by one line; never another exception, a crash, more than some
seconds or more than some memory, and nothing half-written. The cases run one after another in a
process of their own, so that a crash or a hang is seen and has a name.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import random
import selectors
import subprocess
import sys
import tempfile
import time
import traceback

TESTS = pathlib.Path(__file__).resolve().parents[1]
SECONDS_A_CASE = 60  # beside other work on a loaded machine; a hang has no end
MEGABYTES_A_CASE = 700  # over what the process took before
_SECONDS_TO_START = 300
_LONGEST_MESSAGE = 2_000
_OUTCOMES = ("accepted", "refused", "failed")


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one case.

    Args:
        kind: Its kind.
        number: Which of the kind; with the kind and the seed, it makes the case again.
        outcome: `accepted`, `refused` or `failed`.
        message: What was said, if it was not accepted.
        seconds: How long it took.
        megabytes: By how much the process' largest size grew.
    """

    kind: str
    number: int
    outcome: str
    message: str
    seconds: float
    megabytes: float


def run_campaign(cases, scratch: pathlib.Path, seed: int = 0, on_result=None) -> list[Result]:
    """Runs cases one after another.

    Args:
        cases: Pairs of a kind's name and a number.
        scratch: A directory for the originals and the cases.
        seed: Of the damages.
        on_result: Called with each `Result`, if given.

    Returns:
        The results in order.
    """
    results, worker = [], None
    try:
        for kind, number in cases:
            worker = worker or _Worker(scratch, seed)
            result = worker.run(kind, number)
            if worker.ended or result.megabytes > MEGABYTES_A_CASE:
                worker.close()
                worker = None
            results.append(result)
            if on_result is not None:
                on_result(result)
    finally:
        if worker is not None:
            worker.close()
    return results


def all_cases(share: float = 1.0):
    """The cases of the campaign, or of each kind a share of them, at least two."""
    from faults.kinds import KINDS

    return [
        (kind.name, number) for kind in KINDS for number in range(max(2, round(kind.count * share)))
    ]


def table(results: list[Result]) -> str:
    """The figures, one line a kind."""
    counts = collections.defaultdict(collections.Counter)
    for result in results:
        for name in (result.kind, "all"):
            counts[name][result.outcome] += 1
    total = counts.pop("all")
    rows = [("kind", "tried", *_OUTCOMES)]
    for name, counter in [*counts.items(), ("all", total)]:
        rows.append((name, counter.total(), *(counter[outcome] for outcome in _OUTCOMES)))
    lines = [f"{row[0]:24}" + "".join(f"{value:>10}" for value in row[1:]) for row in rows]
    slowest = max(results, key=lambda result: result.seconds)
    largest = max(results, key=lambda result: result.megabytes)
    lines.append(f"slowest: {slowest.seconds:.1f} s ({slowest.kind} {slowest.number})")
    lines.append(f"most memory: {largest.megabytes:.0f} MB ({largest.kind} {largest.number})")
    return "\n".join(lines)


class _Worker:
    """The process that runs cases, and what it says of each as a line of JSON."""

    def __init__(self, scratch, seed):
        self.ended = False
        environment = {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_BACKEND": "tensorflow",
            "PYTHONFAULTHANDLER": "1",
            "MALLOC_ARENA_MAX": "4",
        }
        self._log = open(scratch / "worker.log", "w+b")
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker", str(scratch), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
        )
        if self._line(_SECONDS_TO_START) != b"ready\n":
            raise RuntimeError(f"the worker did not start: {self._log_end()}")

    def run(self, kind, number) -> Result:
        started = time.monotonic()
        self._process.stdin.write(json.dumps([kind, number]).encode() + b"\n")
        self._process.stdin.flush()
        line = self._line(SECONDS_A_CASE)
        seconds = time.monotonic() - started
        if line:
            outcome, message, megabytes = json.loads(line)
            return Result(kind, number, outcome, message, seconds, megabytes)
        self.ended = True
        message = f"a hang of more than {SECONDS_A_CASE} s"
        if line is not None:
            message = f"the process ended with {self._process.wait()}"
        return Result(kind, number, "failed", f"{message}: {self._log_end()}", seconds, 0.0)

    def close(self):
        if self.ended:
            self._process.kill()
        else:
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _line(self, seconds):
        """The next line; empty if the process has ended, None if none came in time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if selector.select(seconds) else None

    def _log_end(self):
        self._log.flush()
        self._log.seek(0)
        return self._log.read()[-1500:].decode("utf-8", "replace")


def _work(scratch: pathlib.Path, seed: int) -> None:
    """Runs the cases that come in as lines, and answers each with a line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the log
    from faults.originals import make_originals

    originals = scratch / "originals"
    if not originals.exists():
        make_originals(scratch / "making")
        (scratch / "making").rename(originals)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(run_case(*json.loads(line), scratch, seed)), file=answers, flush=True)


def run_case(name: str, number: int, scratch: pathlib.Path, seed: int = 0):
    """Runs one case in this process, which it may end: `(outcome, message, megabytes)`.

    The originals lie in `scratch/originals`.
    """
    from faults.kinds import KINDS
    from faults.planted import PLANTED
    from faults.readers import clear_output
    from peak_memory import peak_megabytes

    from dmgan_tf.errors import InputError

    kind = next(kind for kind in (*KINDS, *PLANTED) if kind.name == name)
    place = scratch / "case"
    clear_output(place)
    random_state = random.Random(f"{seed}/{kind.name}/{number}")
    try:
        kind.make(scratch / "originals", place, random_state)
    except Exception:
        return "failed", f"the case could not be made: {traceback.format_exc()[-2000:]}", 0.0
    before, peak = _listing(place), peak_megabytes()
    outcome, message = "accepted", ""
    try:
        kind.read(place, random_state)
    except InputError as error:
        outcome, message = "refused", str(error)
        if len(message) > _LONGEST_MESSAGE or "\n" in message or "\r" in message:
            outcome, message = "failed", f"not one readable line: {message[:500]!r}"
    except BaseException:
        outcome, message = "failed", traceback.format_exc()[-3000:]
    grown = peak_megabytes() - peak
    left = [path for path in _listing(place) - before if not _may_stay(path, outcome)]
    if outcome != "failed" and left:
        outcome, message = "failed", f"left behind after it was {outcome}: {sorted(left)[:5]}"
    if outcome != "failed" and grown > MEGABYTES_A_CASE:
        outcome, message = "failed", f"grew by {grown:.0f} MB"
    return outcome, message, grown


def _listing(place):
    return {str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir()}


def _may_stay(path: str, outcome: str) -> bool:
    """Whether a file may be there after a case that was not there before."""
    name = path.rpartition("/")[2]
    if name.startswith(".") and ".tmp" in name:
        return False
    if name.endswith(".damaged"):
        return True  # a damaged checkpoint, moved aside
    # What `prepare_data` had finished it may keep, to go on from; without dataset.json it is
    # nothing to read.
    return path.startswith("out/") and (outcome == "accepted" or name != "dataset.json")


def main() -> int:
    """Runs the campaign and prints its figures; the exit status is 1 if a case failed."""
    parser = argparse.ArgumentParser(description="Gives every reader malformed inputs.")
    parser.add_argument("--seed", type=int, default=0, help="Of the damages (default: 0).")
    parser.add_argument("--share", type=float, default=1.0, help="Of the cases (default: 1.0).")
    parser.add_argument("--kind", help="Only this kind.")
    parser.add_argument("--number", type=int, help="Only this case of the kind.")
    parser.add_argument("--verbose", action="store_true", help="Print what each case came to.")
    options = parser.parse_args()
    cases = [
        (kind, number)
        for kind, number in all_cases(options.share)
        if options.kind in (None, kind) and options.number in (None, number)
    ]

    def show(result):
        if options.verbose or result.outcome == "failed":
            print(f"{result.kind} {result.number}: {result.outcome}: {result.message}", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        results = run_campaign(cases, pathlib.Path(scratch), options.seed, show)
    print(table(results))
    return int(any(result.outcome == "failed" for result in results))


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1:2] == ["--worker"]:
        _work(pathlib.Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main())
