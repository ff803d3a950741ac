"""Text encoder and generator as one function of tensors, for converters to other formats."""

from typing import Any

import tensorflow as tf

from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.serving.folder import without_gpu_kernels


def traced_networks(
    model: DMGANTextToImage, batch: int | None, words: int | None, stages: bool
) -> tuple[Any, list[tf.TensorSpec]]:
    """Makes a function of `token_ids`, `noise` and `condition_noise` that returns named outputs.

    Args:
        model: With text encoder and vocabulary.
        batch: Pictures per call; `None` for any number.
        words: Words per caption; `None` for any number.
        stages: Whether to return every stage and the word attention, see `named_outputs`.

    Returns:
        A `tf.function` and the specifications of its arguments.

    Raises:
        InputError: If the model has no text encoder or no vocabulary.
    """
    _ = model.tokenizer  # an error if it cannot read captions
    without_gpu_kernels(model)
    generator = model.generator
    inputs = [
        tf.TensorSpec([batch, words], tf.int32, name="token_ids"),
        tf.TensorSpec([batch, generator.noise_dim], tf.float32, name="noise"),
        tf.TensorSpec([batch, generator.condition_dim], tf.float32, name="condition_noise"),
    ]

    @tf.function(autograph=False, input_signature=inputs)
    def networks(token_ids, noise, condition_noise):
        encoded = model.text_encoder(token_ids, training=False)
        drawn = generator(
            generator_inputs(encoded, token_ids, noise, condition_noise), training=False
        )
        return named_outputs(generator.image_sizes, drawn, stages)

    return networks, inputs


def named_outputs(image_sizes: tuple[int, ...], drawn: dict, stages: bool) -> dict:
    """Names the outputs of a generator as exports do.

    Args:
        image_sizes: Of the generator.
        drawn: Its output.
        stages: Whether to return all, or the last image only.

    Returns:
        Dict of `images_SIZE`, one per stage; and, one per refinement, `attention_scores_SIZE` and,
        where there are writing gates, `word_gates_SIZE`, where SIZE is that of the refined image.
    """
    if not stages:
        return {f"images_{image_sizes[-1]}": drawn["images"][-1]}
    return {
        f"{name}_{size}": value
        for name in ("images", "attention_scores", "word_gates")
        for size, value in zip(image_sizes, drawn[name], strict=False)
    }
