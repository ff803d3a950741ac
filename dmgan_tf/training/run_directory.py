"""The directory of a training run, and the rule that two runs never share one."""

import logging
import pathlib

from dmgan_tf.errors import InputError
from dmgan_tf.files import write_text


class RunDirectory:
    """Where a run keeps its flags, checkpoints, logs, samples, evaluations and models.

    Args:
        path: The directory; it need not exist.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)

    @property
    def flags_file(self):
        """The flags of the run, one a line, reloadable by `--flagfile`."""
        return self.path / "flags.txt"

    @property
    def checkpoints(self):
        """Directory of the checkpoints, from which a run resumes."""
        return self.path / "checkpoints"

    @property
    def logs(self):
        """Directory of the TensorBoard logs."""
        return self.path / "logs"

    @property
    def samples(self):
        """Directory of the sample sheets."""
        return self.path / "samples"

    @property
    def model(self):
        """The model directory, written anew at the end of every epoch."""
        return self.path / "model"

    @property
    def best(self):
        """The model directory of the lowest FID, where training is evaluated."""
        return self.path / "best"

    @property
    def evaluations(self):
        """The evaluations during training, one JSON line each."""
        return self.path / "evaluations.jsonl"

    def holds_a_run(self):
        """Whether a run was started here."""
        return self.flags_file.exists() or (
            self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        )

    def check(self, resume):
        """Refuses a directory that is not to be written to; changes nothing.

        Args:
            resume: Whether a run that stands here is to be continued. With nothing to continue, a
                run simply starts, so that one command line serves for every try of a job.

        Raises:
            InputError: If a run stands here and `resume` is False, or the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(
                f"Expected --run to be a directory. Received a file: {self.path}. "
                "Choose another --run."
            )
        if self.holds_a_run() and not resume:
            found = [path.name for path in (self.flags_file, self.checkpoints) if path.exists()]
            raise InputError(
                f"{self.path} already holds a run ({', '.join(found)}); "
                "give --resume to continue it or choose another --run."
            )

    def prepare(self, flags_text, resume):
        """Makes the directory and writes the flags of the run into it.

        To be called when nothing else can be wrong with the input: what the user has to correct
        must leave no trace here, least of all in the flags of a run that stands here.

        Args:
            flags_text: Flags, one a line, as absl reads them.
            resume: See `check`.

        Raises:
            InputError: See `check`.
        """
        self.check(resume)
        self._tell_of_changed_flags(flags_text)
        for directory in (self.checkpoints, self.logs, self.samples):
            directory.mkdir(parents=True, exist_ok=True)
        write_text(self.flags_file, flags_text.rstrip("\n") + "\n")

    def _tell_of_changed_flags(self, flags_text):
        """Names the flags that differ from those the run went on with so far."""
        if not self.flags_file.exists():
            return
        before, now = (
            set(text.split("\n")) - {""}
            for text in (self.flags_file.read_text(encoding="utf-8"), flags_text)
        )
        if before != now:
            logging.warning(
                "%s goes on with other flags: %s, instead of %s",
                self.path,
                " ".join(sorted(now - before)) or "none",
                " ".join(sorted(before - now)) or "none",
            )
