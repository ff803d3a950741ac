"""EfficientNet-Lite0, whose ImageNet weights are available as a package."""

import collections
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from dmgan_tf.layers.backend_kernels import backend_kernels
from dmgan_tf.layers.normalization import fold_normalization

INPUT_SIZE = 224

_Stage = collections.namedtuple("_Stage", "repeats kernel strides expansion filters")
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM_FILTERS = 32
_HEAD_FILTERS = 1280


class _ConvolutionUnit(layers.Layer):
    """Convolution (`conv`), batch normalisation (`bn`), ReLU6 unless it is linear.

    Without normalisation, the convolution has a bias, and both are taken as constants.
    """

    def __init__(self, convolution, is_linear=False, **kwargs):
        super().__init__(**kwargs)
        self.conv = convolution
        self.bn = None
        if not convolution.use_bias:
            self.bn = layers.BatchNormalization(
                momentum=0.99, epsilon=1e-3, dtype=self.dtype_policy, name="bn"
            )
        self._is_linear = is_linear

    def build(self, input_shape):
        self.conv.build(input_shape)
        if self.bn is not None:
            self.bn.build(self.conv.compute_output_shape(input_shape))
        self.built = True

    def call(self, x, training=False):
        if self.bn is None:
            x = self._convolved_as_frozen(x)
        else:
            x = self.bn(self.conv(x), training=training)
        return x if self._is_linear else ops.relu6(x)

    def _convolved_as_frozen(self, x):
        kernels = backend_kernels()
        if kernels is None:
            return self.conv(x)
        kernel, bias = (kernels.frozen_value(v) for v in (self.conv.kernel, self.conv.bias))
        is_depthwise = isinstance(self.conv, layers.DepthwiseConv2D)
        convolve = ops.depthwise_conv if is_depthwise else ops.conv
        x = convolve(x, kernel, self.conv.strides, "same", data_format="channels_last")
        return x + bias

    def copy_folded(self, unit):
        """Copies a unit with normalisation to this one without."""
        # Depthwise, the filters are the third axis, and the fourth is 1.
        axis = 2 if isinstance(self.conv, layers.DepthwiseConv2D) else 3
        kernel = np.swapaxes(ops.convert_to_numpy(unit.conv.kernel), axis, 3)
        kernel, bias = fold_normalization(kernel, unit.bn)
        self.conv.set_weights([np.swapaxes(kernel, axis, 3), bias])


class _InvertedBottleneck(layers.Layer):
    """Expands by a 1 x 1 convolution, filters depthwise, and projects without activation.

    Where neither size nor width changes, the input is added.
    """

    def __init__(self, stage, input_filters, strides, is_normalized, **kwargs):
        super().__init__(**kwargs)
        common = {"is_normalized": is_normalized, "dtype": self.dtype_policy}
        expanded = input_filters * stage.expansion
        self.expand = None
        if stage.expansion != 1:
            self.expand = _unit(expanded, name="expand", **common)
        depthwise = layers.DepthwiseConv2D(
            stage.kernel,
            strides,
            padding="same",
            data_format="channels_last",
            use_bias=not is_normalized,
            dtype=self.dtype_policy,
            name="conv",
        )
        self.depthwise = _ConvolutionUnit(depthwise, dtype=self.dtype_policy, name="depthwise")
        self.project = _unit(stage.filters, is_linear=True, name="project", **common)
        self._adds_input = strides == 1 and input_filters == stage.filters

    @property
    def units(self):
        """Its units, in the order of their application."""
        return [unit for unit in (self.expand, self.depthwise, self.project) if unit is not None]

    def build(self, input_shape):
        for unit in self.units:
            unit.build(input_shape)
            input_shape = unit.conv.compute_output_shape(input_shape)
        self.built = True

    def call(self, x, training=False):
        inputs = x
        for unit in self.units:
            x = unit(x, training=training)
        return x + inputs if self._adds_input else x


