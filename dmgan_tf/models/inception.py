"""Inception-v3, for the weights of the DAMSM, of FID and of `keras.applications`."""

import collections
import dataclasses
from collections.abc import Iterator

import keras
from keras import ops

from dmgan_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class _Variant:
    """The differences between published networks of the same name."""

    average_counts_padding: bool
    last_pool: str
    batch_norm_scale: bool


VARIANTS = {
    "torchvision": _Variant(True, "average", True),
    "fid_2015": _Variant(False, "max", True),
    "keras_applications": _Variant(False, "average", False),
}

_Unit = collections.namedtuple(
    "_Unit", "name filters kernel strides padding", defaults=(1, 1, "same")
)
_POOL = "pool"  # the pooling of a block that keeps the size: average, or max in one variant
_REDUCE = "reduce"  # 3 x 3 max pooling with stride 2


def _block_a(pool_filters):
    """35 x 35: Mixed_5b to Mixed_5d."""
    return (
        (_Unit("branch1x1", 64),),
        (_Unit("branch5x5_1", 48), _Unit("branch5x5_2", 64, 5)),
        (
            _Unit("branch3x3dbl_1", 64),
            _Unit("branch3x3dbl_2", 96, 3),
            _Unit("branch3x3dbl_3", 96, 3),
        ),
        (_POOL, _Unit("branch_pool", pool_filters)),
    )


def _block_b():
    """35 x 35 to 17 x 17: Mixed_6a."""
    return (
        (_Unit("branch3x3", 384, 3, 2, "valid"),),
        (
            _Unit("branch3x3dbl_1", 64),
            _Unit("branch3x3dbl_2", 96, 3),
            _Unit("branch3x3dbl_3", 96, 3, 2, "valid"),
        ),
        (_REDUCE,),
    )


def _block_c(filters):
    """17 x 17: Mixed_6b to Mixed_6e."""
    return (
        (_Unit("branch1x1", 192),),
        (
            _Unit("branch7x7_1", filters),
            _Unit("branch7x7_2", filters, (1, 7)),
            _Unit("branch7x7_3", 192, (7, 1)),
        ),
        (
            _Unit("branch7x7dbl_1", filters),
            _Unit("branch7x7dbl_2", filters, (7, 1)),
            _Unit("branch7x7dbl_3", filters, (1, 7)),
            _Unit("branch7x7dbl_4", filters, (7, 1)),
            _Unit("branch7x7dbl_5", 192, (1, 7)),
        ),
        (_POOL, _Unit("branch_pool", 192)),
    )


def _block_d():
    """17 x 17 to 8 x 8: Mixed_7a."""
    return (
        (_Unit("branch3x3_1", 192), _Unit("branch3x3_2", 320, 3, 2, "valid")),
        (
            _Unit("branch7x7x3_1", 192),
            _Unit("branch7x7x3_2", 192, (1, 7)),
            _Unit("branch7x7x3_3", 192, (7, 1)),
            _Unit("branch7x7x3_4", 192, 3, 2, "valid"),
        ),
        (_REDUCE,),
    )


def _block_e():
    """8 x 8: Mixed_7b and Mixed_7c. A tuple within a branch is a fork, concatenated."""
    return (
        (_Unit("branch1x1", 320),),
        (
            _Unit("branch3x3_1", 384),
            (_Unit("branch3x3_2a", 384, (1, 3)), _Unit("branch3x3_2b", 384, (3, 1))),
        ),
        (
            _Unit("branch3x3dbl_1", 448),
            _Unit("branch3x3dbl_2", 384, 3),
            (_Unit("branch3x3dbl_3a", 384, (1, 3)), _Unit("branch3x3dbl_3b", 384, (3, 1))),
        ),
        (_POOL, _Unit("branch_pool", 192)),
    )


