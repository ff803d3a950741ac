"""Small helpers for training steps that run on one device or on several replicas.

Gradients are summed over replicas, so `GuardedStep` computes those of the mean over a replica's
examples divided by the number of replicas: the result is that of one device.
"""

import functools
import logging
import signal
import threading
from collections.abc import Callable, Sequence

import tensorflow as tf

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.layers.tensorflow_kernels import num_replicas
from dmgan_tf.layers.tensorflow_kernels import replica_index as replica_index  # for steps, too
from dmgan_tf.layers.tensorflow_kernels import replica_rows as replica_rows
from dmgan_tf.training.distribution.cluster import meet, read_cluster


def get_strategy(name: str, devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Returns the distribution strategy of a name.

    To be called before anything else of TensorFlow: `"multi_worker"` must be initialised before the
    first tensor, variable or data set of the process.

    Args:
        name: `"default"` (one device), `"mirrored"` (every GPU of this machine, or one CPU),
            or `"multi_worker"` (all GPUs, or the CPU, of every machine that TF_CONFIG names, one
            process each).
        devices: Names of the devices of `"mirrored"`, such as `["GPU:0", "GPU:1"]`; None for all.

    Raises:
        InputError: If TF_CONFIG cannot be used, or it is too late for `"multi_worker"`.
        WorkerLost: If a worker does not start.
    """
    if name == "default":
        num_gpus = len(tf.config.list_physical_devices("GPU"))
        if num_gpus > 1:
            logging.warning("One of %d GPUs is used; --strategy=mirrored uses all.", num_gpus)
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored(devices and tuple(devices))
    return _multi_worker()


@functools.cache
def _mirrored(devices):
    # One object per process: two would use the same numbers for their exchanges, which TensorFlow
    # confuses ("Collective instance 106 expected type 0 ...").
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _multi_worker():
    logging.getLogger("tensorflow").setLevel(logging.WARNING)  # it logs every exchange
    cluster = read_cluster()
    if cluster.others():
        logging.info(
            "%s waits for %s.",
            cluster.name(cluster.index),
            ", ".join(map(cluster.name, cluster.others())),
        )
        meet(cluster)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        raise InputError(
            "Expected --strategy=multi_worker in a process that computed nothing before, and "
            f"addresses in TF_CONFIG that reach every worker. Received: {first_line(error)[:200]}"
        ) from error
    finally:
        _restore_signal_handler()


def _restore_signal_handler():
    """Restores the SIGTERM handler, which the strategy's runtime replaces."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)


def worker_of(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Returns the index of this process, 0 for the chief, and the number of workers."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    cluster = read_cluster()
    return cluster.index, len(cluster.addresses)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process is the one that writes: checkpoints, logs and models."""
    return worker_of(strategy)[0] == 0


def distribute(strategy: tf.distribute.Strategy, make_dataset: Callable):
    """Gives every worker and replica its part of the global batches, as input of `fit`.

    Args:
        strategy: The strategy of the training.
        make_dataset: Called as `make_dataset(worker=(index, count), replicas_per_worker=number)`,
            it returns the `tf.data.Dataset` of that worker: one batch for each of its replicas, in
            their order, for every step. `data.pipeline.training_dataset` takes these arguments.

    Returns:
        A dataset, or a distributed one where there are several replicas or workers.
    """
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    if strategy.num_replicas_in_sync == 1 and not several:
        return make_dataset(worker=(0, 1), replicas_per_worker=1)

    def of_worker(context):
        count = context.num_input_pipelines
        dataset = make_dataset(
            worker=(context.input_pipeline_id, count),
            replicas_per_worker=strategy.num_replicas_in_sync // count,
        )
        # With a finite data set, the workers would check before every step whether all have a
        # batch. `fit` counts its steps, and never reaches the end.
        return dataset.apply(
            tf.data.experimental.assert_cardinality(tf.data.experimental.INFINITE_CARDINALITY)
        )

    return strategy.distribute_datasets_from_function(of_worker)


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Raises an error for a batch that the replicas of a strategy cannot share evenly.

    Raises:
        InputError: If `batch_size` is not a multiple of the number of replicas.
    """
    if batch_size % strategy.num_replicas_in_sync:
        raise InputError(
            f"Expected --batch_size to be a multiple of the {strategy.num_replicas_in_sync} "
            f"devices. Received: {batch_size}."
        )


def gather(values: tf.Tensor) -> tf.Tensor:
    """Concatenates a tensor of every replica along its first axis, in the order of the replicas.

    Its gradient is the sum of all replicas' gradients for this replica's rows, so losses that
    compare examples across the whole batch train as they would on one device.

    Args:
        values: `(local_batch, ...)`.

    Returns:
        `(global_batch, ...)`; `values` itself where there is one replica.
    """
    if num_replicas() == 1:
        return values
    # TensorFlow's exchange does not support bfloat16; float32 is exact.
    exchanged = tf.cast(values, tf.float32) if values.dtype == tf.bfloat16 else values
    # A loop's outputs, such as a recurrent layer's, have no device; a copy has. Several workers
    # need one.
    exchanged = tf.identity(exchanged)
    joined = tf.distribute.get_replica_context().all_gather(exchanged, axis=0)
    return tf.cast(joined, values.dtype)
