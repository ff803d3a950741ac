"""One optimizer's step: reduced over replicas, checked, and applied or skipped as a whole."""

import typing
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from dmgan_tf.layers.tensorflow_kernels import num_replicas, sum_over_replicas


class Outcome(typing.NamedTuple):
    """The outcome of a step; the same on every replica.

    Args:
        is_good: Whether it was applied.
        is_bad: 1 for a bad step, which was skipped, else 0; float32. A step with a float16
            overflow, where a smaller loss scale may help, is neither good nor bad.
        norms: Norms of gradients, without loss scale and limit, as `NAME_gradient_norm`.
    """

    is_good: tf.Tensor
    is_bad: tf.Tensor
    norms: dict[str, tf.Tensor]


class GuardedStep:
    """A step of the networks of one optimizer, which changes nothing if it is not finite.

    Keras' optimizers sum gradients over replicas internally, and check only those of the first. The
    norm of a gradient, and whether it is finite, must be computed from the sum, so here the sum
    comes first.

    Batch norm and spectral normalisation update their statistics in the forward pass, before it is
    known whether the step is good. These are small vectors, so they are copied, and restored after
    a bad step: make this object before the networks' forward pass.

    Args:
        networks: The networks by their names in the logs. Their layers name the variables that a
            forward pass in training changes as their `statistics`.
        optimizer: A built `training.optimizer.Adam`, or another with its `factors`, or a
            `LossScaleOptimizer` around one.
        limits: Largest norm of the gradient of some of the networks, by name.
    """

    def __init__(
        self,
        networks: Mapping[str, keras.Model],
        optimizer: keras.optimizers.Optimizer,
        limits: Mapping[str, float] | None = None,
    ):
        self.networks = dict(networks)
        self.optimizer = optimizer
        self.limits = dict(limits or {})
        self._is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        self._inner_optimizer = optimizer.inner_optimizer if self._is_scaled else optimizer
        self._scale = tf.convert_to_tensor(optimizer.dynamic_scale if self._is_scaled else 1.0)
        self._statistics = [
            variable.value
            for network in self.networks.values()
            for layer in network._flatten_layers()
            for variable in getattr(layer, "statistics", ())
        ]
        self._remembered = [tf.convert_to_tensor(variable) for variable in self._statistics]

    def gradients(
        self, tape: tf.GradientTape, loss: tf.Tensor, sources: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Returns this replica's part of the gradients by `sources`, times the loss scale.

        Args:
            tape: The tape that recorded the loss.
            loss: Mean over this replica's examples; the sum of the parts is then the gradient of
                the mean over the global batch.
            sources: Variables and tensors.
        """
        gradients = tape.gradient(
            loss,
            sources,
            output_gradients=self._scale / num_replicas(),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # A word that occurs twice has two slices of one row; dense, their norm is the gradient's.
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    def make(
        self,
        gradients: Sequence[tf.Tensor],
        losses: Mapping[str, tf.Tensor],
        at_images: Mapping[str, tf.Tensor] | None = None,
    ) -> Outcome:
        """Applies the step, if losses and norms of gradients are finite on all replicas.

        The norms also detect a gradient whose square overflows float32: Adam's second moment would
        be infinite from then on.

        Args:
            gradients: By all trainable variables, in order, and then by `at_images`.
            losses: Scalars, all of which must be finite.
            at_images: Tensors whose gradients are measured only, by name.
        """
        gradients, at_images = list(gradients), list(at_images or ())
        squares = [_sum_of_squares(gradients.pop()) for _ in at_images][::-1]
        *gradients, sums = sum_over_replicas([*gradients, tf.stack([*losses.values(), *squares])])
        norms, gradients = self._measured_and_limited(gradients)
        losses_are_finite = _all_finite(sums[: len(losses)])
        is_good = losses_are_finite & _all_finite(tf.stack(list(norms.values())))
        # If gradients overflow and losses are finite, the loss scale is the cause, unless it is 1.
        is_overflow = losses_are_finite & (self._scale > 1.0) & ~is_good
        if self._is_scaled:
            gradients = [gradient / self._scale for gradient in gradients]
        factors = self._inner_optimizer.factors(is_good)
        tf.distribute.get_replica_context().merge_call(
            self._update, args=(gradients, factors, self._remembered, is_good, is_overflow)
        )
        for name, square in zip(at_images, tf.unstack(sums)[len(losses) :], strict=True):
            norms[name] = tf.sqrt(square) / self._scale
        norms = {f"{name}_gradient_norm": norm for name, norm in norms.items()}
        return Outcome(is_good, 1.0 - tf.cast(is_good | is_overflow, tf.float32), norms)

    def _measured_and_limited(self, gradients):
        """The norm of each network's gradient, and all gradients in order, clipped."""
        remaining, norms, limited = iter(gradients), {}, []
        for name, network in self.networks.items():
            own = [next(remaining) for _ in network.trainable_variables]
            norms[name] = tf.linalg.global_norm(own) / self._scale
            if name in self.limits:
                # Keras' `global_clipnorm` clips before the sum, which is another vector.
                factor = self.limits[name] / tf.maximum(norms[name], self.limits[name])
                own = [gradient * factor for gradient in own]
            limited += own
        return norms, limited

    def _update(self, strategy, gradients, factors, remembered, is_good, is_overflow):
        """In the cross-replica context, where shared variables are assigned."""
        optimizer = self._inner_optimizer
        variables = [v for network in self.networks.values() for v in trained(network)]

        def on_every_device(function, variable, *arguments):
            strategy.extended.update(variable, function, args=arguments, group=False)

        def descend(variable, gradient, *factors):
            optimizer.update_step(gradient, variable, *factors)

        def count(iterations, is_good):
            iterations.assign_add(tf.cast(is_good, iterations.dtype))

        def restore(variable, value, is_good):
            variable.assign(tf.where(is_good, variable, value))

        for variable, gradient in zip(variables, gradients, strict=True):
            on_every_device(descend, variable, gradient, *factors)
        on_every_device(count, optimizer.iterations.value, is_good)
        for variable, value in zip(self._statistics, remembered, strict=True):
            on_every_device(restore, variable, value, is_good)
        if self._is_scaled:
            scale = self.optimizer.dynamic_scale.value, self.optimizer.step_counter.value
            on_every_device(self._update_scale, *scale, is_good, is_overflow)

    def _update_scale(self, scale, steps, is_good, is_overflow):
        counted = steps + tf.cast(is_good, steps.dtype)
        is_due = is_good & (counted >= self.optimizer.dynamic_growth_steps)
        steps.assign(tf.where(is_due | is_overflow, tf.zeros_like(counted), counted))
        smaller = tf.where(is_overflow, tf.maximum(scale * 0.5, 1.0), scale)
        scale.assign(tf.where(is_due, scale * 2.0, smaller))


def trained(network: keras.Model) -> list[tf.Variable]:
    """Returns a network's trainable TensorFlow variables, for a tape to watch."""
    return [variable.value for variable in network.trainable_variables]


def _sum_of_squares(gradient):
    return tf.reduce_sum(tf.square(tf.cast(gradient, tf.float32)))


def _all_finite(values):
    return tf.reduce_all(tf.math.is_finite(values))
