"""The discriminator: whether an image is real, and whether it matches the sentence."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from dmgan_tf.errors import InputError
from dmgan_tf.layers.blocks import DownsampleBlock
from dmgan_tf.layers.initialization import Orthogonal


class DiscriminatorBase(keras.Model):
    """A base of discriminators: one network for each stage's images, with two heads.

    One is chosen by its name in `dmgan_tf.registry.catalogue`, or as `module:Class`. It has
    `extract_features`, `unconditional_logits` and `conditional_logits`; `get_config` adds its own
    options. Layers that are made in its constructor need no `build`.

    Reference:
        Section 3.4, `D_i(x)` and `D_i(x, s)` of Eq. 11 and 12.

    Args:
        image_size: Side of the images, in pixels.
        channels: Channels after the first block.
        sentence_dim: Size of the sentence embedding.

    Call arguments:
        images: Float tensor `(batch, image_size, image_size, 3)` in [-1, 1].
        sentence_embedding: Float tensor `(batch, sentence_dim)`.
        training: Whether the discriminator is trained, not the generator.

    Returns:
        Dict of float32 `(batch,)` tensors: `conditional_logits` and `unconditional_logits`.
    """

    def __init__(self, image_size: int, channels: int = 32, sentence_dim: int = 256, **kwargs):
        super().__init__(**kwargs)
        self.image_size = image_size
        self.channels = channels
        self.sentence_dim = sentence_dim

    def build(self, images_shape=None, sentence_embedding_shape=None):
        size = self.image_size
        self.compute_output_spec(
            keras.KerasTensor((None, size, size, 3)), keras.KerasTensor((None, self.sentence_dim))
        )

    def call(self, images, sentence_embedding, training=False):
        features = self.extract_features(images, training=training)
        return {
            "conditional_logits": self.conditional_logits(
                features, sentence_embedding, training=training
            ),
            "unconditional_logits": self.unconditional_logits(features),
        }

    def extract_features(self, images: Any, training: bool = False) -> Any:
        """Returns the input of both heads: a tensor whose first axis is the batch."""
        raise NotImplementedError

    def unconditional_logits(self, features: Any) -> Any:
        """Returns float32 `(batch,)`: how real the images look."""
        raise NotImplementedError

    def conditional_logits(
        self, features: Any, sentence_embedding: Any, training: bool = False
    ) -> Any:
        """Returns float32 `(batch,)`: how well the images match the sentences."""
        raise NotImplementedError

    def singular_values(self) -> dict[str, Any]:
        """Returns the largest one of each spectrally normalised layer, by a name for the logs."""
        return {}

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": self.image_size,
            "channels": self.channels,
            "sentence_dim": self.sentence_dim,
        }


@keras.saving.register_keras_serializable(package="dmgan_tf")
class Discriminator(DiscriminatorBase):
    """Spectrally normalised discriminator with a conditional and an unconditional head.

    One class for every size: strided blocks reduce the image to 4x4, doubling the channels each
    time, and 3x3 blocks then halve them to eight times `channels`.

    Reference:
        Section 3.4, `D_i(x)` and `D_i(x, s)` of Eq. 11 and 12; section 3.5 on spectral
        normalisation, which only the final logits do not have (the release).

    Args:
        image_size: Side of the images, in pixels; a power of two from 16 up.
        channels: Channels after the first block; the paper's network has 32.
        sentence_dim: Size of the sentence embedding.
        detail_gain: Above 0, the images' finest detail, each pixel's difference from the mean of
            the 3x3 around it, is a second input, times this number. The paper's network, with 0,
            hardly reacts to faint specks, since spectral normalisation limits how much a small
            change of the image changes the logits. See Schwarz, Liao and Geiger, "On the
            Frequency Bias of Generative Models" (NeurIPS 2021).

    Call arguments:
        images: Float tensor `(batch, image_size, image_size, 3)` in [-1, 1].
        sentence_embedding: Float tensor `(batch, sentence_dim)`.
        training: Whether spectral normalisation does its power iterations.

    Returns:
        Dict of float32 `(batch,)` tensors: `conditional_logits` and `unconditional_logits`.

    Raises:
        InputError: If `image_size` or `detail_gain` is not as above, or images or sentences are of
            another size.
    """

    def __init__(
        self,
        image_size: int,
        channels: int = 32,
        sentence_dim: int = 256,
        detail_gain: float = 0.0,
        **kwargs,
    ):
        super().__init__(image_size, channels, sentence_dim, **kwargs)
        self.detail_gain = detail_gain
        if image_size < 16 or image_size & (image_size - 1):
            raise InputError(
                "A discriminator's image size must be a power of two from 16 up. "
                f"Received: image_size={image_size}."
            )
        if not detail_gain >= 0:
            raise InputError(
                f"A discriminator's detail_gain is 0 or more. Received: detail_gain={detail_gain}."
            )
        dtype = self.dtype_policy
        # === Layers ===
        self.image_blocks = []
        filters, size = channels, image_size
        while size > 4:
            self.image_blocks.append(
                DownsampleBlock(filters, dtype=dtype, name=f"downsample_{size // 2}")
            )
            filters, size = 2 * filters, size // 2
        filters //= 2
        while filters > 8 * channels:
            filters //= 2
            self.image_blocks.append(
                DownsampleBlock(filters, 3, 1, dtype=dtype, name=f"narrow_{filters}")
            )
        self.feature_channels = filters
        self.joint_block = DownsampleBlock(filters, 3, 1, dtype=dtype, name="joint")
        self.conditional_head = _logit_head("conditional_head")
        self.unconditional_head = _logit_head("unconditional_head")

    def build(self, images_shape=None, sentence_embedding_shape=None):
        channels = self.build_features()
        self.joint_block.build((None, 4, 4, channels + self.sentence_dim))
        self.conditional_head.build((None, 4, 4, self.feature_channels))
        self.unconditional_head.build((None, 4, 4, channels))

    def build_features(self) -> int:
        """Builds the layers of `extract_features`, and returns the channels of its 4x4 map."""
        shape = (None, self.image_size, self.image_size, 6 if self.detail_gain else 3)
        for block in self.image_blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        return shape[-1]

    def extract_features(self, images: Any, training: bool = False) -> Any:
        """Returns the input of both heads: `(batch, 4, 4, feature_channels)`."""
        _check_shape("images", images, (self.image_size, self.image_size, 3))
        x = images
        if self.detail_gain:
            x = ops.cast(x, "float32")  # half precision would round what is faint
            x = ops.concatenate([x, self.detail_gain * _finest_detail(x)], axis=-1)
        x = ops.cast(x, self.compute_dtype)
        for block in self.image_blocks:
            x = block(x, training=training)
        return x

    def unconditional_logits(self, features: Any) -> Any:
        return ops.reshape(self.unconditional_head(features), (-1,))

    def conditional_logits(
        self, features: Any, sentence_embedding: Any, training: bool = False
    ) -> Any:
        _check_shape("sentence embeddings", sentence_embedding, (self.sentence_dim,))
        sentence = ops.cast(sentence_embedding, features.dtype)
        sentence = ops.tile(ops.reshape(sentence, (-1, 1, 1, self.sentence_dim)), (1, 4, 4, 1))
        joint = self.joint_block(ops.concatenate([features, sentence], axis=-1), training=training)
        return ops.reshape(self.conditional_head(joint), (-1,))

    def singular_values(self) -> dict[str, Any]:
        return {
            block.name: block.convolution.largest_singular_value()
            for block in self._flatten_layers()
            if isinstance(block, DownsampleBlock)
        }

    def get_config(self):
        return {**super().get_config(), "detail_gain": self.detail_gain}


def _finest_detail(images):
    """Each pixel's difference from the mean of the 3x3 around it; 0 at the border."""
    kernel = np.full((3, 3, 1, 1), -1 / 9, "float32") * np.eye(3, dtype="float32")
    kernel[1, 1] += np.eye(3)
    inside = ops.conv(images, ops.convert_to_tensor(kernel), data_format="channels_last")
    return ops.pad(inside, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _check_shape(what, tensor, expected):
    """Checks the static shape after the batch dimension; reshaping would hide errors."""
    shape = tuple(tensor.shape)
    if len(shape) != len(expected) + 1 or any(
        size not in (None, wanted) for size, wanted in zip(shape[1:], expected, strict=True)
    ):
        wanted = ", ".join(map(str, expected))
        raise InputError(
            f"This discriminator takes {what} of shape (batch, {wanted}). Received: {shape}."
        )


def _logit_head(name):
    # Float32 under every precision: losses need it, and TensorFlow 2.21's half-precision kernels
    # for processors with AMX give wrong sums for a 4x4 map of 16 or 24 channels.
    return layers.Conv2D(
        1,
        4,
        strides=4,
        data_format="channels_last",
        kernel_initializer=Orthogonal(),
        dtype="float32",
        name=name,
    )
