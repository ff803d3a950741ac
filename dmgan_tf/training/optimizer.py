"""The optimizer of every network here, and how its learning rate falls."""

import keras


def adam(
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule, precision: str
) -> keras.optimizers.Optimizer:
    """Returns Adam as the release has it, with loss scaling where networks compute in float16.

    Args:
        learning_rate: A number or a schedule, which sees the number of good steps.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """
    optimizer = keras.optimizers.Adam(learning_rate, beta_1=0.5, beta_2=0.999, epsilon=1e-8)
    if precision == "float16":
        # Keras numbers the names of a second one; checkpoints go by names.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
    return optimizer


class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls by a constant factor an epoch, down to a share of its start.

    A function of the step alone, so a resumed run needs nothing else to go on with it.

    Reference: AttnGAN (CVPR 2018), the authors' release, `pretrain_DAMSM.py`.

    Args:
        initial: Learning rate of the first epoch.
        steps_per_epoch: Training steps an epoch.
        factor: What an epoch multiplies it by, in (0, 1].
        floor: Smallest share of `initial`, in (0, 1].
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
