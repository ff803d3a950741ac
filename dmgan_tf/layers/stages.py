"""The two kinds of stages of the generator: the first image features, and their refinement."""

import math

import keras
from keras import layers, ops

from dmgan_tf.errors import InputError
from dmgan_tf.layers.attention import WordAttention
from dmgan_tf.layers.blocks import GLU, ResidualBlock, UpsampleBlock
from dmgan_tf.layers.initialization import Orthogonal
from dmgan_tf.layers.memory import DynamicMemory
from dmgan_tf.layers.normalization import BatchNorm


@keras.saving.register_keras_serializable(package="dmgan_tf")
class InitialStage(layers.Layer):
    """Generates the first image features from a condition and noise.

    A dense layer makes a 4x4 map, and upsampling blocks double it, halving its channels, up to the
    size of the first image.

    Reference:
        Section 3, `x0, R0 = G0(z, s)`.

    Args:
        channels: Number of output channels (N_r).
        size: Height and width of the output, in pixels; a power of two from 16 up.

    Call arguments:
        condition: Float tensor `(batch, condition_dim)`.
        noise: Float tensor `(batch, noise_dim)`.
        training: Whether batch norm uses, and learns from, this batch.

    Returns:
        Float tensor `(batch, size, size, channels)`.
    """

    def __init__(self, channels: int, size: int, **kwargs):
        super().__init__(**kwargs)
        # === Layers ===
        num_blocks = int(math.log2(size // 4))
        self.first_channels = channels * 2**num_blocks
        self.add_layers(num_blocks)
        # === Config ===
        self.channels = channels
        self.size = size

    def add_layers(self, num_blocks: int) -> None:
        """Makes all layers of the stage; a subclass may use others."""
        dtype = self.dtype_policy
        self.dense = layers.Dense(
            2 * 16 * self.first_channels,
            use_bias=False,
            kernel_initializer=Orthogonal(),
            dtype=dtype,
            name="dense",
        )
        self.normalization = BatchNorm(dtype=dtype, name="normalization")
        self.activation = GLU(dtype=dtype, name="activation")
        self.upsample_blocks = [
            UpsampleBlock(self.first_channels // 2**i, dtype=dtype, name=f"upsample_{i}")
            for i in range(1, num_blocks + 1)
        ]

    def build(self, condition_shape, noise_shape):
        self.dense.build((None, condition_shape[-1] + noise_shape[-1]))
        self.normalization.build((None, self.dense.units))
        self.activation.build((None, self.dense.units))
        channels, size = self.first_channels, 4
        for block in self.upsample_blocks:
            block.build((None, size, size, channels))
            channels, size = block.filters, 2 * size

    def call(self, condition, noise, training=False):
        x = ops.concatenate([condition, ops.cast(noise, condition.dtype)], axis=-1)
        x = self.normalization(self.dense(x), training=training)
        x = ops.reshape(self.activation(x), (-1, 4, 4, self.first_channels))
        for block in self.upsample_blocks:
            x = block(x, training=training)
        return x

    def get_config(self):
        return {**super().get_config(), "channels": self.channels, "size": self.size}


@keras.saving.register_keras_serializable(package="dmgan_tf")
class RefinementStage(layers.Layer):
    """Refines image features by the words, and doubles their size.

    Reference:
        Section 3, `x_i, R_i = G_i(R_{i-1}, W)`; the order of residual blocks and upsampling is the
        release's. `refinement` and the gates are the rows of Table 3.

    Args:
        channels: Number of input and output channels (N_r).
        memory_dim: Size of a memory slot (N_m).
        num_residual_blocks: Number of residual blocks before the upsampling.
        refinement: `"memory"` (the paper's) or `"attention"` (its baseline, AttnGAN's).
        writing_gate: Whether the memory has its writing gate.
        response_gate: Whether the memory has its response gate.

    Call arguments:
        image_features: Float tensor `(batch, height, width, channels)`; height and width static.
        word_features: Float tensor `(batch, words, word_dim)`.
        padding_mask: Bool tensor `(batch, words)`, true where there is a word.
        training: Whether batch norm uses, and learns from, this batch.

    Returns:
        Dict of `features`, `(batch, 2 * height, 2 * width, channels)`, and the `attention_scores`,
        `word_gate` and `response_gate` of `DynamicMemory`, at the input's size.

    Raises:
        InputError: If `refinement` is neither of the two.
    """

    def __init__(
        self,
        channels: int,
        memory_dim: int,
        num_residual_blocks: int = 2,
        refinement: str = "memory",
        writing_gate: bool = True,
        response_gate: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        # === Layers ===
        if refinement == "memory":
            self.word_reader = DynamicMemory(
                memory_dim, writing_gate, response_gate, dtype=dtype, name="dynamic_memory"
            )
        elif refinement == "attention":
            self.word_reader = WordAttention(dtype=dtype, name="word_attention")
        else:
            raise InputError(
                f"refinement must be 'memory' or 'attention'. Received: refinement={refinement!r}."
            )
        self.add_blocks(channels, num_residual_blocks)
        # === Config ===
        self.channels = channels
        self.memory_dim = memory_dim
        self.num_residual_blocks = num_residual_blocks
        self.refinement = refinement
        self.writing_gate = writing_gate
        self.response_gate = response_gate

    def add_blocks(self, channels: int, num_residual_blocks: int) -> None:
        """Makes the blocks after the word reader; a subclass may use others."""
        dtype = self.dtype_policy
        self.residual_blocks = [
            ResidualBlock(dtype=dtype, name=f"residual_{i}") for i in range(num_residual_blocks)
        ]
        self.upsample_block = UpsampleBlock(channels, dtype=dtype, name="upsample")

    def build(self, image_features_shape, word_features_shape, padding_mask_shape=None):
        self.word_reader.build(image_features_shape, word_features_shape)
        doubled_shape = (*image_features_shape[:-1], 2 * self.channels)
        for block in self.residual_blocks:
            block.build(doubled_shape)
        self.upsample_block.build(doubled_shape)

    def call(self, image_features, word_features, padding_mask, training=False):
        outputs = self.word_reader(image_features, word_features, padding_mask)
        x, half = outputs["features"], outputs.pop("half_features", None)
        for block in self.residual_blocks:
            x = block(x, half=half, training=training)
            half = None  # a block's output is not a tensor concatenated with itself
        return {**outputs, "features": self.upsample_block(x, training=training)}

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "memory_dim": self.memory_dim,
            "num_residual_blocks": self.num_residual_blocks,
            "refinement": self.refinement,
            "writing_gate": self.writing_gate,
            "response_gate": self.response_gate,
        }
