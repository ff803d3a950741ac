"""Dropout that does not depend on the number of devices."""

import keras
from keras import layers, ops

from dmgan_tf.layers.backend_kernels import backend_kernels


@keras.saving.register_keras_serializable(package="dmgan_tf")
class Dropout(layers.Dropout):
    """Dropout whose mask is drawn for the global batch, of which a replica uses its rows.

    Keras' own layer uses the same random numbers on every replica, so that the first example of
    each loses the same features, and training differs from that on one device. On one device it
    equals Keras' layer.

    Args:
        rate: Fraction that is dropped, in [0, 1).
        seed: Random seed; one from Keras' global seed if None.
        name, dtype: As of any Keras layer.

    Call arguments:
        inputs: Float tensor `(batch, ...)`.
        training: Whether anything is dropped.

    Returns:
        Float tensor of the shape and type of `inputs`.
    """

    def __init__(self, rate: float, *, seed: int | None = None, name=None, dtype=None):
        super().__init__(rate, seed=seed, name=name, dtype=dtype)

    def call(self, inputs, training=False):
        kernels = backend_kernels()
        if not training or self.rate == 0 or not kernels or kernels.num_replicas() == 1:
            return super().call(inputs, training=training)
        local_batch, *rest = ops.shape(inputs)
        ones = ops.ones((local_batch * kernels.num_replicas(), *rest), inputs.dtype)
        factors = keras.random.dropout(ones, self.rate, seed=self.seed_generator)
        return inputs * kernels.replica_rows(factors)

    def get_config(self):
        config = super().get_config()
        return {name: config[name] for name in ("rate", "seed", "name", "dtype")}
