"""Synchronisation of the processes of a multi-worker training, outside the steps.

With one process, as under every other strategy, each of these does nothing.
"""

import contextlib
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from dmgan_tf.errors import InputError, WorkerLost
from dmgan_tf.training.distribution.replicas import is_chief, worker_of

_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
_SIGNS = ("Collective ops is aborted", "heartbeat", "unhealthy", "coordination")
_REASON = re.compile(r"aborted by: (.{1,150})")
_TASK = re.compile(r"/job:(\w+)/(?:replica:0/)?task:(\d+)")


def wait_for_workers(strategy: tf.distribute.Strategy) -> None:
    """Returns when every worker has reached this point."""
    _gather(strategy, np.zeros(1, np.float32))


@contextlib.contextmanager
def chief_first(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Lets the chief finish the block before the others begin it."""
    if not is_chief(strategy):
        wait_for_workers(strategy)
    yield
    if is_chief(strategy):
        wait_for_workers(strategy)


def check_agreement(strategy: tf.distribute.Strategy, parts: Mapping[str, str]) -> None:
    """Raises an error if the workers have different settings or data.

    Each computes its share of one step: with another data set or learning rate on one of them,
    the training would be wrong without an error.

    Args:
        strategy: The strategy of the training.
        parts: What must be equal, by a name for the message that is the same on every worker.

    Raises:
        InputError: On all workers alike, if a part differs between them.
    """
    _, count = worker_of(strategy)
    if count == 1:
        return
    digests = [hashlib.sha256(part.encode()).digest() for part in parts.values()]
    # As floats, which every device can exchange.
    mine = np.frombuffer(b"".join(digests), np.uint8).astype(np.float32)
    everyones = _gather(strategy, mine).reshape(count, -1, len(parts), 32)[:, 0]
    for position, name in enumerate(parts):
        differing = [
            index
            for index in range(count)
            if np.any(everyones[index, position] != everyones[0, position])
        ]
        if differing:
            raise InputError(
                f"Expected every worker to have the same {name}. Received: another one on worker "
                f"{', '.join(map(str, differing))} than on worker 0, the chief. Give all the same "
                "command line, data and run directory."
            )


def digest_of_variables(variables: Iterable) -> str:
    """Returns a digest of the values of Keras or TensorFlow variables, in hexadecimal."""
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def worker_loss(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Converts TensorFlow's errors for a lost worker to one error.

    TensorFlow's coordination service notices a worker that ended at once, or by its missing
    heartbeats, and then aborts the exchanges that the others wait for.

    Raises:
        WorkerLost: If an exchange was aborted.
    """
    try:
        yield
    except tf.errors.OpError as error:
        _, count = worker_of(strategy)
        text = str(error)
        if count == 1 or not (isinstance(error, _LOST) or any(sign in text for sign in _SIGNS)):
            raise
        reason = _REASON.search(text)
        raise WorkerLost(
            f"Expected all {count} workers to continue. Received: no more from "
            f"{_who(text, strategy)}{f' ({reason.group(1)})' if reason else ''}. The last "
            "checkpoint remains: start all workers again with --resume."
        ) from error


def _who(text, strategy):
    """The workers that an error names, except this one."""
    index, _ = worker_of(strategy)
    num_chiefs = len(strategy.cluster_resolver.cluster_spec().as_dict().get("chief", []))
    first = {"chief": 0, "worker": num_chiefs}
    named = {first.get(job, 0) + int(task) for job, task in _TASK.findall(text)}
    others = sorted(named - {index})
    return f"worker {', '.join(map(str, others))}" if others else "another worker"


def _gather(strategy, values):
    """The numbers of every replica, `(replicas, ...)`, on every worker."""
    if worker_of(strategy)[1] == 1:
        return values[None]
    return _gathering(strategy)(tf.constant(values)).numpy()


@functools.cache
def _gathering(strategy):
    """One function for all exchanges of a strategy, traced once for every length."""

    def on_replica(values):
        # A copy has a device, which the exchange needs.
        row = tf.identity(values)[None]
        return tf.distribute.get_replica_context().all_gather(row, axis=0)

    @tf.function(autograph=False)
    def gather(values):
        results = strategy.run(on_replica, args=(values,))
        return strategy.experimental_local_results(results)[0]

    return gather
