"""The file from which an interrupted evaluation continues."""

import json
import logging
import os
import pathlib
import time

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import replacing

_SECONDS_BETWEEN_SAVES = 60.0


class PartialResult:
    """The statistics accumulated so far, on disk; never images.

    Args:
        path: The file, `.npz`; the caller removes it once the report is written.
        identity: Everything that the numbers depend on, a dict of JSON values. A file of another
            identity is ignored.
        every: Seconds between two saves, and before the first.
    """

    def __init__(
        self, path: str | os.PathLike, identity: dict, every: float = _SECONDS_BETWEEN_SAVES
    ):
        self.path = pathlib.Path(path)
        self._identity = json.loads(json.dumps(identity))  # as it will be read back
        self._every = every
        self._begin = self._last_save = time.monotonic()

    def restore(self, accumulators: dict) -> int:
        """Restores the statistics of an earlier run of the same evaluation.

        Args:
            accumulators: Objects with `restore`, by name.

        Returns:
            How many images they contain; 0 where there is nothing to continue.
        """
        if not self.path.is_file():
            return 0
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                arrays = dict(stored)
            identity = json.loads(str(arrays.pop("identity")))
            num_images = int(arrays.pop("num_images"))
        except Exception as error:  # damaged archives raise many exception types
            return self._damaged(error)
        different = sorted(
            key
            for key in self._identity.keys() | identity.keys()
            if self._identity.get(key) != identity.get(key)
        )
        if different:
            logging.warning(
                "%s is of another evaluation (%s differ) and is ignored",
                self.path,
                ", ".join(different),
            )
            return 0
        empty = {name: accumulator.state() for name, accumulator in accumulators.items()}
        try:
            for name, accumulator in accumulators.items():
                prefix = f"{name}/"
                accumulator.restore(
                    {key[len(prefix) :]: arrays[key] for key in arrays if key.startswith(prefix)}
                )
        except (InputError, IndexError, KeyError, TypeError, ValueError) as error:
            for name, accumulator in accumulators.items():
                accumulator.restore(empty[name])
            return self._damaged(error)
        logging.info("continuing from %s, at image %d", self.path, num_images)
        return num_images

    def offer(self, accumulators: dict, num_images: int) -> None:
        """Saves the statistics, if the last save was long enough ago."""
        if time.monotonic() - self._last_save >= self._every:
            self._save(accumulators, num_images)

    def finish(self, accumulators: dict, num_images: int) -> None:
        """Saves the statistics, since an interruption may still come before the report."""
        if time.monotonic() - self._begin >= self._every:
            self._save(accumulators, num_images)

    def _damaged(self, error):
        logging.warning("%s is damaged and is ignored (%s)", self.path, error)
        return 0

    def _save(self, accumulators, num_images):
        arrays = {
            f"{name}/{key}": value
            for name, accumulator in accumulators.items()
            for key, value in accumulator.state().items()
        }
        with replacing(self.path) as temporary:
            np.savez(
                temporary,
                identity=np.array(json.dumps(self._identity)),
                num_images=np.array(num_images),
                **arrays,
            )
        self._last_save = time.monotonic()
