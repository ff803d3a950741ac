"""A discriminator that also sees an image as a network trained on ImageNet does."""

from typing import Any

import keras
import numpy as np
from keras import ops

from dmgan_tf.layers.blocks import DownsampleBlock
from dmgan_tf.layers.resize import resize
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.efficientnet_lite import frozen_lite0

_SMALLEST_SEEN = 128  # pixels; smaller images are enlarged for Lite0
# Blocks of Lite0, each of half the size of the one before: their channels and, on drawings, the
# standard deviation.
_TAPS = {2: (24, 8.3), 4: (40, 8.3), 10: (112, 7.1), 15: (320, 3.2)}
_FIRST_STRIDE = 4  # of the first of them


@keras.saving.register_keras_serializable(package="dmgan_tf")
class ProjectedDiscriminator(Discriminator):
    """The paper's discriminator, with the features of a frozen EfficientNet-Lite0 beside its own.

    Features of four sizes are mixed by fixed random convolutions, across channels (1x1) and from
    each size to the next larger one (3x3), so that no feature can be ignored; spectrally normalised
    blocks bring each to 4x4. Both heads see them together with the features of the pixels. Not in
    the paper.

    Reference:
        Sauer et al., "Projected GANs Converge Faster" (NeurIPS 2021), sections 3.2 and 3.3; there,
        each size has a discriminator of its own, and pixels are not seen.

    Args:
        image_size: Side of the images, in pixels; a power of two from 16 up.
        channels: Channels after the first block of the pixels; the features of Lite0 are mixed to
            twice as many.
        sentence_dim: Size of the sentence embedding.
        detail_gain: See `Discriminator`.
        from_size: Images of fewer pixels a side are seen as in the paper only.

    Call arguments:
        images: Float tensor `(batch, image_size, image_size, 3)` in [-1, 1]; below 128 pixels they
            are enlarged for Lite0.
        sentence_embedding: Float tensor `(batch, sentence_dim)`.
        training: Whether spectral normalisation does its power iterations.

    Returns:
        Dict of float32 `(batch,)` tensors: `conditional_logits` and `unconditional_logits`.

    Attributes:
        lite0: The frozen network, see `frozen_lite0`; None below `from_size`.

    Raises:
        InputError: As `Discriminator`.
    """

    def __init__(
        self,
        image_size: int,
        channels: int = 32,
        sentence_dim: int = 256,
        detail_gain: float = 0.0,
        from_size: int = _SMALLEST_SEEN,
        **kwargs,
    ):
        super().__init__(image_size, channels, sentence_dim, detail_gain, **kwargs)
        self.from_size = from_size
        self.lite0 = None
        if image_size < from_size:
            return
        self.seen_size = max(image_size, _SMALLEST_SEEN)
        # === Layers ===
        self.lite0 = frozen_lite0()
        self.scales = [
            keras.Sequential(self._blocks_to_4x4(size), name=f"scale_{size}")
            for size in self._sizes()
        ]
        # === Fixed mixing ===
        random, width = np.random.default_rng(0), 2 * channels
        self._across_channels = [
            _random_kernel(random, 1, tapped, width) / deviation
            for tapped, deviation in _TAPS.values()
        ]
        self._across_scales = [
            _random_kernel(random, 3, width, width) for _ in range(len(_TAPS) - 1)
        ]

    def _sizes(self):
        """Sides of the maps of features, the largest first."""
        return [self.seen_size // (_FIRST_STRIDE * 2**number) for number in range(len(_TAPS))]

    def _blocks_to_4x4(self, size):
        dtype, name, side = self.dtype_policy, f"scale_{size}", size
        filters, widest, blocks = 2 * self.channels, 4 * self.channels, []
        while side > 4:
            side //= 2
            blocks.append(DownsampleBlock(filters, dtype=dtype, name=f"{name}_downsample_{side}"))
            filters = widest
        return [*blocks, DownsampleBlock(widest, 3, 1, dtype=dtype, name=f"{name}_last")]

    def build_features(self) -> int:
        channels = super().build_features()
        if self.lite0 is None:
            return channels
        self.lite0.build()
        for scale, size in zip(self.scales, self._sizes(), strict=True):
            scale.build((None, size, size, 2 * self.channels))
        return channels + len(self.scales) * 4 * self.channels

    def extract_features(self, images: Any, training: bool = False) -> Any:
        """Returns the input of both heads: `(batch, 4, 4, channels)`, those of pixels first."""
        features = [super().extract_features(images, training=training)]
        if self.lite0 is not None:
            for scale, mixed in zip(self.scales, self._mixed(images), strict=True):
                features.append(scale(ops.cast(mixed, self.compute_dtype), training=training))
        return ops.concatenate(features, axis=-1)

    def _mixed(self, images):
        """The features of Lite0, mixed at random; the largest map first."""
        seen = resize(images, self.seen_size)
        outputs = self.lite0.block_outputs(seen)
        above, mixed = None, []
        for number, block in reversed([*enumerate(_TAPS)]):
            x = _convolved(outputs[block], self._across_channels[number])
            if above is not None:
                smaller = _convolved(above, self._across_scales[number])
                x = (x + ops.repeat(ops.repeat(smaller, 2, axis=1), 2, axis=2)) * 0.5**0.5
            above = x
            mixed.append(x)
        return mixed[::-1]

    def get_config(self):
        return {**super().get_config(), "from_size": self.from_size}


def _random_kernel(random, size, channels, filters):
    """A convolution's fixed kernel, which keeps the mean square."""
    deviation = 1 / np.sqrt(size * size * channels)
    return random.normal(0, deviation, (size, size, channels, filters)).astype("float32")


def _convolved(x, kernel):
    return ops.conv(x, ops.convert_to_tensor(kernel), padding="same", data_format="channels_last")
