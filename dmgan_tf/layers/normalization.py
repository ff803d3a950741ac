"""Batch normalisation with the release's numbers, the same on one device and on many."""

import keras
from keras import initializers, layers


@keras.saving.register_keras_serializable(package="dmgan_tf")
class BatchNorm(layers.BatchNormalization):
    """Batch normalisation with the settings of the authors' release.

    Its statistics are of the global batch: replicas of a `tf.distribute` strategy share theirs, so
    moving averages cannot drift apart. Computed in float32 under every precision.

    Reference:
        The release: epsilon 1e-5, decay 0.9, scale drawn from N(1, 0.02).

    Args:
        momentum: Weight of the old value in the moving averages, in [0, 1).
        epsilon: Added to the variance.

    Call arguments:
        inputs: Float tensor `(..., channels)`.
        training: Whether to normalise by this batch, and to learn from it.
    """

    def __init__(self, momentum=0.9, epsilon=1e-5, **kwargs):
        kwargs.setdefault("gamma_initializer", initializers.RandomNormal(mean=1.0, stddev=0.02))
        kwargs["synchronized"] = keras.backend.backend() == "tensorflow"
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)
