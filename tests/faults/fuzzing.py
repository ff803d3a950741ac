"""What the two fuzzers share: a bounded run of libFuzzer in a process of its own, and its verdict.

Atheris is no dependency of the tests. Install it by itself (`pip install atheris`) and start a
fuzzer as a program; what it finds is kept as an ordinary test beside the parser it was found in.
"""

import argparse
import dataclasses
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable

_FINAL = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SECONDS_AN_INPUT = 10
_MEGABYTES = 1024


@dataclasses.dataclass(frozen=True)
class Target:
    """A parser to be fuzzed.

    Args:
        instrumented: Names of the modules whose branches are counted.
        make_check: Gives the function of one input; called after those modules were instrumented.
            The function raises whatever is not the parser's own `InputError` of one line.
        seeds: Inputs to start from.
        words: Byte strings that the parser looks for, which chance would take long to meet.
    """

    instrumented: tuple[str, ...]
    make_check: Callable[[], Callable[[bytes], None]]
    seeds: Iterable[bytes]
    words: Iterable[bytes]


def check_message(error: Exception) -> None:
    """Raises an `AssertionError` unless an error's message is one line of readable length."""
    message = str(error)
    assert "\n" not in message and "\r" not in message, f"more than one line: {message!r}"
    assert len(message) < 2_000, f"a message of {len(message)} characters"


def main(program: str, target: Target) -> None:
    """Runs a fuzzer for `--seconds`, and prints what it did and found.

    Args:
        program: `__file__` of the fuzzer, which starts itself again as the process to watch.
        target: What is fuzzed.
    """
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        _fuzz(target, sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description="Fuzzes a parser, led by the branches it takes.")
    parser.add_argument("--seconds", type=int, default=60, help="How long (default: 60).")
    parser.add_argument("--seed", type=int, default=1, help="Of the mutations (default: 1).")
    parser.add_argument("--corpus", help="Where to keep the inputs that led further.")
    parser.add_argument("--crashes", default=".", help="Where to leave inputs that failed.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        seeds = scratch / "seeds"
        seeds.mkdir()
        for number, seed in enumerate(target.seeds):
            (seeds / f"{number:04d}").write_bytes(seed)
        dictionary = scratch / "words"
        dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        corpus = pathlib.Path(options.corpus or scratch / "corpus")
        corpus.mkdir(parents=True, exist_ok=True)
        crashes = pathlib.Path(options.crashes).resolve()
        crashes.mkdir(parents=True, exist_ok=True)
        flags = [
            f"-max_total_time={options.seconds}",
            f"-seed={options.seed}",
            f"-timeout={_SECONDS_AN_INPUT}",
            f"-rss_limit_mb={_MEGABYTES}",
            f"-dict={dictionary}",
            f"-artifact_prefix={crashes}/",
            "-max_len=65536",
            "-print_final_stats=1",
        ]
        command = [sys.executable, program, "--child", *flags, str(corpus), str(seeds)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    sys.exit(_report(done, pathlib.Path(program).stem))


def _fuzz(target: Target, flags: list[str]) -> None:
    import atheris

    sys.path.insert(0, str(_ROOT))
    with atheris.instrument_imports(include=list(target.instrumented)):
        check = target.make_check()
    atheris.Setup(["fuzz", *flags], check)
    atheris.Fuzz()


def _report(done, name: str) -> int:
    """Prints the figures of a finished run; the exit status is 1 if it found something."""
    figures = {key: int(value) for key, value in _FINAL.findall(done.stderr)}
    coverage = _COVERAGE.findall(done.stderr)
    if done.returncode:
        print(done.stderr[-4000:])
    if not coverage:
        print(f"{name}: did not start")
        return 1
    edges, features, inputs = coverage[-1]
    print(
        f"{name}: {figures.get('number_of_executed_units', 0):,} executions, "
        f"{edges} edges, {features} features, {inputs} inputs kept, slowest "
        f"{figures.get('slowest_unit_time_sec', 0)} s, peak "
        f"{figures.get('peak_rss_mb', 0)} MB: "
        + ("something found, see above" if done.returncode else "nothing found")
    )
    return int(done.returncode != 0)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)
