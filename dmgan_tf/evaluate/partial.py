"""The file that an interrupted evaluation goes on from."""

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
    """What was gathered so far, on disk: running statistics, never images.

    Args:
        path: The file, `.npz`; whoever has what it led to removes it.
        identity: Everything that the numbers depend on, a dict of JSON values. What was gathered
            under another identity is not gone on from.
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
        """Takes over what an earlier run of the same evaluation gathered.

        Args:
            accumulators: Objects with `restore`, by name.

        Returns:
            How many images they hold; 0 where there is nothing to go on from.
        """
        if not self.path.is_file():
            return 0
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                arrays = dict(stored)
            identity = json.loads(str(arrays.pop("identity")))
            num_images = int(arrays.pop("num_images"))
        except Exception as error:  # of damaged archives there are many kinds
            return self._damaged(error)
        different = sorted(
            key
            for key in self._identity.keys() | identity.keys()
            if self._identity.get(key) != identity.get(key)
        )
        if different:
            logging.warning(
                "%s is of another evaluation (%s differ) and not gone on from",
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
        logging.info("going on from %s, at image %d", self.path, num_images)
        return num_images

    def offer(self, accumulators: dict, num_images: int) -> None:
        """Saves what was gathered, if the last time was long enough ago."""
        if time.monotonic() - self._last_save >= self._every:
            self._save(accumulators, num_images)

    def finish(self, accumulators: dict, num_images: int) -> None:
        """Saves what took long to gather, since an interruption may yet come before the report."""
        if time.monotonic() - self._begin >= self._every:
            self._save(accumulators, num_images)

    def _damaged(self, error):
        logging.warning("%s is damaged and not gone on from (%s)", self.path, error)
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
