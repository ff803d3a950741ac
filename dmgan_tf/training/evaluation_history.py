"""The evaluations of a run on disk, and which of them is the best."""

import json
import logging
import os
import pathlib
from collections.abc import Mapping

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import write_text

MODEL_ENTRY = "evaluation"  # where the config.json of the best model keeps its evaluation


class EvaluationHistory:
    """The evaluations of a run, one JSON line each, and the best of the comparable ones.

    FIDs are comparable only if everything but the model was the same, so an evaluation with another
    protocol, network or number of images stays in the file but is ignored in comparisons. The best
    one is used only while its model exists.

    Args:
        path: The file, `evaluations.jsonl`; it need not exist.
        best_model: The model directory of the best one; it need not exist.
        comparison: What scores must share to be comparable, as a JSON value.
        step: The current step of the run; entries of later steps are dropped.

    Raises:
        InputError: If the file contains something else.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        best_model: str | os.PathLike,
        comparison: Mapping,
        step: int,
    ):
        self.path = pathlib.Path(path)
        self._comparison = json.loads(json.dumps(comparison))  # as it will be read back
        everything = _read(self.path)
        self._entries = [entry for entry in everything if entry["step"] <= step]
        self._num_dropped = len(everything) - len(self._entries)
        # Lower ones may precede it, of deleted models.
        kept = _kept(best_model)
        self._best = kept if kept in self._comparable() else None
        self._model_is_gone = self._best is None and bool(self._comparable())

    @property
    def best(self) -> dict | None:
        """The evaluation of the saved best model."""
        return self._best

    def find(self, step: int) -> dict | None:
        """Returns the evaluation of a step's model in this way, if there was one."""
        return next((entry for entry in self._comparable() if entry["step"] == step), None)

    def is_best(self, entry: Mapping) -> bool:
        """Returns whether an evaluation is better than the saved model's; the first one is."""
        return self._best is None or entry["fid"] < self._best["fid"]

    def entry(self, epoch: int, step: int, scores: Mapping) -> dict:
        """Returns the entry of an evaluation after so many epochs and steps."""
        return {"epoch": epoch, "step": step, **scores, **self._comparison}

    def add(self, entry: dict) -> None:
        """Writes an evaluation into the file; the best one's model must be saved before."""
        if self.is_best(entry):
            self._best = entry
        self._entries.append(entry)
        self._write()

    def begin(self) -> None:
        """Removes the dropped entries from the file, and logs what is not comparable, and why."""
        if self._num_dropped:
            self._write()
            logging.info(
                "%s: %d evaluations after the step from which the run continues are dropped",
                self.path,
                self._num_dropped,
            )
        new = "A new comparison of models begins, since "
        if self._entries and not self._comparable():
            changed = [
                f"{key} was {_short(self._entries[-1].get(key))}, is {_short(value)}"
                for key, value in self._comparison.items()
                if self._entries[-1].get(key) != value
            ]
            logging.warning(
                f"{new}FIDs of %s are not comparable with new ones: %s.",
                self.path,
                ", ".join(changed),
            )
        if self._model_is_gone:
            logging.warning(f"{new}the best one of %s is not kept beside it", self.path)

    def _comparable(self):
        return [
            entry
            for entry in self._entries
            if all(entry.get(key) == value for key, value in self._comparison.items())
        ]

    def _write(self):
        write_text(self.path, "".join(f"{json.dumps(entry)}\n" for entry in self._entries))


def _read(path):
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n")):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            entry["fid"] + entry["step"] + entry["epoch"]  # noqa: B018  numbers, all three
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"Expected an evaluation in line {number + 1} of {path}. Received: {line[:60]!r}. "
                "Remove the file; a new comparison then begins."
            ) from error
        entries.append(entry)
    return entries


def _kept(best_model):
    """The evaluation of the model at `best_model`; None if there is none."""
    try:
        config = json.loads((pathlib.Path(best_model) / "config.json").read_text(encoding="utf-8"))
        return config.get(MODEL_ENTRY)
    except (OSError, ValueError, AttributeError):
        return None


def _short(value):
    return value[:12] if isinstance(value, str) else value
