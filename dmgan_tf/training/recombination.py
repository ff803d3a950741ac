"""Captions that combine words as no training caption does."""

from collections.abc import Sequence

import tensorflow as tf

from dmgan_tf.training.distribution import replicas


def exchange_colors(token_ids: tf.Tensor, color_ids: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Replaces one colour in each caption by another one, both at random.

    Args:
        token_ids: Captions of this replica, integers `(batch, words)`; 0 is padding.
        color_ids: The ids of the words that name colours.
        seed: Of the random numbers, int64 `(2,)`.

    Returns:
        Captions of the same shape; those without a colour are unchanged.
    """
    batch_size, length = tf.shape(token_ids)[0], tf.shape(token_ids)[1]
    draws = tf.random.stateless_uniform([batch_size * replicas.num_replicas(), length + 1], seed)
    draws = replicas.replica_rows(draws)
    colors = tf.constant(color_ids, token_ids.dtype)
    is_color = tf.reduce_any(token_ids[:, :, None] == colors, axis=-1)
    place = tf.argmax(tf.where(is_color, draws[:, :-1], -1.0), axis=1, output_type=tf.int32)
    is_exchanged = is_color & (tf.range(length) == place[:, None])
    chosen = tf.cast(draws[:, -1] * len(color_ids), tf.int32)
    return tf.where(is_exchanged, tf.gather(colors, chosen)[:, None], token_ids)
