"""DM-GAN in Keras and TensorFlow: a caption in, an image out.

The public names. Each is imported when it is first used, because TensorFlow takes seconds to load
and `python -m dmgan_tf.NAME --help` does not need it.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmgan_tf.errors import InputError
    from dmgan_tf.models.discriminator import Discriminator
    from dmgan_tf.models.generator import Generator
    from dmgan_tf.models.image_encoder import ImageEncoder
    from dmgan_tf.models.text_encoder import TextEncoder
    from dmgan_tf.models.text_to_image import DMGANTextToImage

__all__ = [
    "DMGANTextToImage",
    "Discriminator",
    "Generator",
    "ImageEncoder",
    "InputError",
    "TextEncoder",
]

_MODULES = {
    "DMGANTextToImage": "dmgan_tf.models.text_to_image",
    "Discriminator": "dmgan_tf.models.discriminator",
    "Generator": "dmgan_tf.models.generator",
    "ImageEncoder": "dmgan_tf.models.image_encoder",
    "InputError": "dmgan_tf.errors",
    "TextEncoder": "dmgan_tf.models.text_encoder",
}


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value  # the next look-up does not call this function
    return value


def __dir__():
    return sorted({*globals(), *__all__})
