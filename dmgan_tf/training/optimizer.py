"""The optimizer of every network here, and its learning rate schedule."""

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """Keras' Adam, bit for bit, which can skip a step: in a bad one, all factors are 0.

    A branch would be shorter, but where operations run in order (`determinism`) it waits in
    TensorFlow's only thread for that thread. Keras also computes the bias corrections anew for each
    variable: a third of the nodes of a step.

    Reference: Kingma and Ba 2015, Algorithm 1.
    """

    def factors(self, is_good: tf.Tensor) -> list[tf.Tensor]:
        """Returns the weights of the new moments, and the step size with both bias corrections.

        Args:
            is_good: Scalar; where false, all three are 0.
        """
        step = tf.cast(self.iterations + 1, tf.float32)
        beta_1_power, beta_2_power = self.beta_1**step, self.beta_2**step
        step_size = self.learning_rate * tf.sqrt(1 - beta_2_power) / (1 - beta_1_power)
        factors = (1 - self.beta_1, 1 - self.beta_2, step_size)
        return [tf.where(is_good, factor, tf.zeros((), tf.float32)) for factor in factors]

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable,
        mean_share: tf.Tensor,
        square_share: tf.Tensor,
        step_size: tf.Tensor,
    ) -> None:
        """Updates a variable and its moments, unless the factors are 0; the gradient may be NaN."""
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index].value, self._velocities[index].value
        # Subtracted rather than added: -0.0 - 0 is -0.0, while -0.0 + 0 is not.
        mean.assign_sub(tf.math.multiply_no_nan(mean - gradient, mean_share))
        square.assign_sub(tf.math.multiply_no_nan(square - tf.square(gradient), square_share))
        step = tf.math.multiply_no_nan(mean, step_size)
        variable.assign_sub(step / (tf.sqrt(square) + self.epsilon))


def adam(
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule, precision: str
) -> keras.optimizers.Optimizer:
    """Returns Adam with the release's settings, with loss scaling for float16.

    Args:
        learning_rate: A number or a schedule of the number of good steps.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """
    optimizer = Adam(learning_rate, beta_1=0.5, beta_2=0.999, epsilon=1e-8, name="adam")
    if precision == "float16":
        # Keras adds numbers to the names of a second one; checkpoints use names.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
    return optimizer


class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that decays by a constant factor per epoch, down to a fraction of its start.

    A function of the step only, so a resumed run needs no further state.

    Reference: AttnGAN (CVPR 2018), the authors' release, `pretrain_DAMSM.py`.

    Args:
        initial: Learning rate of the first epoch.
        steps_per_epoch: Training steps per epoch.
        factor: The factor per epoch, in (0, 1].
        floor: Smallest fraction of `initial`, in (0, 1].
    """

    def __init__(
        self, initial: float, steps_per_epoch: int, factor: float = 0.98, floor: float = 0.1
    ):
        self.initial = initial
        self.steps_per_epoch = steps_per_epoch
        self.factor = factor
        self.floor = floor

    def __call__(self, step):
        epoch = keras.ops.floor(keras.ops.cast(step, "float32") / self.steps_per_epoch)
        return self.initial * keras.ops.maximum(self.factor**epoch, self.floor)
