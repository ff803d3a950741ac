"""Runs one function on the replicas of a strategy, each with its share of a batch."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


class OverReplicas:
    """Runs a function of batches on every replica, each with a share of the rows.

    Batches are padded to one size, so that one graph is enough; the padding is removed from the
    result.

    Args:
        function: Takes tensors of `(rows, ...)` and returns a tensor or a dict of them, likewise
            of `(rows, ...)`, each row depending on its own inputs alone.
        strategy: A `tf.distribute.Strategy` of one process.
        batch_size: Largest number of rows per call, over all replicas.
    """

    def __init__(self, function: Callable, strategy: tf.distribute.Strategy, batch_size: int):
        self._strategy = strategy
        self._share = -(-batch_size // strategy.num_replicas_in_sync)
        self._function = tf.function(function, autograph=False, reduce_retracing=True)

    def __call__(self, *arrays: np.ndarray) -> np.ndarray | dict[str, np.ndarray]:
        """Calls the function on arrays of at most `batch_size` rows, all of the same number.

        Returns:
            The function's result, as NumPy arrays.
        """
        num_rows = len(arrays[0])
        filled = [self._filled(np.asarray(array)) for array in arrays]
        num_replicas = self._strategy.num_replicas_in_sync
        if num_replicas == 1:
            outputs = [self._function(*map(tf.constant, filled))]
        else:
            shares = [
                self._strategy.experimental_distribute_values_from_function(
                    lambda context, array=array: tf.constant(
                        np.split(array, num_replicas)[context.replica_id_in_sync_group]
                    )
                )
                for array in filled
            ]
            outputs = self._local_results(self._strategy.run(self._function, shares))
        return tf.nest.map_structure(
            lambda *parts: np.concatenate([np.asarray(part) for part in parts])[:num_rows], *outputs
        )

    def _local_results(self, value):
        """The structure of each replica, from one structure of per-replica values."""
        results = tf.nest.map_structure(self._strategy.experimental_local_results, value)
        num_replicas = self._strategy.num_replicas_in_sync
        if not isinstance(value, dict):
            return list(results)
        return [{key: results[key][index] for key in results} for index in range(num_replicas)]

    def _filled(self, array):
        missing = self._share * self._strategy.num_replicas_in_sync - len(array)
        return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
