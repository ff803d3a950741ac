"""The protocols by which published numbers were measured.

A protocol is a network and its preprocessing: how a picture is resized, whether it is rounded to
whole levels afterwards, how levels are scaled. FID differs by up to 30 % between
protocols on the same pictures.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from keras import ops

from dmgan_tf.layers.resize import resize, resize_bytes
from dmgan_tf.models import efficientnet_lite, mobilenet_v2, squeezenet

INCEPTION_SIZE = 299
# From torchvision's normalisation, by ImageNet's means and deviations, to that of Google's weights.
_IMAGENET_SCALE = np.float32([0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5])
_IMAGENET_SHIFT = np.float32([(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5])
_CAFFE_MEANS = np.float32([104.006, 116.669, 122.679])  # of ImageNet: blue, green, red


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How one family of published numbers was measured.

    Args:
        name: Its value of `--protocol`.
        variant: The network: a variant of `InceptionV3`, or that of a package.
        metrics: Those that it defines, among `"fid"`, `"is"` and `"kid"`.
        description: Network; resize; quantisation. One line, for the report.
        published_by: Whose numbers these are.
        preprocess: uint8 `(batch, height, width, 3)` to the network's float32 input.
        class_logits: The network's logits and its classifier to those of the Inception Score.
        num_classes: Size of that classifier; None for any.
        dim: How many features an image has.
    """

    name: str
    variant: str
    metrics: tuple[str, ...]
    description: str
    published_by: str
    preprocess: Callable
    class_logits: Callable | None = None
    num_classes: int | None = None
    dim: int = 2048


def _around_128(images):
    return (images - 128) / 128


def _ttur(images):
    return _around_128(resize(images, INCEPTION_SIZE, "legacy_tensorflow"))


def _pytorch_fid(images):
    return 2 * resize(ops.cast(images, "float32") / 255, INCEPTION_SIZE) - 1


def _clean(images):
    return _around_128(_bicubic(images, INCEPTION_SIZE))


def _bicubic(images, size):
    resized = resize(images, size, antialias=True, kernel="bicubic")
    return ops.clip(resized, 0, 255)  # a cubic filter can overshoot it


def _release(images):
    unit_range = resize_bytes(images, INCEPTION_SIZE) / 255
    return ops.add(ops.multiply(unit_range, _IMAGENET_SCALE), _IMAGENET_SHIFT)


def _stackgan_birds(images):
    return resize_bytes(images, INCEPTION_SIZE) / 127.5 - 1


def _lite0(images):
    return (_bicubic(images, efficientnet_lite.INPUT_SIZE) - 127) / 128


def _squeezenet(images):
    return ops.flip(_bicubic(images, squeezenet.INPUT_SIZE), axis=-1) - _CAFFE_MEANS


def _mobilenet_v2(images):
    return _bicubic(images, mobilenet_v2.INPUT_SIZE) / 127.5 - 1


def _without_bias(logits, classifier):
    """The first published Inception Score used the 2015 graph without the bias of its logits."""
    return logits - ops.cast(classifier.bias, "float32")


def _without_background(logits, _):
    """Class 0 stands for no class; StackGAN takes the softmax over the others."""
    return logits[:, 1:]


_IN_ORDER = (
    Protocol(
        name="ttur",
        variant="fid_2015",
        metrics=("fid", "is", "kid"),
        description="2015 Inception, IS from logits without bias; TensorFlow 1's bilinear resize "
        "to 299 px, no antialiasing; not rounded after the resize",
        published_by="TTUR's original TensorFlow code, torch-fidelity",
        preprocess=_ttur,
        class_logits=_without_bias,
        num_classes=1008,
    ),
    Protocol(
        name="pytorch_fid",
        variant="fid_2015",
        metrics=("fid", "kid"),
        description="2015 Inception; half-pixel bilinear resize to 299 px, no antialiasing; not "
        "rounded after the resize",
        published_by="pytorch-fid, and most papers since 2019",
        preprocess=_pytorch_fid,
    ),
    Protocol(
        name="release",
        variant="torchvision",
        metrics=("fid", "kid"),
        description="torchvision's ImageNet Inception, its input affine applied to [0, 1] pixels; "
        "PIL's antialiased bilinear resize to 299 px; rounded to 8 bits after the resize",
        published_by="DM-GAN's README and its descendants",
        preprocess=_release,
    ),
    Protocol(
        name="clean",
        variant="fid_2015",
        metrics=("fid", "kid"),
        description="2015 Inception; PIL's antialiased bicubic resize of float channels to 299 "
        "px, clipped to [0, 255]; not rounded after the resize",
        published_by="clean-fid",
        preprocess=_clean,
    ),
    Protocol(
        name="stackgan_birds",
        variant="keras_applications",
        metrics=("is",),
        description="StackGAN's Inception fine-tuned on birds, class 0 dropped before the "
        "softmax; PIL's antialiased bilinear resize to 299 px; rounded to 8 bits after the resize",
        published_by="StackGAN, and text-to-image papers on CUB since",
        preprocess=_stackgan_birds,
        class_logits=_without_background,
        num_classes=51,
    ),
    Protocol(
        name="lite0",
        variant="efficientnet_lite0",
        metrics=("fid", "kid"),
        description="EfficientNet-Lite0 of ImageNet, not comparable with published FID; PIL's "
        "antialiased bicubic resize of float channels to 224 px, clipped to [0, 255]; not rounded "
        "after the resize",
        published_by="nobody: for comparing models with each other where no Inception is available",
        preprocess=_lite0,
        dim=1280,
    ),
    Protocol(
        name="squeezenet",
        variant="squeezenet",
        metrics=("fid", "kid"),
        description="SqueezeNet 1.1 of ImageNet, mean of fire9, not comparable with published FID; "
        "PIL's antialiased bicubic resize of float channels to 227 px, clipped to [0, 255]; not "
        "rounded after the resize",
        published_by="nobody: a judge that no training here uses",
        preprocess=_squeezenet,
        dim=512,
    ),
    Protocol(
        name="mobilenet_v2",
        variant="mobilenet_v2",
        metrics=("fid", "kid"),
        description="MobileNetV2 of ImageNet, mean of block_13_depthwise, not comparable with "
        "published FID; PIL's antialiased bicubic resize of float channels to 160 px, clipped to "
        "[0, 255]; not rounded after the resize",
        published_by="nobody: a judge that no training here uses",
        preprocess=_mobilenet_v2,
        dim=576,
    ),
)
PROTOCOLS = {protocol.name: protocol for protocol in _IN_ORDER}
