"""The generator's blocks for inference, with batch normalisation folded in."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dmgan_tf.layers.blocks import ResidualBlock, UpsampleBlock
from dmgan_tf.layers.normalization import fold_normalization
from dmgan_tf.serving.folding import PHASES, block_kernel, phase_kernels


class FoldedLayer(layers.Layer):
    """A layer whose weights are computed from those of others, and are never trained.

    Args:
        compiled: Whether XLA fuses elementwise operations.
    """

    def __init__(self, compiled: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.compiled = compiled

    def add_constant(self, value: np.ndarray) -> keras.Variable:
        """Returns a weight of the compute dtype, so that no call has to convert it."""
        return self.add_weight(
            name="constant",
            shape=value.shape,
            dtype=self.compute_dtype,
            initializer=lambda shape, dtype: tf.cast(tf.constant(value), dtype),
            trainable=False,
            autocast=False,
        )

    def add_halves(self, kernel: np.ndarray, bias: np.ndarray) -> list[tuple]:
        """Returns weights for the values and for the gates of a GLU, a kernel and a bias each.

        TensorFlow takes longer to split what they compute than to compute it in two parts.
        """
        halves = zip(np.split(kernel, 2, axis=-1), np.split(bias, 2), strict=True)
        return [tuple(map(self.add_constant, half)) for half in halves]


def _convolve(inputs, kernel, bias, padding="SAME"):
    """A convolution with a bias, which TensorFlow runs as one operation."""
    return tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, 1, padding), bias)


def _gate(halves):
    """The GLU of halved values and gates; see `fold_normalization`."""
    values, gates = halves
    return values * (1 + tf.tanh(gates))


def _interleave(phases):
    """One image from its pixels of each of `PHASES`, `(batch, height, width, channels)`."""
    _, height, width, channels = phases[0].shape
    rows = [tf.stack(phases[first : first + 2], axis=3) for first in (0, 2)]
    return tf.reshape(tf.stack(rows, axis=2), (-1, 2 * height, 2 * width, channels))


def _gate_and_interleave(phases):
    """One image from the halves of its phases before their GLU."""
    return _interleave([_gate(halves) for halves in phases])


_compiled_gate = tf.function(_gate, jit_compile=True, autograph=False)
_compiled_gate_and_interleave = tf.function(_gate_and_interleave, jit_compile=True, autograph=False)


class FoldedUpsampling(FoldedLayer):
    """An `UpsampleBlock` for inference, computed on the small image.

    Args:
        block: The built `UpsampleBlock`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`; height and width static.

    Returns:
        Float tensor `(batch, 2 * height, 2 * width, filters)`.
    """

    def __init__(self, block: UpsampleBlock, **kwargs):
        super().__init__(**kwargs)
        self.filters = block.filters
        kernel, bias = fold_normalization(block.convolution.kernel, block.normalization, gated=True)
        self.phases = [self.add_halves(part, bias) for part in phase_kernels(kernel)]

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        phases = []
        for (row, column), halves in zip(PHASES, self.phases, strict=True):
            padding = ((0, 0), (1 - row, row), (1 - column, column), (0, 0))
            phases.append([_convolve(inputs, *half, padding) for half in halves])
        return (_compiled_gate_and_interleave if self.compiled else _gate_and_interleave)(phases)


class FoldedResidual(FoldedLayer):
    """A `ResidualBlock` for inference; the same call.

    Args:
        block: The built `ResidualBlock`.
        twins: Whether it will be called with `half`.
    """

    def __init__(self, block: ResidualBlock, twins: bool = False, **kwargs):
        super().__init__(**kwargs)
        kernel, bias = fold_normalization(
            block.first_convolution.kernel, block.first_normalization, gated=True
        )
        if twins:
            kernel = sum(np.split(kernel, 2, axis=-2))
        self.first = self.add_halves(kernel, bias)
        second = fold_normalization(block.second_convolution.kernel, block.second_normalization)
        self.second = [self.add_constant(value) for value in second]

    def call(
        self, inputs: tf.Tensor, half: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        halves = [_convolve(inputs if half is None else half, *weights) for weights in self.first]
        gated = (_compiled_gate if self.compiled else _gate)(halves)
        # TensorFlow fuses `add_n`, and not `+`, with the convolution.
        return tf.add_n([_convolve(gated, *self.second), inputs])


class FoldedToImage(FoldedLayer):
    """A 3x3 convolution to three colours, for four pixels at a time.

    Args:
        convolution: The built `Conv2D`, without a bias.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`; height and width static and even.

    Returns:
        Float tensor `(batch, height, width, 3)`.
    """

    def __init__(self, convolution: layers.Conv2D, **kwargs):
        super().__init__(**kwargs)
        self.kernel = self.add_constant(block_kernel(convolution.kernel))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        blocks = tf.nn.conv2d(inputs, self.kernel, 2, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return _interleave(tf.split(blocks, 4, axis=-1))
