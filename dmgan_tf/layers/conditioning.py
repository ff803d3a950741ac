"""Conditioning augmentation: a distribution of conditions for a caption instead of one."""

import keras
from keras import layers, ops

from dmgan_tf.layers.blocks import GLU
from dmgan_tf.layers.initialization import Orthogonal


@keras.saving.register_keras_serializable(package="dmgan_tf")
class ConditioningAugmentation(layers.Layer):
    """Draws a condition from a Gaussian whose mean and variance come from the sentence.

    The noise is an input, so that the same inputs always give the same condition.

    Reference:
        Section 3.4, Eq. 13, the mean and the diagonal covariance of the sentence feature; one
        dense layer with a GLU, as in the release.

    Args:
        condition_dim: Size of the condition.

    Call arguments:
        sentence_embedding: Float tensor `(batch, sentence_dim)`.
        noise: Float tensor `(batch, condition_dim)`, standard normal.

    Returns:
        Dict of float32 tensors `(batch, condition_dim)`: `condition`, `mean`, `log_variance`.
    """

    def __init__(self, condition_dim: int, **kwargs):
        super().__init__(**kwargs)
        # === Layers ===
        self.dense = layers.Dense(
            4 * condition_dim,
            kernel_initializer=Orthogonal(),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.activation = GLU(dtype=self.dtype_policy, name="activation")
        # === Config ===
        self.condition_dim = condition_dim

    def build(self, sentence_embedding_shape, noise_shape=None):
        self.dense.build(sentence_embedding_shape)
        self.activation.build((sentence_embedding_shape[0], self.dense.units))

    def call(self, sentence_embedding, noise):
        statistics = self.activation(self.dense(sentence_embedding))
        mean, log_variance = ops.split(ops.cast(statistics, "float32"), 2, axis=-1)
        condition = mean + ops.exp(0.5 * log_variance) * ops.cast(noise, "float32")
        return {"condition": condition, "mean": mean, "log_variance": log_variance}

    def compute_output_shape(self, sentence_embedding_shape, noise_shape=None):
        shape = (sentence_embedding_shape[0], self.condition_dim)
        return {"condition": shape, "mean": shape, "log_variance": shape}

    def compute_output_spec(self, sentence_embedding, noise):
        shapes = self.compute_output_shape(sentence_embedding.shape)
        return {name: keras.KerasTensor(shape, "float32") for name, shape in shapes.items()}

    def get_config(self):
        return {**super().get_config(), "condition_dim": self.condition_dim}
