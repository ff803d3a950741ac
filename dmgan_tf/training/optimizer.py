"""Optimizers that leave a network as it was, to the bit, when they are told that a step is bad.

A training step cannot leave out its update by a branch: under a distribution strategy the update
exchanges data between replicas, which a branch in a replica must not. So the update always runs,
and in a bad step every factor in it is 0.
"""

import keras
import tensorflow as tf


class Guarded:
    """Makes a Keras optimizer obey a verdict on the step, and take gradients that are sums already.

    A mixin, put before the optimizer's class. Keras' optimizers sum over replicas by themselves,
    out of sight; whether a step is good, and how large its gradient is, shows in the sums only, so
    here the caller makes them (`step_guard.sum_over_replicas`).

    A class gives `factors(is_good)`, a list of scalars that are 0 in a bad step, and
    `update_step(gradient, variable, *factors)`, which must leave its variables unchanged where they
    are 0, though the gradient be NaN: `tf.math.multiply_no_nan` gives 0 for NaN times 0, and
    `x - 0` is `x` to the bit.
    """

    def apply(self, grads, trainable_variables=None, is_good=True, is_overflow=False):
        """One step, or none if it is bad; to be called in a replica.

        Args:
            grads: A gradient of each variable, summed over replicas; None leaves it as it is.
            trainable_variables: The variables; those it was built for if not given.
            is_good: Scalar, the same on every replica. Where false, no variable changes, the count
                of iterations included.
            is_overflow: Not used without loss scaling.
        """
        variables = self._trainable_variables
        if trainable_variables is not None:
            variables = list(trainable_variables)
            self.build(variables)
        pairs = [
            (tf.convert_to_tensor(gradient), variable.value)
            for gradient, variable in zip(grads, variables, strict=True)
            if gradient is not None
        ]
        is_good = tf.convert_to_tensor(is_good)
        merge_call = tf.distribute.get_replica_context().merge_call
        merge_call(self._update_all, args=(pairs, self.factors(is_good), is_good))

    def _update_all(self, strategy, pairs, factors, is_good):
        def update(variable, gradient, *factors):
            factors = [tf.cast(factor, variable.dtype) for factor in factors]
            self.update_step(gradient, variable, *factors)

        def count(iterations, is_good):
            iterations.assign_add(tf.cast(is_good, iterations.dtype))

        for gradient, variable in pairs:
            strategy.extended.update(variable, update, args=(gradient, *factors), group=False)
        strategy.extended.update(self.iterations.value, count, args=(is_good,), group=False)


class GuardedAdam(Guarded, keras.optimizers.Adam):
    """Adam that leaves weights, moments and the count of iterations as they were in a bad step.

    In a good step it computes what `keras.optimizers.Adam` does, to the bit, and its variables are
    the same in the same order, so that either loads the other's checkpoints.

    Reference: Kingma and Ba 2015, Algorithm 1.

    Args:
        learning_rate: A number or a schedule; a schedule sees the number of good steps.
        beta_1: Decay of the mean gradient, in [0, 1).
        beta_2: Decay of the mean squared gradient, in [0, 1).
        epsilon: Added to the root of the mean squared gradient.
        name: Of the optimizer's variables.
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, name="adam"):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name=name)

    def factors(self, is_good):
        """Shares of the new moments, and the step size with both bias corrections."""
        step = tf.cast(self.iterations + 1, tf.float32)
        beta_1_power, beta_2_power = self.beta_1**step, self.beta_2**step
        learning_rate = tf.cast(self.learning_rate, tf.float32)
        step_size = learning_rate * tf.sqrt(1 - beta_2_power) / (1 - beta_1_power)
        return [
            tf.where(is_good, factor, tf.zeros((), tf.float32))
            for factor in (1 - self.beta_1, 1 - self.beta_2, step_size)
        ]

    def update_step(self, gradient, variable, mean_share, square_share, step_size):
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index].value, self._velocities[index].value
        gradient = tf.cast(gradient, variable.dtype)
        # Subtracted rather than added: -0.0 - 0 is -0.0, while -0.0 + 0 is not.
        mean.assign_sub(tf.math.multiply_no_nan(mean - gradient, mean_share))
        square.assign_sub(tf.math.multiply_no_nan(square - tf.square(gradient), square_share))
        step = tf.math.multiply_no_nan(mean, step_size)
        variable.assign_sub(step / (tf.sqrt(square) + self.epsilon))

    def get_config(self):
        config = super().get_config()
        taken = ("name", "learning_rate", "beta_1", "beta_2", "epsilon")
        return {name: config[name] for name in taken}


class GuardedLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Loss scaling, for float16, around a guarded optimizer.

    Keras' own decides by the gradients of the first replica, and by a branch. This one obeys the
    verdict of the step: an overflow that a lower scale can help halves it, a bad step changes
    nothing, and the scale never falls below 1.

    Args:
        inner_optimizer: An optimizer of a class that is `Guarded`.
        initial_scale: What the loss is multiplied by at first.
        dynamic_growth_steps: Good steps in a row after which the scale doubles.
        name: Of the optimizer's variables.
    """

    def __init__(
        self,
        inner_optimizer,
        initial_scale=2.0**15,
        dynamic_growth_steps=2000,
        name="loss_scale_optimizer",
    ):
        super().__init__(inner_optimizer, initial_scale, dynamic_growth_steps, name=name)

    def apply(self, grads, trainable_variables=None, is_good=True, is_overflow=False):
        """One step of the inner optimizer by the gradients without the scale, and the next scale.

        Args:
            grads: Gradients of the scaled loss, summed over replicas.
            trainable_variables: The variables; those it was built for if not given.
            is_good: As of `Guarded.apply`.
            is_overflow: Scalar, the same on every replica: only the scale was too large.
        """
        if not self.built:
            self.build(list(trainable_variables))
        scale = tf.convert_to_tensor(self.dynamic_scale)
        grads = [None if gradient is None else gradient / scale for gradient in grads]
        self.inner_optimizer.apply(grads, trainable_variables, is_good)
        merge_call = tf.distribute.get_replica_context().merge_call
        merge_call(self._update_scale, args=(is_good, is_overflow))

    def _update_scale(self, strategy, is_good, is_overflow):
        def update(steps, scale, is_good, is_overflow):
            is_due = tf.logical_and(is_good, steps >= self.dynamic_growth_steps - 1)
            smaller = tf.where(is_overflow, tf.maximum(scale * 0.5, 1.0), scale)
            counted = tf.where(is_good, steps + 1, steps)
            next_scale = tf.where(is_due, scale * 2.0, smaller)
            restarts = tf.logical_or(is_due, is_overflow)
            steps.assign(tf.where(restarts, tf.zeros_like(counted), counted))
            scale.assign(next_scale)

        steps, scale = self.step_counter.value, self.dynamic_scale.value
        strategy.extended.update(steps, update, args=(scale, is_good, is_overflow), group=False)
