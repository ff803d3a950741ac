"""The networks that settings describe."""

import keras

from dmgan_tf.models.generator import Generator
from dmgan_tf.registry.catalogue import DISCRIMINATORS
from dmgan_tf.registry.lookup import Choice

_GENERATOR_SETTINGS = (
    *("channels", "noise_dim", "condition_dim", "memory_dim", "num_residual_blocks"),
    *("base_size", "num_stages", "refinement", "writing_gate", "response_gate"),
)


def build_generator(settings, word_dim: int, dtype: str | None = None) -> Generator:
    """Makes and builds the generator of some settings.

    Args:
        settings: A `DMGANConfig`, or anything else with the attributes that are read of it.
        word_dim: Size of the text encoder's features.
        dtype: Keras dtype policy; that of the settings' precision if `None`.

    Returns:
        A built `Generator`.
    """
    arguments = {name: getattr(settings, name) for name in _GENERATOR_SETTINGS}
    generator = Generator(word_dim=word_dim, **arguments, dtype=dtype or settings.dtype_policy)
    generator.build()
    return generator


def build_discriminators(settings, word_dim: int) -> list[keras.Model]:
    """Makes and builds a discriminator for each stage of some settings, smallest image first.

    Args:
        settings: See `build_generator`.
        word_dim: Size of the sentence embedding.

    Raises:
        InputError: If `settings.discriminator` names no class, or one that takes other arguments.
    """
    discriminators = [
        DISCRIMINATORS.create(
            Choice.parse(settings.discriminator),
            image_size=size,
            channels=settings.discriminator_channels,
            sentence_dim=word_dim,
            dtype=settings.dtype_policy,
        )
        for size in settings.image_sizes
    ]
    for discriminator in discriminators:
        discriminator.build()
    return discriminators
