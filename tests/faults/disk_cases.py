"""What is written to a disk that becomes full: the commands, and how much space is too little."""

import dataclasses
import pathlib
from collections.abc import Callable

from faults import tiny_run

EPOCHS = 3
_PAGE = 4096  # of which a file system in memory gives whole ones
COLOURS = """
import numpy as np

def features(images):
    means = images.mean(axis=(1, 2)) / 255
    return {"features": np.concatenate([means, means**2], axis=1), "logits": 10 * means}
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """A file that does not fit.

    Args:
        name: What is written.
        make_line: Gives the command line, of the inputs and the output.
        output: What the command writes, a name on the disk.
        is_same: Names what differs between the output and that on a large disk.
        space: Bytes left, of the output on a large disk.
        largest_file: Bytes of the second best, of the same; None where it cannot stop this one.
        only: The part of a run directory that is on the small disk; all of it if None.
        earlier: What stands at `output` before, and must afterwards.
        kept: A file in `output` that had been written before the disk was full.
    """

    name: str
    make_line: Callable[[pathlib.Path, pathlib.Path], list[str]]
    output: str
    is_same: Callable[[pathlib.Path, pathlib.Path], list[str]]
    space: Callable[[pathlib.Path], int]
    largest_file: Callable[[pathlib.Path], int] | None = None
    only: str | None = None
    earlier: bytes | None = None
    kept: str | None = None


def cases() -> list[Case]:
    """The cases, those that train first."""
    return [*_of_training(), *_of_commands()]


def _of_training():
    def train(inputs, output):
        return tiny_run.training(inputs, output, EPOCHS)

    def case(name, space, **options):
        return Case(name, train, "run", tiny_run.differences, space, **options)

    return [
        case("flags of a run", lambda run: 0),
        case(
            "checkpoint",
            lambda run: round(1.6 * _largest(run / "checkpoints")),
            largest_file=lambda run: _half_a_file(run / "checkpoints"),
            kept="checkpoints/step-00000002.npz",
        ),
        case(
            "sample sheet",
            lambda run: 2 * _largest(run / "samples") + _PAGE,
            only="samples",
            kept="samples/latest.png",
        ),
        case(
            "model directory",
            lambda run: round(1.5 * size_of(run / "model")),
            only=".",
            kept="model/config.json",
        ),
        case("TensorBoard logs", lambda run: 0, only="logs"),
        case("TensorBoard logs, later", lambda run: size_of(run / "logs") // 2, only="logs"),
    ]


def _of_commands():
    def line(name, destination, **flags):
        def make_line(inputs, output):
            values = {flag: str(value).format(inputs=inputs) for flag, value in flags.items()}
            values[destination] = output
            return tiny_run.command(name, *(f"--{flag}={value}" for flag, value in values.items()))

        return make_line

    def evaluation(destination):
        flags = {"model": "{inputs}/undisturbed/run", "data": "{inputs}/data"}
        flags |= {"features": "{inputs}/colours.py", "metrics": "fid,is", "num_splits": 2}
        flags |= {"num_images": 12, "output": "{inputs}/report.json"}
        return line("evaluate", destination, **flags)

    def case(name, output, make_line, is_same, earlier=None):
        def part(expected):
            return size_of(expected) // 2 if earlier is None else 0

        return Case(name, make_line, output, is_same, part, _half_a_file, earlier=earlier)

    model = {"model": "{inputs}/undisturbed/run"}
    pictures = {**model, "caption": "a red disc", "num_samples": 12}
    prepare = line("prepare_data", "output", source="{inputs}/folder", image_size=32)
    images, statistics = evaluation("save_images"), evaluation("save_statistics")
    report = evaluation("output")
    return [
        case("TFRecord", "data", prepare, different_files),
        case("sample", "samples", line("sample", "output", **pictures), different_files),
        case("export", "export", line("export", "output", **model), different_names),
        case("evaluate --save_images", "images", images, different_files),
        case("evaluate --save_statistics", "real.npz", statistics, different_files, b"earlier"),
        case("evaluate --output", "scores.json", report, different_names, b'{"scores": []}'),
    ]


def size_of(path: pathlib.Path) -> int:
    """Bytes of a file, or of all the files of a directory."""
    paths = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in paths if each.is_file())


def _largest(path):
    paths = path.rglob("*") if path.is_dir() else [path]
    return max(each.stat().st_size for each in paths if each.is_file())


def _half_a_file(path):
    return _largest(path) // 2


def different_files(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """The files that two outputs do not have alike."""
    one, other = _contents(one), _contents(other)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def different_names(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """The files that one of two outputs does not have."""
    return sorted(_contents(one).keys() ^ _contents(other).keys())


def _contents(path):
    paths = path.rglob("*") if path.is_dir() else [path] * path.is_file()
    return {str(each.relative_to(path)): each.read_bytes() for each in paths if each.is_file()}
