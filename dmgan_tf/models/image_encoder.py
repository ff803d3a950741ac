"""The image half of the DAMSM: pictures to region features and one code, beside those of text."""

import keras
from keras import ops

from dmgan_tf.errors import InputError
from dmgan_tf.layers.normalization import BatchNorm
from dmgan_tf.layers.resize import resize
from dmgan_tf.models.inception import InceptionV3

BACKBONES = ("inception_v3", "small_cnn")


@keras.saving.register_keras_serializable(package="dmgan_tf")
class SmallCNN(keras.layers.Layer):
    """A convolutional backbone that trains from nothing on a CPU within minutes.

    It is made to be looked *back* through: as a frozen loss, its gradient paints the generator's
    pictures. Every strided kernel is a multiple of its stride, and pooling averages, so that the
    gradient reaches all pixels evenly and leaves no checkerboard.

    Args:
        channels: Width of the first convolution; the last one has eight times as many.

    Call arguments:
        images: float (B,S,S,3) in [-1, 1], S a multiple of 16.
        training: Whether batch normalisation uses the batch's own statistics.

    Returns:
        A dict: `"region_map"` (B,S/8,S/8,4*channels) and `"pooled"` (B,8*channels).
    """

    def __init__(self, channels: int = 32, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.stem = self._unit(channels, 3, 1, "stem")
        self.down_1 = self._unit(2 * channels, 4, 2, "down_1")
        self.down_2 = self._unit(4 * channels, 4, 2, "down_2")
        self.down_3 = self._unit(4 * channels, 4, 2, "down_3")
        self.residual_1 = self._unit(4 * channels, 3, 1, "residual_1")
        self.residual_2 = self._unit(4 * channels, 3, 1, "residual_2", activation=None)
        self.halve = keras.layers.AveragePooling2D(2, dtype=self.dtype_policy, name="halve")
        self.top = self._unit(8 * channels, 3, 1, "top")
        self.pool = keras.layers.GlobalAveragePooling2D(dtype=self.dtype_policy, name="pool")

    def _unit(self, filters, kernel_size, strides, name, activation="relu"):
        """Convolution, batch normalisation, activation."""
        return keras.Sequential(
            [
                keras.layers.Conv2D(
                    filters,
                    kernel_size,
                    strides,
                    padding="same",
                    use_bias=False,
                    kernel_initializer="he_normal",
                    dtype=self.dtype_policy,
                ),
                BatchNorm(dtype=self.dtype_policy),
                keras.layers.Activation(activation, dtype=self.dtype_policy),
            ],
            name=name,
        )

    def build(self, input_shape):
        shape = tuple(input_shape)
        trunk = (self.stem, self.down_1, self.down_2, self.down_3)
        for unit in (*trunk, self.residual_1, self.residual_2):
            unit.build(shape)
            shape = unit.compute_output_shape(shape)
        self.top.build(self.halve.compute_output_shape(shape))
        self.built = True

    def call(self, images, training=False):
        x = images
        for unit in (self.stem, self.down_1, self.down_2, self.down_3):
            x = unit(x, training=training)
        residual = self.residual_1(x, training=training)
        region_map = ops.relu(x + self.residual_2(residual, training=training))
        top = self.top(self.halve(region_map), training=training)
        return {"region_map": region_map, "pooled": self.pool(top)}

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable(package="dmgan_tf")
class ImageEncoder(keras.Model):
    """Image encoder of the DAMSM: features of image regions, and one code of the whole image.

    Both live in the space of the text encoder's words and sentences. Trained with it once, it is
    then frozen and serves as a loss for the generator, and as the judge of R-precision.

    Reference:
        Xu et al., AttnGAN (CVPR 2018), section 3.2, "The image encoder"; used by DM-GAN,
        section 3.4.

    Args:
        embedding_dim: D, the size of the common space.
        backbone: `"inception_v3"` (paper; needs weights pretrained on ImageNet) or
            `"small_cnn"`, which trains from nothing on a CPU.
        channels: Width of `small_cnn`'s first convolution; `inception_v3` has one width only.
        input_size: Height and width in pixels to which images are resized first. `None` means
            299 for `inception_v3`, 64 for `small_cnn`.
        freeze_backbone: Whether only the two projections train, as in the release. `None` means
            `True` for `inception_v3`, `False` for `small_cnn`.
        inception_variant: Which published weights `inception_v3` is to hold, see `InceptionV3`.

    Call arguments:
        images: float (B,H,W,3) in [-1, 1], of any height and width that are known.
        training: Whether batch normalisation uses the batch's own statistics. A frozen backbone
            never does.

    Returns:
        A dict of float32: `"region_features"` (B,h,w,D), 17 x 17 for `inception_v3` and
        `input_size / 8` for `small_cnn`, and `"image_code"` (B,D).

    Raises:
        InputError: If `backbone` is unknown or `input_size` does not suit it.

    Example:

    >>> encoder = ImageEncoder(embedding_dim=256, backbone="small_cnn")
    >>> encoder(keras.ops.zeros((2, 128, 128, 3)))["region_features"].shape
    (2, 8, 8, 256)
    """

    def __init__(
        self,
        embedding_dim: int = 256,
        backbone: str = "inception_v3",
        channels: int = 32,
        input_size: int | None = None,
        freeze_backbone: bool | None = None,
        inception_variant: str = "torchvision",
        **kwargs,
    ):
        if backbone not in BACKBONES:
            raise InputError(
                f"Expected an image backbone among {', '.join(BACKBONES)}. Received: {backbone!r}."
            )
        if input_size is None:
            input_size = 299 if backbone == "inception_v3" else 64
        if backbone == "small_cnn" and (input_size < 16 or input_size % 16):
            raise InputError(
                "Expected input_size of small_cnn to be a multiple of 16, in pixels. "
                f"Received: {input_size}."
            )
        if backbone == "inception_v3" and input_size < 75:
            raise InputError(
                "Expected input_size of inception_v3 to be at least 75 pixels. "
                f"Received: {input_size}."
            )
        # Images stay float32 until they are resized; the layers cast for themselves.
        super().__init__(autocast=False, **kwargs)
        self.embedding_dim = embedding_dim
        self.backbone_name = backbone
        self.channels = channels
        self.input_size = input_size
        self.inception_variant = inception_variant
        self.freeze_backbone = (
            backbone == "inception_v3" if freeze_backbone is None else freeze_backbone
        )
        if backbone == "inception_v3":
            self.backbone = InceptionV3(
                inception_variant, dtype=self.dtype_policy, name="inception_v3"
            )
        else:
            self.backbone = SmallCNN(channels, dtype=self.dtype_policy, name="small_cnn")
        self.backbone.trainable = not self.freeze_backbone
        self.region_projection = keras.layers.Conv2D(
            embedding_dim, 1, use_bias=False, dtype=self.dtype_policy, name="region_projection"
        )
        self.code_projection = keras.layers.Dense(
            embedding_dim, dtype=self.dtype_policy, name="code_projection"
        )

    def build(self, input_shape=None):
        self.backbone.build((None, self.input_size, self.input_size, 3))
        if self.backbone_name == "inception_v3":
            region_channels, pooled_channels = 768, 2048
        else:
            region_channels, pooled_channels = 4 * self.channels, 8 * self.channels
        self.region_projection.build((None, None, None, region_channels))
        self.code_projection.build((None, pooled_channels))
        self.built = True

    def call(self, images, training=False):
        if self.backbone_name == "inception_v3":
            images = resize(images, self.input_size, "aligned_corners")
        else:
            images = resize(images, self.input_size, antialias=True)
        features = self.backbone(images, training=training and not self.freeze_backbone)
        regions = "mixed_6e" if self.backbone_name == "inception_v3" else "region_map"
        return {
            "region_features": ops.cast(self.region_projection(features[regions]), "float32"),
            "image_code": ops.cast(self.code_projection(features["pooled"]), "float32"),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "backbone": self.backbone_name,
            "channels": self.channels,
            "input_size": self.input_size,
            "freeze_backbone": self.freeze_backbone,
            "inception_variant": self.inception_variant,
        }
