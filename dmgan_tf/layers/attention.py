"""Attention of image pixels over words, and the AttnGAN module that the paper compares with."""

from typing import Any

import keras
from keras import layers, ops

from dmgan_tf.layers.initialization import Orthogonal


def attend_to_words(
    image_features: Any, keys: Any, values: Any, padding_mask: Any
) -> tuple[Any, Any]:
    """Reads, for every pixel, the words' values weighted by the similarity of their keys to it.

    Reference:
        Eq. 4 and 5. The softmax is taken in float32, and padding gets weight 0 exactly.

    Args:
        image_features: Float tensor `(batch, height, width, channels)`.
        keys: Float tensor `(batch, words, channels)`.
        values: Float tensor `(batch, words, channels)`.
        padding_mask: Bool tensor `(batch, words)`, true where there is a word.

    Returns:
        A tuple of the reading `(batch, height, width, channels)`, in the type of
        `image_features`, and the weights `(batch, height, width, words)`, float32.
    """
    _, height, width, channels = image_features.shape
    pixels = ops.reshape(image_features, (-1, height * width, channels))
    logits = ops.cast(ops.matmul(pixels, ops.transpose(keys, (0, 2, 1))), "float32")
    mask = ops.cast(ops.expand_dims(padding_mask, 1), "bool")
    weights = ops.softmax(ops.where(mask, logits, -1e9), axis=-1)
    reading = ops.matmul(ops.cast(weights, image_features.dtype), values)
    words = ops.shape(weights)[-1]
    return (
        ops.reshape(reading, (-1, height, width, channels)),
        ops.reshape(weights, (-1, height, width, words)),
    )


@keras.saving.register_keras_serializable(package="dmgan_tf")
class WordAttention(layers.Layer):
    """AttnGAN's word attention, which the paper's baseline has instead of the dynamic memory.

    Reference:
        Xu et al. 2018 (AttnGAN), Eq. 2 and 3; "baseline" in Table 3 of the DM-GAN paper.

    Call arguments:
        image_features: Float tensor `(batch, height, width, channels)`; height and width static.
        word_features: Float tensor `(batch, words, word_dim)`.
        padding_mask: Bool tensor `(batch, words)`, true where there is a word.

    Returns:
        Dict of `features`, `(batch, height, width, 2 * channels)`: the image features concatenated
        with the words read for each pixel; and `attention_scores`, float32
        `(batch, height, width, words)`.
    """

    def build(self, image_features_shape, word_features_shape, padding_mask_shape=None):
        self.word_projection = layers.Dense(
            image_features_shape[-1],
            use_bias=False,
            kernel_initializer=Orthogonal(),
            dtype=self.dtype_policy,
            name="word_projection",
        )
        self.word_projection.build(word_features_shape)

    def call(self, image_features, word_features, padding_mask):
        words = self.word_projection(word_features)
        reading, weights = attend_to_words(image_features, words, words, padding_mask)
        return {
            "features": ops.concatenate([image_features, reading], axis=-1),
            "attention_scores": weights,
        }
