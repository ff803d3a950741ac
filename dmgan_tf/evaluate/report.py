"""The report of an evaluation: a table, and JSON with everything needed to repeat it."""

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import tempfile

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.score import METRICS, Score
from dmgan_tf.files.atomic import write_text

FORMAT_VERSION = 1
_SHOWN = {name: shown for metric in METRICS.values() for name, shown in metric.scores.items()}
METRIC_NAMES = {name: shown.title for name, shown in _SHOWN.items()}
_PACKAGES = ("dmgan_tf", "keras", "tensorflow", "numpy", "keras-hub", "pillow")


def table(scores: list[Score]) -> str:
    """Returns the scores as lines of text, in columns, with their warnings below."""
    rows = [("metric", "protocol", "value", "images", "against")]
    notes = {}
    for score in scores:
        marks = [str(notes.setdefault(text, len(notes) + 1)) for text in score.warnings]
        mark = f" [{', '.join(marks)}]" if marks else ""
        rows.append(
            (
                METRIC_NAMES[score.metric] + mark,
                score.protocol,
                value_text(score),
                f"{score.num_images:,}",
                _against(score),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, tuple("-" * width for width in widths))
    right_aligned = {2, 3}
    lines = [
        "  ".join(
            cell.rjust(width) if column in right_aligned else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines + [f"[{number}] {text}." for text, number in notes.items()])


def value_text(score: Score) -> str:
    """Returns a score's value with its deviation and unit, such as `76.58 % ± 0.53`."""
    shown = _SHOWN[score.metric]
    text = f"{score.value:.{shown.digits}f}{shown.unit}"
    spread = score.standard_error if score.deviation is None else score.deviation
    return text if spread is None else f"{text} ± {spread:.{shown.digits}f}"


def check_output(path: str | os.PathLike) -> None:
    """Raises an `InputError` unless a report can be written to `path`, before scoring.

    Args:
        path: The file; it may be an earlier report, but nothing else.
    """
    path = pathlib.Path(path)
    if path.exists() and not _is_report(path):
        raise InputError(
            f"Expected --output=FILE.json, a new file or an earlier report. Received: {path}, "
            f"{'a directory' if path.is_dir() else 'which holds something else'}. Choose another."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.stem}.", suffix=".reference.partial.npz"
        ):
            pass  # the longest name of the files to be written
    except OSError as error:
        raise InputError(
            f"Expected a place where files can be written for --output={path}. Received: {error}. "
            "Choose another."
        ) from error


def _is_report(path):
    try:
        return "scores" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def write_report(path: str | os.PathLike, scores: list[Score], details: dict) -> None:
    """Writes the JSON: the scores, then everything that is needed to repeat them.

    Args:
        path: The file to write.
        scores: What `score_images` returned.
        details: Images, reference, protocols, judges, settings and flags, as JSON values.
    """
    content = {
        "format_version": FORMAT_VERSION,
        "scores": [dataclasses.asdict(score) for score in scores],
        **details,
        "versions": versions(),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    # Paths need not be UTF-8; other bytes are written as JSON escapes.
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))


def versions() -> dict[str, str]:
    """Returns the versions of Python, the platform and the packages that numbers depend on."""
    found = {"python": sys.version.split()[0], "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _against(score: Score) -> str:
    if score.metric in ("fid", "kid"):
        return "statistics" if score.num_reference is None else f"{score.num_reference:,} real"
    beside = _SHOWN[score.metric].beside
    if score.chance is not None:
        return f"{beside} {score.chance:.2f} %"
    if score.num_groups is not None:
        return f"{score.num_groups:,} {beside}"
    return ""
