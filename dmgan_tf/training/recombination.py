"""Captions that combine words as no training caption does."""

import collections
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from dmgan_tf.training.distribution import replicas


def exchange_probabilities(
    captions: Iterable[Sequence[int]], color_ids: Sequence[int]
) -> np.ndarray:
    """Returns how often each colour is to be exchanged for each other one, wherever it stands.

    Colours replace each other that stand between the same two words: hardly any colour of skin is
    exchanged for one of clothes. The row of a colour is the mean over its places in the captions of
    how often the others stand there, so that a place also gets colours that it never had.

    Args:
        captions: Word ids of captions.
        color_ids: The ids of the words that name colours.

    Returns:
        Float32 `(colors, colors)`, in the order of `color_ids`, each row with a sum of 1. A colour
        that no other can replace is exchanged for itself.
    """
    index = {color: number for number, color in enumerate(color_ids)}
    counts = collections.defaultdict(lambda: np.zeros(len(index)))
    for caption in captions:
        for before, word, after in zip([0, *caption], caption, [*caption[1:], 0], strict=False):
            if word in index:
                counts[before, after][index[word]] += 1
    table = np.zeros((len(index), len(index)))
    for places in counts.values():
        others = places * (1 - np.eye(len(index)))
        totals = others.sum(axis=1, keepdims=True)
        table += places[:, None] * np.divide(others, totals, where=totals > 0, out=others * 0)
    table += np.eye(len(index)) * (table.sum(axis=1) == 0)
    return (table / table.sum(axis=1, keepdims=True)).astype("float32")


def exchange_colors(
    token_ids: tf.Tensor, color_ids: Sequence[int], probabilities: np.ndarray, seed: tf.Tensor
) -> tf.Tensor:
    """Exchanges one colour of each caption, both at random.

    Args:
        token_ids: Captions of this replica, integers `(batch, words)`; 0 is padding.
        color_ids: The ids of the words that name colours.
        probabilities: The result of `exchange_probabilities`.
        seed: Of the random numbers, int64 `(2,)`.

    Returns:
        Captions of the same shape. Those without a colour are unchanged, as are colours that are
        exchanged for themselves.
    """
    batch_size, length = tf.shape(token_ids)[0], tf.shape(token_ids)[1]
    draws = tf.random.stateless_uniform([batch_size * replicas.num_replicas(), length + 1], seed)
    draws = replicas.replica_rows(draws)
    colors = tf.constant(color_ids, token_ids.dtype)
    is_color = token_ids[:, :, None] == colors
    at_place = tf.where(tf.reduce_any(is_color, axis=-1), draws[:, :-1], -1.0)
    place = tf.argmax(at_place, axis=1)
    exchanged = tf.argmax(tf.gather(is_color, place, axis=1, batch_dims=1), axis=1)
    up_to = tf.gather(tf.constant(np.cumsum(probabilities, axis=1), tf.float32), exchanged)
    chosen = tf.reduce_sum(tf.cast(up_to <= draws[:, -1:] * up_to[:, -1:], tf.int32), axis=1)
    is_exchanged = (tf.one_hot(place, length) > 0) & tf.reduce_any(is_color, axis=-1)
    return tf.where(is_exchanged, tf.gather(colors, chosen)[:, None], token_ids)