def _unit(filters, kernel=1, strides=1, is_linear=False, *, is_normalized, dtype, name):
    """A unit with a full convolution; its padding is TensorFlow's, more of it at the far edge."""
    convolution = layers.Conv2D(
        filters,
        kernel,
        strides,
        padding="same",
        data_format="channels_last",
        use_bias=not is_normalized,
        dtype=dtype,
        name="conv",
    )
    return _ConvolutionUnit(convolution, is_linear, dtype=dtype, name=name)


@keras.saving.register_keras_serializable(package="dmgan_tf")
class EfficientNetLite0(keras.Model):
    """EfficientNet-Lite0: a small classifier of ImageNet without squeeze-and-excitation.

    Its features score pictures where no Inception is available. They rank models as Inception's
    do, but their distances are on another scale.

    Reference:
        Tan and Le, EfficientNet (ICML 2019), table 1, as simplified in TensorFlow's
        `efficientnet/lite`: ReLU6, no squeeze-and-excitation.

    Args:
        num_classes: Size of the classifier `fc`.
        include_top: Whether it has the last convolution, `head`, and the classifier.
        is_normalized: Whether it has batch normalisation, as trained; see `copy_folded`.

    Call arguments:
        images: Float tensor `(batch, height, width, 3)`, `(pixels - 127) / 128` of levels from 0 to
            255; it was trained at 224 x 224.
        training: Whether batch normalisation uses the batch's own statistics.

    Returns:
        A dict: `"pooled"` `(batch, 1280)`, from 0 to 6, and `"logits"` `(batch, num_classes)`;
        without the top, a list of the outputs of its 16 blocks.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        include_top: bool = True,
        is_normalized: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.include_top = include_top
        self.is_normalized = is_normalized
        common = {"is_normalized": is_normalized, "dtype": self.dtype_policy}
        self.stem = _unit(_STEM_FILTERS, 3, 2, name="stem", **common)
        self.blocks = []
        filters = _STEM_FILTERS
        for stage in _STAGES:
            for repeat in range(stage.repeats):
                strides = stage.strides if repeat == 0 else 1
                name = f"block_{len(self.blocks)}"
                block = _InvertedBottleneck(stage, filters, strides, name=name, **common)
                self.blocks.append(block)
                filters = stage.filters
        if include_top:
            self.head = _unit(_HEAD_FILTERS, name="head", **common)
            self.fc = layers.Dense(num_classes, dtype=self.dtype_policy, name="fc")

    def build(self, input_shape=None):
        shape = (None, INPUT_SIZE, INPUT_SIZE, 3)
        self.stem.build(shape)
        filters = _STEM_FILTERS
        for block in self.blocks:
            block.build((None, None, None, filters))
            filters = block.project.conv.filters
        if self.include_top:
            self.head.build((None, None, None, filters))
            self.fc.build((None, _HEAD_FILTERS))
        self.built = True

    def copy_folded(self, network: "EfficientNetLite0") -> None:
        """Copies the blocks of a network with normalisation to this one without, and not its top.

        Its features in inference are the same to 1e-4, and on a CPU it takes a third of the time.

        Args:
            network: A built one with `is_normalized`.
        """
        self.stem.copy_folded(network.stem)
        for mine, given in zip(self.blocks, network.blocks, strict=True):
            for unit, given_unit in zip(mine.units, given.units, strict=True):
                unit.copy_folded(given_unit)

    def block_outputs(self, images: Any) -> list:
        """Returns the outputs of all blocks for images in [-1, 1]; for one without top."""
        return self((images * 127.5 + 0.5) / 128, training=False)

    def call(self, images, training=False):
        x, outputs = self.stem(images, training=training), []
        for block in self.blocks:
            x = block(x, training=training)
            outputs.append(x)
        if not self.include_top:
            return outputs
        pooled = ops.mean(self.head(x, training=training), axis=(1, 2))
        return {"pooled": pooled, "logits": self.fc(pooled)}

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "include_top": self.include_top,
            "is_normalized": self.is_normalized,
        }


def frozen_lite0() -> EfficientNetLite0:
    """Returns the blocks to look at images through: constants, in float32 under every precision.

    Its weights are to be copied by `copy_folded`; without them its outputs mean nothing.
    """
    network = EfficientNetLite0(
        include_top=False, is_normalized=False, dtype="float32", name="lite0"
    )
    network.trainable = False
    return network
