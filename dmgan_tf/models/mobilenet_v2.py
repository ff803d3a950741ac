"""The lower part of MobileNetV2, as a feature network."""

import keras
from keras import layers

INPUT_SIZE = 160
_LAST_LAYER = "block_13_depthwise_relu"


def mobilenet_v2_features() -> keras.Model:
    """Makes MobileNetV2 up to the depthwise convolution of block 13, averaged over the image.

    Reference:
        Sandler et al., MobileNetV2 (CVPR 2018), table 2, as in `keras.applications`, whose names
        the layers have.

    Returns:
        A built float32 model of random weights. It takes float `(batch, 160, 160, 3)`, pixels in
        [-1, 1], and returns a dict: `"pooled"` `(batch, 576)`, from 0 to 6.
    """
    whole = keras.applications.MobileNetV2(
        (INPUT_SIZE, INPUT_SIZE, 3), include_top=False, weights=None
    )
    regions = whole.get_layer(_LAST_LAYER).output
    pooled = layers.GlobalAveragePooling2D(dtype="float32")(regions)
    return keras.Model(whole.input, {"pooled": pooled}, name="mobilenet_v2_features")
