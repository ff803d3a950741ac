"""TensorFlow operations of the layers, used when Keras runs on TensorFlow.

The layers are written in `keras.ops`, which has no fused batch normalisation, no constants and no
replicas. This is their only module of a backend's own operations; each function has an equivalent
in `keras.ops` beside the caller, and tests compare the two.
"""

from typing import Any

import numpy as np
import tensorflow as tf


def num_replicas() -> int:
    """Returns how many replicas share the step that is being traced or run."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def replica_index() -> int | tf.Tensor:
    """Returns the position of this replica, 0 for the first; an integer or a scalar tensor."""
    context = tf.distribute.get_replica_context()
    return 0 if num_replicas() == 1 else context.replica_id_in_sync_group


def replica_rows(global_values: tf.Tensor) -> tf.Tensor:
    """Returns this replica's rows of a tensor that was drawn for the global batch.

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


def sum_over_replicas(tensors: Any) -> Any:
    """Returns the sum of a tensor, or of each of a list, over all replicas."""
    if num_replicas() == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def normalize_by_batch(
    inputs: tf.Tensor, scale: Any, offset: Any, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalises a batch by its own statistics.

    Args:
        inputs: Float tensor `(batch, ..., channels)`.
        scale: Float32 `(channels,)`.
        offset: Float32 `(channels,)`.
        epsilon: Added to the variance.

    Returns:
        A tuple of the normalised batch, its mean and its unbiased variance, float32 `(channels,)`.
    """
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=_as_images(inputs),
        scale=scale,
        offset=offset,
        mean=tf.constant([], tf.float32),
        variance=tf.constant([], tf.float32),
        epsilon=epsilon,
        is_training=True,
    )
    return _as_before(outputs, inputs), mean, variance


def normalize_by_moments(
    inputs: tf.Tensor, mean: Any, variance: Any, scale: Any, offset: Any, epsilon: float
) -> tf.Tensor:
    """Normalises a batch by given statistics, float32 `(channels,)`; else as above."""
    outputs, *_ = tf.raw_ops.FusedBatchNormV3(
        x=_as_images(inputs),
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=False,
    )
    return _as_before(outputs, inputs)


def frozen_value(variable: Any) -> tf.Tensor:
    """Returns the value of a variable that does not change any more.

    In a graph it is a constant, so that a convolution on a CPU prepares its kernel once and is
    fused with the bias and the activation that follow.

    Args:
        variable: A Keras variable; a graph keeps the value that it has while it is traced.
    """
    with tf.init_scope():
        value = np.asarray(variable.value)
    return tf.constant(value)


def _as_images(inputs):
    """The operation needs four axes; all axes before the channels are merged."""
    if inputs.shape.rank == 4:
        return inputs
    return tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1]))


def _as_before(outputs, inputs):
    return outputs if inputs.shape.rank == 4 else tf.reshape(outputs, tf.shape(inputs))
