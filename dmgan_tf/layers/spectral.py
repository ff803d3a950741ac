"""Spectral normalisation that keeps its raw kernel and its gradient."""

from typing import Any

import keras
from keras import initializers, layers, ops

from dmgan_tf.layers.initialization import Orthogonal


@keras.saving.register_keras_serializable(package="dmgan_tf")
class SpectralConv2D(layers.Layer):
    """Convolution whose kernel is divided by its largest singular value.

    The raw kernel is trained and saved; the division is in the forward pass, and the gradient flows
    through the singular value (`keras.layers.SpectralNormalization` overwrites the kernel instead,
    and loses that gradient). One power iteration per call estimates the singular value; its vector
    is stored only when `training` is true, so that a generator's step leaves the discriminator
    unchanged.

    Reference:
        Miyato et al. 2018, Algorithm 1 and Eq. 12; section 3.5 of the DM-GAN paper.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the kernel, in pixels.
        strides: Stride in both directions, in pixels.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`.
        training: Whether to store the vector of the power iteration.

    Returns:
        Float tensor `(batch, height / strides, width / strides, filters)`.
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape):
        # Master weights stay float32 under mixed precision until they have been divided.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=Orthogonal(),
            autocast=False,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        # Every replica has the same kernel and so computes the same vector.
        self.singular_vector = self.add_weight(
            name="singular_vector",
            shape=(self.filters,),
            initializer=initializers.RandomNormal(stddev=1.0),
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    @property
    def statistics(self) -> list[keras.Variable]:
        """The variables that a forward pass in training changes."""
        return [self.singular_vector]

    def largest_singular_value(self) -> Any:
        """Returns the kernel's largest singular value, estimated from the stored vector.

        Returns:
            Float32 scalar. It grows with the weights of the kernel; if it increases without bound
            over thousands of steps, the discriminator's relative steps get smaller and smaller.
        """
        matrix = ops.reshape(self.kernel, (-1, self.filters))
        return ops.norm(ops.matmul(matrix, ops.convert_to_tensor(self.singular_vector)))

    def power_iteration(self) -> tuple[Any, Any]:
        """Does one step of the power iteration on the raw kernel.

        Returns:
            A tuple of the estimate of the kernel's largest singular value, a scalar through which
            the gradient flows to the kernel, and the singular vector `(filters,)` after the step.
        """
        matrix = ops.reshape(self.kernel, (-1, self.filters))
        constant = ops.stop_gradient(matrix)
        left = _unit(ops.matmul(constant, ops.convert_to_tensor(self.singular_vector)))
        right = _unit(ops.matmul(ops.transpose(constant), left))
        return ops.vdot(left, ops.matmul(matrix, right)), right

    def call(self, inputs, training=False):
        singular_value, singular_vector = self.power_iteration()
        if training:
            self.singular_vector.assign(singular_vector)
        kernel = ops.cast(self.kernel / singular_value, self.compute_dtype)
        outputs = ops.conv(
            inputs, kernel, strides=self.strides, padding="same", data_format="channels_last"
        )
        return outputs + self.bias

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        sides = [None if side is None else -(-side // self.strides) for side in (height, width)]
        return (batch, *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }


def _unit(vector):
    return vector / (ops.norm(vector) + 1e-12)
