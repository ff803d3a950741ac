"""The generator's blocks for inference, with batch normalisation folded in."""

import tensorflow as tf
from keras import layers

from dmgan_tf.serving.folding import (
    PHASES,
    block_kernel,
    fold_normalization,
    phase_kernels,
    product_kernels,
    to_float64,
)

# Up to this side, nine products for each pixel; beyond it, the additions that they ask for take
# longer than the seven products saved.
_LARGEST_SIDE_OF_PRODUCTS = 32


class FoldedLayer(layers.Layer):
    """A layer whose weights are computed from those of others, and are never trained.

    Args:
        compiled: Whether XLA joins what is done pixel by pixel into one pass.
    """

    def __init__(self, compiled=False, **kwargs):
        super().__init__(**kwargs)
        self.compiled = compiled

    def add_constant(self, value, name):
        """A weight of the type that is computed with, so that no call has to convert it."""
        return self.add_weight(
            name=name,
            shape=value.shape,
            dtype=self.compute_dtype,
            initializer=lambda shape, dtype: tf.cast(tf.constant(value), dtype),
            trainable=False,
            autocast=False,
        )

    def add_gated(self, kernel, bias, name):
        """The weights of a kernel whose filters are values and gates of a GLU, half and half.

        TensorFlow takes longer to split what they compute than to compute it in two parts; XLA
        does not.

        Returns:
            A list of pairs of a kernel and a bias, for all filters or for each half.
        """
        parts = zip(*(_halves(value, self.compiled) for value in (kernel, bias)), strict=True)
        return [
            (self.add_constant(kernel, f"{name}_kernel"), self.add_constant(bias, f"{name}_bias"))
            for kernel, bias in parts
        ]


def _halves(value, whole):
    middle = value.shape[-1] // 2
    return [value] if whole else [value[..., :middle], value[..., middle:]]


def convolve(inputs, kernel, bias, padding="SAME"):
    """A convolution with a bias, which TensorFlow runs as one operation."""
    return tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, 1, padding), bias)


def gate(parts):
    """The GLU of halved values and gates, side by side in one tensor or in two."""
    values, gates = parts if len(parts) == 2 else tf.split(parts[0], 2, axis=-1)
    return values * (1 + tf.tanh(gates))


def interleave(phases):
    """One image from its pixels of each of `PHASES`: `(batch, height, width, channels)`, each."""
    _, height, width, channels = phases[0].shape
    rows = [tf.stack(phases[first : first + 2], axis=3) for first in (0, 2)]
    return tf.reshape(tf.stack(rows, axis=2), (-1, 2 * height, 2 * width, channels))


def gate_and_interleave(phases):
    """One image from its phases before their GLU."""
    return interleave([gate(parts) for parts in phases])


_compiled_gate = tf.function(gate, jit_compile=True, autograph=False)
_compiled_gate_and_interleave = tf.function(gate_and_interleave, jit_compile=True, autograph=False)


class FoldedUpsampling(FoldedLayer):
    """What an `UpsampleBlock` does in inference, on the small image.

    Args:
        block: The built `UpsampleBlock`.
        side: Height and width of its input, in pixels.
        kernel: Instead of the kernel of `block`, `(3, 3, channels, 2 * filters)`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`; height and width static.

    Returns:
        Float tensor `(batch, 2 * height, 2 * width, filters)`.
    """

    def __init__(self, block, side, kernel=None, **kwargs):
        super().__init__(**kwargs)
        kernel = block.convolution.kernel if kernel is None else kernel
        kernel, bias = fold_normalization(kernel, block.normalization, gated=True)
        self.filters = block.filters
        self.uses_products = side <= _LARGEST_SIDE_OF_PRODUCTS
        if self.uses_products:
            matrices = product_kernels(kernel)
            self.matrices = [self.add_constant(matrix, "matrix") for matrix in matrices]
            self.bias = self.add_constant(bias, "bias")
        else:
            self.phases = [self.add_gated(part, bias, "phase") for part in phase_kernels(kernel)]

    def call(self, inputs):
        if self.uses_products:
            return interleave([gate([phase]) for phase in self._sums_of_products(inputs)])
        phases = []
        for (row, column), parts in zip(PHASES, self.phases, strict=True):
            padding = ((0, 0), (1 - row, row), (1 - column, column), (0, 0))
            phases.append([convolve(inputs, *part, padding) for part in parts])
        return (_compiled_gate_and_interleave if self.compiled else gate_and_interleave)(phases)

    def _sums_of_products(self, inputs):
        """The phases before their GLU; see `product_kernels`."""
        _, height, width, _ = inputs.shape
        of_columns = _differences(inputs, axis=2)
        operands = (
            inputs,
            of_columns,
            _differences(inputs, axis=1),
            _differences(of_columns, axis=1),
        )
        own, by_column, by_row, by_both = (
            _multiply(operand, matrix)
            for operand, matrix in zip(operands, self.matrices, strict=True)
        )
        own = tf.nn.bias_add(own, self.bias)
        size = 2 * self.filters
        for number, (row, column) in enumerate(PHASES):
            rows, columns = slice(row, row + height), slice(column, column + width)
            yield (
                own
                + by_column[:, :, columns, column * size : (column + 1) * size]
                + by_row[:, rows, :, row * size : (row + 1) * size]
                + by_both[:, rows, columns, number * size : (number + 1) * size]
            )


