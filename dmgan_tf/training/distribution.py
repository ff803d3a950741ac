"""Small helpers for training steps that run on one device or on several replicas.

The rule they serve: gradients are summed over replicas, so every loss is a sum over the replica's
examples divided by the *global* batch, and the result is that of one device with the whole batch.
"""

import functools
import logging

import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.layers.tensorflow_kernels import num_replicas, sum_over_replicas

STRATEGIES = ("default", "mirrored")


def get_strategy(name, devices=None):
    """The distribution strategy of a name.

    Args:
        name: `"default"` (one device) or `"mirrored"` (every GPU of this machine, or one CPU).
        devices: Names of the devices of `"mirrored"`, such as `["GPU:0", "GPU:1"]`; None for all.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        InputError: If the name is not known.
    """
    if name == "default":
        num_gpus = len(tf.config.list_physical_devices("GPU"))
        if num_gpus > 1:
            logging.warning("One of %d GPUs is used; --strategy=mirrored uses all.", num_gpus)
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored(devices and tuple(devices))
    raise InputError(f"Expected --strategy to be one of {STRATEGIES}. Received: {name!r}.")


@functools.cache
def _mirrored(devices):
    # One object a process: two number their exchanges alike, and TensorFlow takes those of the
    # second for those of the first ("Collective instance 106 expected type 0 ...").
    return tf.distribute.MirroredStrategy(devices)


def check_batch_size(batch_size, strategy):
    """Refuses a batch that the replicas of a strategy cannot share evenly.

    Raises:
        InputError: If `batch_size` is no multiple of the number of replicas.
    """
    if batch_size % strategy.num_replicas_in_sync:
        raise InputError(
            f"Expected --batch_size to be a multiple of the {strategy.num_replicas_in_sync} "
            f"devices. Received: {batch_size}."
        )


def global_batch_mean(per_example, global_batch_size):
    """A replica's share of the mean over the global batch.

    Args:
        per_example: One value an example of this replica, `(local_batch,)`.
        global_batch_size: Examples of all replicas together.

    Returns:
        A scalar; the sum of the replicas' scalars is the mean.
    """
    return tf.reduce_sum(per_example) / tf.cast(global_batch_size, per_example.dtype)


def gather(values):
    """Joins a tensor of every replica along its first axis, in the order of the replicas.

    Its gradient is the sum over replicas of what each does with this replica's rows, so losses
    that compare examples across the whole batch train as they would on one device.

    Args:
        values: `(local_batch, ...)`.

    Returns:
        `(global_batch, ...)`; `values` itself where there is one replica.
    """
    if num_replicas() == 1:
        return values
    return tf.distribute.get_replica_context().all_gather(values, axis=0)


def replica_index():
    """Position of this replica, 0 for the first; a Python integer or a scalar tensor."""
    context = tf.distribute.get_replica_context()
    return 0 if num_replicas() == 1 else context.replica_id_in_sync_group


def replica_rows(global_values):
    """This replica's rows of a tensor that was drawn for the global batch.

    Args:
        global_values: `(global_batch, ...)`, the same on every replica. The replicas share the
            batch evenly, in order, as Keras' `fit` distributes it.

    Returns:
        `(local_batch, ...)`.
    """
    if num_replicas() == 1:
        return global_values
    rows = tf.shape(global_values)[0] // num_replicas()
    if global_values.shape[0] is not None:
        rows = global_values.shape[0] // num_replicas()
    start = replica_index() * rows
    return global_values[start : start + rows]


def clip_by_global_norm(gradients, limit, scale=1.0):
    """Scales gradients so that their norm, after the sum over replicas, is at most `limit`.

    Keras' `global_clipnorm` acts on each replica before the sum, which clips another vector.

    Args:
        gradients: This replica's gradients; None is let through.
        limit: Largest norm, positive.
        scale: What the loss was multiplied by (loss scaling), and so the gradients.

    Returns:
        The gradients in the same order, to be summed over replicas.
    """
    # A word that occurs twice has two slices of one row; only the dense gradient has their norm.
    gradients = [None if one is None else tf.convert_to_tensor(one) for one in gradients]
    present = [gradient for gradient in gradients if gradient is not None]
    totals = sum_over_replicas(present)
    norm = tf.linalg.global_norm([tf.cast(total, tf.float32) for total in totals]) / scale
    factor = limit / tf.maximum(norm, limit)
    return [
        None
        if gradient is None
        else tf.convert_to_tensor(gradient) * tf.cast(factor, gradient.dtype)
        for gradient in gradients
    ]


def finite_everywhere(gradients):
    """Makes every replica's gradients NaN when those of any replica are not finite.

    Keras' `LossScaleOptimizer` decides by the first replica alone whether to skip a step; an
    overflow on another would reach the weights.

    Args:
        gradients: This replica's gradients; None is let through.

    Returns:
        The gradients in the same order; unchanged where there is one replica.
    """
    if num_replicas() == 1:
        return gradients
    present = [gradient for gradient in gradients if gradient is not None]
    is_finite = [tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(g))) for g in present]
    bad = 1.0 - tf.cast(tf.reduce_all(tf.stack(is_finite)), tf.float32)
    bad = sum_over_replicas(bad) > 0.0

    def poison(gradient):
        gradient = tf.convert_to_tensor(gradient)
        return tf.where(bad, tf.cast(float("nan"), gradient.dtype), gradient)

    return [None if gradient is None else poison(gradient) for gradient in gradients]
