"""The convolutional blocks of the generator and the discriminators."""

from typing import Any

import keras
from keras import layers, ops

from dmgan_tf.layers.initialization import Orthogonal
from dmgan_tf.layers.normalization import BatchNorm
from dmgan_tf.layers.spectral import SpectralConv2D


@keras.saving.register_keras_serializable(package="dmgan_tf")
class GLU(layers.Layer):
    """Gated linear unit: one half of the channels, times the sigmoid of the other half.

    Reference:
        The activation of every generator block in the authors' release.

    Call arguments:
        inputs: Float tensor `(..., 2 * channels)`.

    Returns:
        Float tensor `(..., channels)`.
    """

    def call(self, inputs):
        values, gates = ops.split(inputs, 2, axis=-1)
        return values * ops.sigmoid(gates)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2)


def convolution_3x3(filters: int, dtype: Any, name: str) -> layers.Conv2D:
    """Makes the release's 3x3 convolution: same size, no bias, orthogonal weights."""
    return layers.Conv2D(
        filters,
        3,
        padding="same",
        data_format="channels_last",
        use_bias=False,
        kernel_initializer=Orthogonal(),
        dtype=dtype,
        name=name,
    )


@keras.saving.register_keras_serializable(package="dmgan_tf")
class UpsampleConv2D(layers.Layer):
    """Doubles height and width by nearest neighbour and convolves, 3x3, without the large image.

    The doubled image contains every pixel four times, so several taps of the kernel read the same
    one and can be added first. Doubling and kernel together are one transposed convolution of
    stride 2 with a 4x4 kernel: 4/9 of the arithmetic, and no image of four times the size in
    memory. If the image has fewer pixels than channels, adding the taps costs more than it saves,
    and the image is doubled first.

    Reference:
        Section 3.1, "a nearest neighbor upsampling layer and a 3x3 convolution"; the same function.

    Args:
        filters: Number of output channels.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`.

    Returns:
        Float tensor `(batch, 2 * height, 2 * width, filters)`.
    """

    def __init__(self, filters: int, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        # Taps are added in float32 under mixed precision, too.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(3, 3, input_shape[-1], self.filters),
            initializer=Orthogonal(),
            autocast=False,
        )

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        if height and width and height * width < channels:
            large = ops.repeat(ops.repeat(inputs, 2, axis=1), 2, axis=2)
            return ops.conv(
                large,
                ops.cast(self.kernel, self.compute_dtype),
                padding="same",
                data_format="channels_last",
            )
        kernel = ops.cast(doubling_kernel(self.kernel), self.compute_dtype)
        return ops.conv_transpose(
            inputs, kernel, strides=2, padding="same", data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        doubled = [None if side is None else 2 * side for side in (height, width)]
        return (batch, *doubled, self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def doubling_kernel(kernel: Any) -> Any:
    """Returns the kernel that, transposed and of stride 2, doubles an image and convolves it.

    Args:
        kernel: Float tensor `(3, 3, channels, filters)` of the convolution after the doubling.

    Returns:
        Float tensor `(4, 4, filters, channels)`, as `keras.ops.conv_transpose` takes it.
    """
    kernel = ops.transpose(kernel, (0, 1, 3, 2))
    kernel = ops.flip(ops.flip(kernel, axis=0), axis=1)  # Keras 3.10 flips one axis at a time
    for axis in (0, 1):
        before, after = ([(0, 0)] * 4 for _ in range(2))
        before[axis], after[axis] = (1, 0), (0, 1)
        kernel = ops.pad(kernel, before) + ops.pad(kernel, after)
    return kernel


@keras.saving.register_keras_serializable(package="dmgan_tf")
class UpsampleBlock(layers.Layer):
    """Doubles height and width: nearest neighbour, 3x3 convolution, batch norm, GLU.

    Reference:
        Section 3.1, "The upsampling block consists of a nearest neighbor upsampling layer and a
        3x3 convolution"; batch norm and GLU are the release's.

    Args:
        filters: Number of output channels.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`.
        training: Whether batch norm uses, and learns from, this batch.

    Returns:
        Float tensor `(batch, 2 * height, 2 * width, filters)`.
    """

    def __init__(self, filters: int, **kwargs):
        super().__init__(**kwargs)
        # === Layers ===
        self.convolution = UpsampleConv2D(2 * filters, dtype=self.dtype_policy, name="convolution")
        self.normalization = BatchNorm(dtype=self.dtype_policy, name="normalization")
        self.activation = GLU(dtype=self.dtype_policy, name="activation")
        # === Config ===
        self.filters = filters

    def build(self, input_shape):
        self.convolution.build(input_shape)
        self.normalization.build((*input_shape[:-1], 2 * self.filters))
        self.activation.build((*input_shape[:-1], 2 * self.filters))

    def call(self, inputs, training=False):
        x = self.normalization(self.convolution(inputs), training=training)
        return self.activation(x)

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        doubled = [None if side is None else 2 * side for side in (height, width)]
        return (batch, *doubled, self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="dmgan_tf")
class ResidualBlock(layers.Layer):
    """Adds to its input: 3x3 convolution, batch norm, GLU, 3x3 convolution, batch norm.

    Reference:
        Section 3.1, "several residual blocks"; their layers are the release's.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`.
        half: If `inputs` is a tensor concatenated with itself, that tensor, `(batch, height, width,
            channels / 2)`: the first convolution then does half the work, with the sum of the
            kernel's halves.
        training: Whether batch norm uses, and learns from, this batch.

    Returns:
        Float tensor of the shape of `inputs`.
    """

    def build(self, inputs_shape, half_shape=None):
        channels = inputs_shape[-1]
        doubled_shape = (*inputs_shape[:-1], 2 * channels)
        self.first_convolution = convolution_3x3(
            2 * channels, self.dtype_policy, "first_convolution"
        )
        self.first_convolution.build(inputs_shape)
        self.first_normalization = BatchNorm(dtype=self.dtype_policy, name="first_normalization")
        self.first_normalization.build(doubled_shape)
        self.activation = GLU(dtype=self.dtype_policy, name="activation")
        self.activation.build(doubled_shape)
        self.second_convolution = convolution_3x3(channels, self.dtype_policy, "second_convolution")
        self.second_convolution.build(inputs_shape)
        self.second_normalization = BatchNorm(dtype=self.dtype_policy, name="second_normalization")
        self.second_normalization.build(inputs_shape)

    def call(self, inputs, half=None, training=False):
        if half is None:
            x = self.first_convolution(inputs)
        else:
            first, second = ops.split(ops.convert_to_tensor(self.first_convolution.kernel), 2, 2)
            x = ops.conv(half, first + second, padding="same", data_format="channels_last")
        x = self.first_normalization(x, training=training)
        x = self.second_convolution(self.activation(x))
        return inputs + self.second_normalization(x, training=training)

    def compute_output_shape(self, inputs_shape, half_shape=None):
        return inputs_shape


@keras.saving.register_keras_serializable(package="dmgan_tf")
class DownsampleBlock(layers.Layer):
    """Spectrally normalised convolution and leaky ReLU, halving height and width by default.

    Reference:
        Section 3.5, "spectral normalization after every convolution"; 4x4 kernels of stride 2, and
        3x3 kernels of stride 1 where only channels change, are the release's.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the kernel, in pixels.
        strides: 2 halves the image, 1 keeps its size.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`.
        training: Whether spectral normalisation does its power iteration.

    Returns:
        Float tensor `(batch, height / strides, width / strides, filters)`.
    """

    def __init__(self, filters: int, kernel_size: int = 4, strides: int = 2, **kwargs):
        super().__init__(**kwargs)
        # === Layers ===
        self.convolution = SpectralConv2D(
            filters, kernel_size, strides=strides, dtype=self.dtype_policy, name="convolution"
        )
        # === Config ===
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape):
        self.convolution.build(input_shape)

    def call(self, inputs, training=False):
        return ops.leaky_relu(self.convolution(inputs, training=training), negative_slope=0.2)

    def compute_output_shape(self, input_shape):
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }
