"""A reader of words from images that does not know which words occur together."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from dmgan_tf.errors import InputError
from dmgan_tf.layers.backend_kernels import backend_kernels
from dmgan_tf.layers.normalization import BatchNorm
from dmgan_tf.layers.resize import resize

_SIZE = 64  # pixels of the images that are read
_CHANNELS = 16  # of the first convolution of shapes
_CODE = 128
_IMPOSSIBLE = -1e9  # the logit of a word that a part does not read


@keras.saving.register_keras_serializable(package="dmgan_tf")
class WordReader(keras.layers.Layer):
    """Reads words from images: colours without shapes, and all others without colours.

    A network that predicts all words together also learns which ones exclude each other: if no
    shirt of the training images is both blue and checkered, it reads every blue checkered shirt as
    plain. Here, colours are read from patches of 8 x 8 pixels, too small for most shapes, and all
    other words from a grey image. In training, the grey is a random mixture of the three colour
    channels, so that brightness does not tell the colour; otherwise their mean.

    The idea of such parts is not in the paper. `ImageEncoder` contains one.

    Args:
        num_words: The number of word ids, from 0.
        color_ids: Those that name colours, one or more, ascending.

    Call arguments:
        images: Float tensor `(batch, height, width, 3)` in [-1, 1]; height and width static. They
            are resized to 64 x 64 pixels.
        training: Whether the grey is random, and batch normalisation uses the batch's statistics.

    Returns:
        Log-probabilities, float32 `(batch, num_words)`: the probabilities of the colours sum to 1,
        and so do those of the other words. That of the padding, id 0, is 0.

    Raises:
        InputError: If `color_ids` are not ids of words.
    """

    def __init__(self, num_words: int, color_ids: Sequence[int], **kwargs):
        super().__init__(autocast=False, **kwargs)
        # === Config ===
        self.num_words = num_words
        self.color_ids = tuple(color_ids)
        _check_ids(self.color_ids, num_words)
        # === Layers ===
        c = _CHANNELS
        self.shapes = keras.Sequential(
            [
                *self._unit(c, 3, 1),
                *(layer for width in (2, 3, 4) for layer in self._halving(width * c)),
                *self._unit(4 * c, 4, 2),
                keras.layers.Flatten(data_format="channels_last", dtype=self.dtype_policy),
                keras.layers.Dense(_CODE, dtype=self.dtype_policy),
                keras.layers.LeakyReLU(0.2, dtype=self.dtype_policy),
                keras.layers.Dense(num_words, dtype=self.dtype_policy),
            ],
            name="shapes",
        )
        self.colors = keras.Sequential(
            [
                *self._unit(2 * c, 3, 1),
                *self._unit(3 * c, 2, 2),
                *self._unit(4 * c, 3, 1),
                *self._unit(4 * c, 1, 1),
                self._convolution(num_words, 1, 1, use_bias=True),
            ],
            name="colors",
        )
        self.seed_generator = keras.random.SeedGenerator()

    @property
    def groups(self) -> np.ndarray:
        """Which ids are colours, and which other words: bool `(2, num_words)`."""
        is_color = np.zeros(self.num_words, bool)
        is_color[list(self.color_ids)] = True
        return np.stack([is_color, ~is_color & (np.arange(self.num_words) > 0)])

    def _convolution(self, filters, kernel_size, strides, use_bias=False):
        return keras.layers.Conv2D(
            filters,
            kernel_size,
            strides,
            padding="same",
            data_format="channels_last",
            use_bias=use_bias,
            dtype=self.dtype_policy,
        )

    def _unit(self, filters, kernel_size, strides):
        """Convolution, batch normalisation, activation."""
        return (
            self._convolution(filters, kernel_size, strides),
            BatchNorm(dtype=self.dtype_policy),
            keras.layers.LeakyReLU(0.2, dtype=self.dtype_policy),
        )

    def _halving(self, filters):
        return (*self._unit(filters, 4, 2), *self._unit(filters, 3, 1))

    def build(self, input_shape=None):
        self.shapes.build((None, _SIZE, _SIZE, 1))
        self.colors.build((None, _SIZE, _SIZE, 3))

    def call(self, images, training=False):
        images = resize(images, _SIZE, antialias=True)
        patches = ops.cast(self.colors(images, training=training), "float32")
        shapes = self.shapes(self._grey(images, training), training=training)
        groups = self.groups
        logits = ops.logsumexp(patches, axis=(1, 2)), ops.cast(shapes, "float32")
        of_colors, of_others = (
            ops.log_softmax(ops.where(group, values, _IMPOSSIBLE), axis=-1)
            for group, values in zip(groups, logits, strict=True)
        )
        return ops.where(groups[0], of_colors, of_others)

    def _grey(self, images, training):
        if not training:
            return ops.mean(images, axis=-1, keepdims=True)
        kernels, rows = backend_kernels(), ops.shape(images)[0]
        if kernels:  # the mixtures of the global batch, as on one device
            rows = rows * kernels.num_replicas()
        draws = keras.random.normal((rows, 1, 1, 3), stddev=2.0, seed=self.seed_generator)
        mixture = ops.cast(ops.softmax(draws, axis=-1), images.dtype)
        if kernels:
            mixture = kernels.replica_rows(mixture)
        return ops.sum(images * mixture, axis=-1, keepdims=True)

    def get_config(self):
        return {
            **super().get_config(),
            "num_words": self.num_words,
            "color_ids": list(self.color_ids),
        }


def _check_ids(color_ids, num_words):
    are_ids = 0 < len(color_ids) < num_words and all(type(index) is int for index in color_ids)
    ascending = are_ids and [0, *color_ids, num_words] == sorted({0, *color_ids, num_words})
    if not ascending:
        raise InputError(
            f"Expected `color_ids` between 0 and {num_words}, one or more, ascending. Received: "
            f"{str(color_ids[:20])[:200]}."
        )