def _differences(inputs, axis):
    """Each pixel's predecessor less the pixel, along an axis, with zeros around the image."""
    before, after = [[0, 0] for _ in range(4)], [[0, 0] for _ in range(4)]
    before[axis][0] = after[axis][1] = 1
    return tf.pad(inputs, before) - tf.pad(inputs, after)


def _multiply(images, matrix):
    """The product of every pixel with a matrix."""
    _, height, width, channels = images.shape
    products = tf.matmul(tf.reshape(images, (-1, channels)), matrix)
    return tf.reshape(products, (-1, height, width, matrix.shape[-1]))


class FoldedResidual(FoldedLayer):
    """What a `ResidualBlock` does in inference.

    Args:
        block: The built `ResidualBlock`.
        kernel: Instead of the first kernel of `block`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`, for the first convolution.
        shortcut: Float tensor `(batch, height, width, channels)`, what the result is added to.

    Returns:
        Float tensor of the shape of `shortcut`.
    """

    def __init__(self, block, kernel=None, **kwargs):
        super().__init__(**kwargs)
        kernel = block.first_convolution.kernel if kernel is None else kernel
        folded = fold_normalization(kernel, block.first_normalization, gated=True)
        self.first = self.add_gated(*folded, "first")
        kernel, bias = fold_normalization(
            block.second_convolution.kernel, block.second_normalization
        )
        self.kernel = self.add_constant(kernel, "kernel")
        self.bias = self.add_constant(bias, "bias")

    def call(self, inputs, shortcut):
        parts = [convolve(inputs, *part) for part in self.first]
        gated = (_compiled_gate if self.compiled else gate)(parts)
        # TensorFlow joins `add_n`, and not `+`, to the convolution.
        return tf.add_n([convolve(gated, self.kernel, self.bias), shortcut])


class FoldedToImage(FoldedLayer):
    """What a 3x3 convolution to three colours and tanh do, four pixels at a time.

    Args:
        convolution: The built `Conv2D`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`; height and width static and even.

    Returns:
        Float32 tensor `(batch, height, width, 3)`.
    """

    def __init__(self, convolution, **kwargs):
        super().__init__(**kwargs)
        self.kernel = self.add_constant(block_kernel(to_float64(convolution.kernel)), "kernel")

    def call(self, inputs):
        _, height, width, _ = inputs.shape
        padding = ((0, 0), (1, 1), (1, 1), (0, 0))
        blocks = tf.nn.conv2d(inputs, self.kernel, 2, padding)
        blocks = tf.tanh(tf.cast(blocks, "float32"))
        return interleave(tf.split(blocks, 4, axis=-1))


class FoldedInitialStage(FoldedLayer):
    """What an `InitialStage` does in inference; the same call.

    Args:
        stage: The built `InitialStage`.
    """

    def __init__(self, stage, **kwargs):
        super().__init__(**kwargs)
        self.first_channels = stage.first_channels
        folded = fold_normalization(stage.dense.kernel, stage.normalization, gated=True)
        self.kernel, self.bias = (self.add_constant(value, "dense") for value in folded)
        self.upsamplings = [
            FoldedUpsampling(block, 4 * 2**i, compiled=self.compiled, dtype=self.dtype_policy)
            for i, block in enumerate(stage.upsample_blocks)
        ]

    def call(self, condition, noise, training=False):
        inputs = tf.concat([condition, tf.cast(noise, condition.dtype)], axis=-1)
        x = gate([tf.nn.bias_add(tf.matmul(inputs, self.kernel), self.bias)])
        x = tf.reshape(x, (-1, 4, 4, self.first_channels))
        for upsampling in self.upsamplings:
            x = upsampling(x)
        return x
