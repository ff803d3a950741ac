"""Commands whose disk becomes full: `python tests/faults/full_disk.py`.

Each writes to a small file system in memory, with so little space left that a certain file does not
fit. It must say so in one line and exit with status 2, leave no part of a file, and leave alone
what was there; once there is space, the same command line must end with what it ends with on a
large disk. Where mounting is not allowed, the largest size of a file is limited instead, which can
stop fewer of the writers.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

if __name__ == "__main__":
    sys.path[:0] = map(str, pathlib.Path(__file__).resolve().parents[1:3])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from faults import tiny_run
from faults.disk_cases import COLOURS, Case, cases

_DISK = "size=8m"
_SECONDS = 300  # beside other work on a loaded machine
_FULL = re.compile("disk full|No space left on device|File too large")


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a case.

    Args:
        name: Of the case.
        how: By what the disk was made full; None where it could not be.
        line: The error line.
        problems: What was not as it must be; survived if nothing.
    """

    name: str
    how: str | None
    line: str
    problems: list[str]


class SmallDisk:
    """A file system of a few MB in memory; a context, that unmounts it."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    def __enter__(self):
        self.path.mkdir(parents=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", _DISK, "tmpfs", self.path],
            check=True,
            capture_output=True,
        )
        return self

    def __exit__(self, *exception):
        subprocess.run(["umount", self.path], check=True)

    def leave(self, space: int) -> None:
        """Fills the disk until so many bytes are left, in whole pages."""
        self.free()
        found = os.statvfs(self.path)
        filling = found.f_bavail - -(-space // found.f_frsize)
        (self.path / "filling").write_bytes(bytes(filling * found.f_frsize))

    def free(self) -> None:
        """Makes space again."""
        (self.path / "filling").unlink(missing_ok=True)


def can_mount(scratch: pathlib.Path) -> bool:
    """Whether this process may mount a file system in memory."""
    try:
        with SmallDisk(scratch / "may-mount"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def make_inputs(inputs: pathlib.Path, chosen: list[Case]) -> None:
    """Writes what the commands read, and `undisturbed/`: what they write on a large disk."""
    tiny_run.make_inputs(inputs)
    (inputs / "colours.py").write_text(COLOURS)
    for case in [cases()[0], *chosen]:
        expected = inputs / "undisturbed" / case.output
        if not expected.exists():
            status, stderr = execute(case.make_line(inputs, expected))
            if status:
                raise RuntimeError(f"{case.name}: {stderr[-2000:]}")


def execute(command_line, largest_file=None):
    """Runs a command, with a limit for its files if given: `(exit status, its stderr)`."""

    def limit():
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))

    done = subprocess.run(
        command_line,
        cwd=tiny_run.ROOT,
        env=tiny_run.environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
        preexec_fn=None if largest_file is None else limit,
    )
    return done.returncode, done.stderr


def try_case(case: Case, inputs: pathlib.Path, place: pathlib.Path, mounts: bool) -> Result:
    """Runs the command of a case on a disk that becomes full, and again with space.

    Args:
        case: Which.
        inputs: What `make_inputs` wrote.
        place: A new directory for it.
        mounts: Whether a small disk can be mounted; else the size of files is limited.

    Returns:
        Its `Result`.
    """
    expected, largest_file = inputs / "undisturbed" / case.output, None
    if not mounts:
        if case.largest_file is None:
            return Result(case.name, None, "", [])
        largest_file = case.largest_file(expected)
    with contextlib.ExitStack() as stack:
        (place / "large").mkdir(parents=True)
        output = place / "large" / case.output
        if mounts:
            disk = stack.enter_context(SmallDisk(place / "small"))
            output = _output_on(disk, case, place)
        if case.earlier is not None:
            output.write_bytes(case.earlier)
        if mounts:
            disk.leave(case.space(expected))
        status, stderr = execute(case.make_line(inputs, output), largest_file)
        line, problems = _verdict(status, stderr)
        problems += _condition(output)
        if case.earlier is not None and output.read_bytes() != case.earlier:
            problems.append("what stood there is gone")
        if mounts and case.kept and not (output / case.kept).exists():
            problems.append(f"{case.kept} is gone")
        if mounts:
            disk.free()
        status, stderr = execute(case.make_line(inputs, output))
        if status:
            problems.append(f"with space it ended with {status}: {stderr[-1500:]}")
        else:
            problems += [f"{name} differs" for name in case.is_same(expected, output)]
            problems += _condition(output)
    return Result(case.name, "tmpfs" if mounts else "RLIMIT_FSIZE", line, problems)


def _output_on(disk, case, place):
    """Where the command is to write, so that what `case` names comes to the small disk."""
    if case.only is None:
        return disk.path / case.output
    if case.only == ".":  # all but the parts of a run directory that would take the space
        output = disk.path / case.output
        output.mkdir()
        for part in ("checkpoints", "samples", "logs"):
            (place / "large" / part).mkdir()
            (output / part).symlink_to(place / "large" / part)
        return output
    output = place / "large" / case.output
    output.mkdir()
    (disk.path / case.only).mkdir()
    (output / case.only).symlink_to(disk.path / case.only)
    return output


def _verdict(status, stderr):
    """The error line of a command, and what is wrong with how it ended."""
    lines = [line for line in stderr.splitlines() if line.startswith("error: ")]
    problems = [] if status == 2 else [f"exit status {status}"]
    if len(lines) != 1:
        problems.append(f"{len(lines)} error lines")
    elif not _FULL.search(lines[0]):
        problems.append("it does not say that the disk is full")
    if "Traceback" in stderr:
        problems.append(f"a traceback: {stderr[-1500:]}")
    return "; ".join(lines), problems


def _condition(output):
    """What is wrong with the files that a command left."""
    problems = [f"{name} is left" for name in tiny_run.leftovers(output.parent)]
    return problems + tiny_run.broken_files(output)


def table(results: list[Result]) -> str:
    """The figures, one line a case."""
    lines = [f"{'written':28}{'full by':14}outcome"]
    for result in results:
        outcome = "; ".join(result.problems) or "survived"
        lines.append(f"{result.name:28}{result.how or '-':14}{outcome if result.how else '-'}")
        if result.line:
            lines.append(f"    {result.line}")
    tried = [result for result in results if result.how]
    lost = sum(bool(result.problems) for result in tried)
    lines.append(f"tried {len(tried)}, survived {len(tried) - lost}, lost {lost}")
    if len(tried) < len(results):
        lines.append(f"not tried, for mounting is not allowed: {len(results) - len(tried)}")
    return "\n".join(lines)


def run_cases(chosen: list[Case], scratch: pathlib.Path, mounts: bool) -> list[Result]:
    """Tries cases one after another."""
    make_inputs(scratch / "inputs", chosen)
    return [
        try_case(case, scratch / "inputs", scratch / str(number), mounts)
        for number, case in enumerate(chosen)
    ]


def main() -> int:
    """Tries all cases and prints the table; the exit status is 1 if one was lost."""
    parser = argparse.ArgumentParser(description="Lets the disk of every writer become full.")
    parser.add_argument("--case", action="append", help="Only this one; repeatable.")
    parser.add_argument("--limit_files", action="store_true", help="Even if mounting is allowed.")
    options = parser.parse_args()
    chosen = [case for case in cases() if not options.case or case.name in options.case]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        mounts = not options.limit_files and can_mount(scratch)
        results = run_cases(chosen, scratch, mounts)
    print(table(results))
    return int(any(result.problems for result in results))


if __name__ == "__main__":
    sys.exit(main())
