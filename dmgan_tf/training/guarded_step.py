"""What keeps a step whose loss or gradient is not finite away from everything that is learned."""

import typing

import tensorflow as tf

from dmgan_tf.layers import tensorflow_kernels


class Verdict(typing.NamedTuple):
    """What becomes of a step; the same on every replica.

    Args:
        is_good: Whether it is made.
        is_overflow: Whether only the loss scale of float16 was too large: it is left out, and the
            scale made smaller.
    """

    is_good: tf.Tensor
    is_overflow: tf.Tensor

    @property
    def bad_steps(self):
        """1 for a step that is left out and should not have been there, else 0; float32."""
        return 1.0 - tf.cast(tf.logical_or(self.is_good, self.is_overflow), tf.float32)

    def for_optimizer(self):
        """The arguments of `optimizer.Guarded.apply`."""
        return {"is_good": self.is_good, "is_overflow": self.is_overflow}


def judge(losses, norms, optimizer):
    """Whether a network's step is made.

    Args:
        losses: Its losses summed over replicas, a vector: one that is not finite on any replica
            makes its sum so.
        norms: Norms of its gradients, a vector, likewise of sums. They also show a gradient whose
            square is beyond float32: Adam's mean square would be infinite from then on.
        optimizer: The optimizer; its loss scale, where it has one, is given the blame for gradients
            that overflow while the losses are finite, until it is down to 1.

    Returns:
        A `Verdict`.
    """
    losses_are_finite = tf.reduce_all(tf.math.is_finite(losses))
    is_good = tf.logical_and(losses_are_finite, tf.reduce_all(tf.math.is_finite(norms)))
    scale = getattr(optimizer, "dynamic_scale", None)
    if scale is None:
        return Verdict(is_good, tf.constant(False))
    may_help = tf.logical_and(losses_are_finite, tf.convert_to_tensor(scale) > 1.0)
    return Verdict(is_good, tf.logical_and(may_help, tf.logical_not(is_good)))


def sum_over_replicas(gradients, scalars):
    """Sums gradients over replicas, and a few scalars with them in the same exchange.

    Args:
        gradients: This replica's gradients. A word that occurs twice has two slices of one row; the
            sums are dense, so that their norm is that of the gradient.
        scalars: A vector of what else is to be summed.

    Returns:
        A tuple of the list of sums, in order, and the vector of sums.
    """
    gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
    *gradients, scalars = tensorflow_kernels.sum_over_replicas([*gradients, scalars])
    return gradients, scalars


class Statistics:
    """What networks learn in their forward pass, as it was when this object was made.

    Batch norm and spectral normalisation store their statistics while they compute, before anyone
    knows whether the step is good. These are small vectors, so they are remembered, and put back
    after a step that was not.

    Args:
        networks: Models whose layers name such variables as their `statistics`.
    """

    def __init__(self, networks):
        self._variables = [
            variable.value
            for network in networks
            for layer in network._flatten_layers()
            for variable in getattr(layer, "statistics", ())
        ]
        self._values = [tf.convert_to_tensor(variable) for variable in self._variables]

    def restore_unless(self, is_good):
        """Puts the remembered values back, to the bit, if the step was not good."""
        merge_call = tf.distribute.get_replica_context().merge_call
        merge_call(_restore_unless, args=(self._variables, self._values, is_good))


def _restore_unless(strategy, variables, values, is_good):
    for variable, value in zip(variables, values, strict=True):
        strategy.extended.update(variable, _assign_unless, args=(value, is_good), group=False)


def _assign_unless(variable, value, is_good):
    variable.assign(tf.where(is_good, variable, value))