_STEM = (
    _Unit("Conv2d_1a_3x3", 32, 3, 2, "valid"),
    _Unit("Conv2d_2a_3x3", 32, 3, 1, "valid"),
    _Unit("Conv2d_2b_3x3", 64, 3),
    _REDUCE,
    _Unit("Conv2d_3b_1x1", 80, 1, 1, "valid"),
    _Unit("Conv2d_4a_3x3", 192, 3, 1, "valid"),
    _REDUCE,
)
_MIXED = {
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": _block_b(),
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _block_d(),
    "Mixed_7b": _block_e(),
    "Mixed_7c": _block_e(),
}


class _ConvolutionUnit(keras.layers.Layer):
    """Convolution without bias (`conv`), batch normalisation (`bn`), ReLU."""

    def __init__(self, unit, batch_norm_scale, **kwargs):
        super().__init__(**kwargs)
        self.conv = keras.layers.Conv2D(
            unit.filters,
            unit.kernel,
            unit.strides,
            padding=unit.padding,
            data_format="channels_last",
            use_bias=False,
            dtype=self.dtype_policy,
            name="conv",
        )
        self.bn = keras.layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-3,
            scale=batch_norm_scale,
            synchronized=keras.backend.backend() == "tensorflow",
            dtype=self.dtype_policy,
            name="bn",
        )

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.bn.build((None, None, None, self.conv.filters))
        self.built = True

    def call(self, x, training=False):
        return ops.relu(self.bn(self.conv(x), training=training))


class _Branches(keras.layers.Layer):
    """Parallel branches of convolution units and pooling, concatenated along channels.

    Args:
        branches: Tuples of steps, each a `_Unit`, a pooling, or a tuple of units that fork.
        pool: `"average"`, `"padded_average"` (zeros beyond the edge count) or `"max"`.
        batch_norm_scale: Whether batch normalisation has a learned scale.
    """

    def __init__(self, branches, pool, batch_norm_scale, **kwargs):
        super().__init__(**kwargs)
        self._branches = branches
        self._pool = pool
        for branch in branches:
            for unit in _units(branch):
                layer = _ConvolutionUnit(
                    unit, batch_norm_scale, dtype=self.dtype_policy, name=unit.name
                )
                setattr(self, unit.name, layer)

    def build(self, input_shape):
        # A reduction's last branch has no convolution: it keeps the input's channels.
        self.output_channels = 0
        for branch in self._branches:
            channels = input_shape[-1]
            for step in branch:
                if step in (_POOL, _REDUCE):
                    continue
                fork = _units((step,))
                for unit in fork:
                    getattr(self, unit.name).build((None, None, None, channels))
                channels = sum(unit.filters for unit in fork)
            self.output_channels += channels
        self.built = True

    def call(self, x, training=False):
        outputs = [self._branch(x, branch, training) for branch in self._branches]
        return outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=-1)

    def _branch(self, x, branch, training):
        for step in branch:
            if step == _REDUCE:
                x = ops.max_pool(x, 3, strides=2, padding="valid", data_format="channels_last")
            elif step == _POOL:
                x = self._pool_same(x)
            else:
                fork = [getattr(self, unit.name)(x, training=training) for unit in _units((step,))]
                x = fork[0] if len(fork) == 1 else ops.concatenate(fork, axis=-1)
        return x

    def _pool_same(self, x):
        """3 x 3 pooling that keeps the size."""
        options = {"strides": 1, "data_format": "channels_last"}
        if self._pool == "max":
            return ops.max_pool(x, 3, padding="same", **options)
        if self._pool == "average":
            return ops.average_pool(x, 3, padding="same", **options)
        x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return ops.average_pool(x, 3, padding="valid", **options)


def _units(branch):
    """The units of a branch in order, those of forks among them."""
    units = []
    for step in branch:
        if isinstance(step, _Unit):
            units.append(step)
        elif isinstance(step, tuple):
            units.extend(step)
    return units


