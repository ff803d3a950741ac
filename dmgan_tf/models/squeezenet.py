"""SqueezeNet 1.1, whose ImageNet weights are available as a package."""

import keras
from keras import layers, ops

INPUT_SIZE = 227
# Filters of each fire module: of its squeezing convolution, and of each of its expanding ones.
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_FIRST_FIRE = 2  # the paper counts layers, and the first is a plain convolution
_POOLED_AFTER = (3, 5)


def squeezenet(num_classes: int = 1000) -> keras.Model:
    """Makes SqueezeNet 1.1, a classifier of ImageNet with 1.2 million weights.

    Reference:
        Iandola et al., SqueezeNet (2016), section 3.2 and table 1, as simplified in version 1.1 of
        the authors' code: a first convolution of 3 x 3, and pooling after fires 3 and 5.

    Args:
        num_classes: Size of the last convolution, `conv10`.

    Returns:
        A built float32 model of random weights. It takes float `(batch, 227, 227, 3)`, pixels from
        0 to 255 in the order blue, green, red, less the means of ImageNet. It returns a dict:
        `"pooled"` `(batch, 512)`, 0 or more, and `"logits"` `(batch, num_classes)`. Its
        convolutions are named as in the paper, with `_` for `/`: `conv1`, `fire2_squeeze1x1`, ...
    """
    images = keras.Input((INPUT_SIZE, INPUT_SIZE, 3), dtype="float32")
    x = _convolution(64, 3, "conv1", strides=2)(images)
    x = layers.MaxPooling2D(3, 2, dtype="float32")(x)
    for number, (squeezed, expanded) in enumerate(_FIRES, _FIRST_FIRE):
        x = _fire(x, f"fire{number}", squeezed, expanded)
        if number in _POOLED_AFTER:
            x = layers.MaxPooling2D(3, 2, dtype="float32")(x)
    scores = _convolution(num_classes, 1, "conv10")(x)
    outputs = {"pooled": ops.mean(x, axis=(1, 2)), "logits": ops.mean(scores, axis=(1, 2))}
    return keras.Model(images, outputs, name="squeezenet")


def _fire(x, name, squeezed, expanded):
    """Few channels by a 1 x 1 convolution, then many by parallel 1 x 1 and 3 x 3 ones."""
    x = _convolution(squeezed, 1, f"{name}_squeeze1x1")(x)
    sides = [_convolution(expanded, size, f"{name}_expand{size}x{size}")(x) for size in (1, 3)]
    return layers.Concatenate(dtype="float32", name=name)(sides)


def _convolution(filters, size, name, strides=1):
    return layers.Conv2D(
        filters, size, strides, padding="same", activation="relu", dtype="float32", name=name
    )
