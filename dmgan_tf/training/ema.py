"""The moving average of the generator, which is sampled, saved and served."""

import keras
import tensorflow as tf


class ExponentialMovingAverage:
    """Keeps one model's weights as the moving average of another's.

    Keras' own averaging (`use_ema`) assigns the averages of one optimizer to all trainable weights
    of the model in order, which in a model of several networks overwrites the wrong ones. Here the
    average is a separate network. Statistics of batch norm are averaged, too: the authors' release
    copies those of the last steps, which do not fit averaged weights.

    Args:
        model: The network that is trained.
        average: A network of the same configuration, which receives the average.
        decay: Weight of the old average, in [0, 1).
        warmup: Whether to begin with a smaller weight, `(1 + n) / (10 + n)` at update n, so that
            the first, random steps do not dominate the average of a short run.
    """

    def __init__(
        self, model: keras.Model, average: keras.Model, decay: float = 0.999, warmup: bool = False
    ):
        self.model = model
        self.average = average
        self.decay = decay
        self.warmup = warmup

    def copy(self) -> None:
        """Makes the average equal to the model. Not for use inside a training step."""
        for average, variable in zip(self.average.weights, self.model.weights, strict=True):
            average.assign(variable)

    def update(self, num_updates: tf.Tensor, is_good: tf.Tensor | bool = True) -> None:
        """Moves the average towards the model, on every replica alike.

        Args:
            num_updates: Updates made before, an integer scalar.
            is_good: Scalar, the same on every replica. Where false, the average stays unchanged,
                bit for bit.
        """
        decay = tf.constant(self.decay, tf.float32)
        if self.warmup:
            n = tf.cast(num_updates, tf.float32)
            decay = tf.minimum(decay, (1.0 + n) / (10.0 + n))
        pairs = [
            (average.value, variable.value)
            for average, variable in zip(self.average.weights, self.model.weights, strict=True)
        ]
        merge_call = tf.distribute.get_replica_context().merge_call
        merge_call(_assign_averages, args=(pairs, decay, tf.convert_to_tensor(is_good)))


def _assign_averages(strategy, pairs, decay, is_good):
    for average, variable in pairs:
        arguments = variable, decay, is_good
        strategy.extended.update(average, _assign_average, args=arguments, group=True)


def _assign_average(average, variable, decay, is_good):
    decay = tf.cast(decay, average.dtype)
    moved = decay * average + (1 - decay) * variable
    average.assign(tf.where(is_good, moved, average))