@keras.saving.register_keras_serializable(package="dmgan_tf")
class InceptionV3(keras.Model):
    """Inception-v3, for each of the published sets of weights.

    The sets have the same shapes but not the same arithmetic; weights in the wrong network give
    plausible, wrong numbers. Attributes have torchvision's names (`Mixed_5b.branch1x1.conv`), so a
    converter can traverse both trees in parallel.

    Reference:
        Szegedy et al., Rethinking the Inception Architecture (CVPR 2016), table 1.

    Args:
        variant: `"torchvision"`: average pooling counts padding zeros. `"fid_2015"`, the network
            of FID and Inception Score: it does not, and the last block pools by maximum.
            `"keras_applications"`: average pooling without padding, no learned scale in batch
            normalisation; so is StackGAN's Inception, fine-tuned on birds.
        num_classes: Size of the classifier `fc`, 1000 for ImageNet, 1008 for `fid_2015`; 0 for
            none.

    Call arguments:
        images: Float tensor `(batch, height, width, 3)` in [-1, 1], of 75 pixels or more; it was
            trained at 299.
        training: Whether batch normalisation uses the batch's own statistics.

    Returns:
        A dict: `"mixed_6e"` `(batch, 17, 17, 768)`, `"mixed_7c"` `(batch, 8, 8, 2048)`, `"pooled"`
        `(batch, 2048)` and, if `num_classes`, `"logits"` `(batch, num_classes)`. The published
        Inception Score leaves the bias out: `logits - model.fc.bias`.

    Raises:
        InputError: If `variant` is unknown.
    """

    def __init__(self, variant: str = "torchvision", num_classes: int = 0, **kwargs):
        if variant not in VARIANTS:
            raise InputError(
                f"Expected an Inception variant among {', '.join(VARIANTS)}. Received: {variant!r}."
            )
        super().__init__(**kwargs)
        self.variant = variant
        self.num_classes = num_classes
        choice = VARIANTS[variant]
        average = "padded_average" if choice.average_counts_padding else "average"
        options = {"batch_norm_scale": choice.batch_norm_scale, "dtype": self.dtype_policy}
        for step in _units(_STEM):
            setattr(self, step.name, _ConvolutionUnit(step, name=step.name, **options))
        for name, branches in _MIXED.items():
            pool = "max" if name == "Mixed_7c" and choice.last_pool == "max" else average
            setattr(self, name, _Branches(branches, pool, name=name, **options))
        if num_classes:
            self.fc = keras.layers.Dense(num_classes, dtype=self.dtype_policy, name="fc")

    def build(self, input_shape=None):
        channels = 3
        for unit in _units(_STEM):
            getattr(self, unit.name).build((None, None, None, channels))
            channels = unit.filters
        for name in _MIXED:
            block = getattr(self, name)
            block.build((None, None, None, channels))
            channels = block.output_channels
        if self.num_classes:
            self.fc.build((None, channels))
        self.built = True

    def call(self, images, training=False):
        x = images
        for step in _STEM:
            if step == _REDUCE:
                x = ops.max_pool(x, 3, strides=2, padding="valid", data_format="channels_last")
            else:
                x = getattr(self, step.name)(x, training=training)
        outputs = {}
        for name in _MIXED:
            x = getattr(self, name)(x, training=training)
            if name in ("Mixed_6e", "Mixed_7c"):
                outputs[name.lower()] = x
        outputs["pooled"] = ops.mean(x, axis=(1, 2))
        if self.num_classes:
            outputs["logits"] = self.fc(outputs["pooled"])
        return outputs

    def convolution_units(self) -> Iterator[tuple[str, keras.layers.Layer]]:
        """Yields (torchvision's name, layer with `conv` and `bn`), in torchvision's order.

        For converters of published weights: the name of the first is `"Conv2d_1a_3x3"`, of the
        last `"Mixed_7c.branch_pool"`.
        """
        for unit in _units(_STEM):
            yield unit.name, getattr(self, unit.name)
        for block, branches in _MIXED.items():
            for branch in branches:
                for unit in _units(branch):
                    yield f"{block}.{unit.name}", getattr(getattr(self, block), unit.name)

    def get_config(self):
        return {
            **super().get_config(),
            "variant": self.variant,
            "num_classes": self.num_classes,
        }
