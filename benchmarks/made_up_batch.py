"""A random training batch, without a data set."""

import numpy as np
import tensorflow as tf


def made_up_batch(batch_size, image_sizes, words, vocabulary_size):
    """A batch of random images and captions, in the format of the input pipeline."""
    random = np.random.default_rng(0)
    shape = (batch_size,)
    return {
        "images": tuple(
            tf.constant(random.uniform(-1, 1, (*shape, size, size, 3)), tf.float32)
            for size in image_sizes
        ),
        "token_ids": tf.constant(random.integers(1, vocabulary_size, (*shape, words)), tf.int32),
        "class_ids": tf.range(batch_size),
    }
