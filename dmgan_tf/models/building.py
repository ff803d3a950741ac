"""Builds networks from settings."""

import logging
from collections.abc import Sequence

from dmgan_tf.errors import InputError
from dmgan_tf.models.discriminator import DiscriminatorBase
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.registry.catalogue import DISCRIMINATORS
from dmgan_tf.registry.lookup import Choice

_GENERATOR_SETTINGS = (
    *("channels", "noise_dim", "condition_dim", "memory_dim", "num_residual_blocks"),
    *("base_size", "num_stages", "refinement", "writing_gate", "response_gate"),
)


def build_generator(settings, word_dim: int, dtype: str | None = None) -> Generator:
    """Makes and builds the generator of some settings.

    Args:
        settings: A `DMGANConfig`, or any object with the same attributes.
        word_dim: Size of the text encoder's features.
        dtype: Keras dtype policy; that of the settings' precision if `None`.

    Returns:
        A built `Generator`.
    """
    arguments = {name: getattr(settings, name) for name in _GENERATOR_SETTINGS}
    generator = Generator(word_dim=word_dim, **arguments, dtype=dtype or settings.dtype_policy)
    generator.build()
    return generator


def build_discriminators(settings, word_dim: int) -> list[DiscriminatorBase]:
    """Makes and builds a discriminator for each stage of some settings, smallest image first.

    Args:
        settings: See `build_generator`.
        word_dim: Size of the sentence embedding.

    Raises:
        InputError: If `settings.discriminator` names no class, or one that takes other arguments.
    """
    choice = Choice.parse(settings.discriminator)
    decided = [
        name for name in ("image_size", "channels", "sentence_dim") if name in choice.options
    ]
    if decided:
        raise InputError(
            f"Expected --discriminator without {', '.join(decided)}: the stages, "
            "--discriminator_channels and the DAMSM decide on sizes. Received: "
            f"{settings.discriminator}."
        )
    discriminators = [
        DISCRIMINATORS.create(
            choice,
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


def build_text_encoder(settings, vocabulary_size: int) -> TextEncoder:
    """Makes and builds the text encoder of some settings.

    Args:
        settings: A `PretrainingConfig`, or any object with the same attributes.
        vocabulary_size: Number of ids, including the padding's.

    Raises:
        InputError: If `settings.word_embedding` names no class, or one that takes other arguments.
    """
    encoder = TextEncoder(
        vocabulary_size,
        settings.word_dim,
        settings.embedding_dim,
        settings.dropout,
        settings.word_embedding,
        dtype=settings.dtype_policy,
    )
    encoder.build()
    return encoder


def build_image_encoder(
    settings,
    inception: InceptionV3 | None = None,
    num_predicted_words: int = 0,
    color_ids: Sequence[int] = (),
) -> ImageEncoder:
    """Makes and builds the image encoder of some settings.

    Args:
        settings: See `build_text_encoder`.
        inception: The network whose weights the backbone `inception_v3` gets.
        num_predicted_words: See `ImageEncoder`.
        color_ids: See `ImageEncoder`.

    Raises:
        InputError: If `settings.image_backbone` names no class, or one that takes other arguments.
    """
    starts_blank = Choice.parse(settings.image_backbone).name == "inception_v3" and not inception
    if starts_blank:
        logging.warning(
            "inception_v3 has no weights (--image_weights): an untrained frozen backbone is "
            "useless, so it is trained from scratch here, which needs much data and a "
            "GPU. Use --image_backbone=small_cnn, or ImageNet weights."
        )
    encoder = ImageEncoder(
        settings.word_dim,
        settings.image_backbone,
        channels=settings.backbone_channels,
        input_size=settings.encoder_input_size,
        freeze_backbone=False if starts_blank else None,
        inception_variant=inception.variant if inception else "torchvision",
        num_predicted_words=num_predicted_words,
        color_ids=color_ids,
        dtype=settings.dtype_policy,
    )
    encoder.build()
    if inception:
        pairs = zip(
            encoder.backbone.convolution_units(), inception.convolution_units(), strict=True
        )
        for (_, ours), (_, loaded) in pairs:
            ours.set_weights(loaded.get_weights())
    return encoder
