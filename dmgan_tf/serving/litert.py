"""A model directory to one LiteRT file for phones, browsers and small machines."""

import json
import os
import pathlib

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import replacing_directory, write_text
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.serving.folder import (
    RECORD_NAME,
    check_folder,
    record_of,
    sha256_of,
    without_gpu_kernels,
)
from dmgan_tf.serving.litert_reader import MODEL
from dmgan_tf.serving.text_files import TOKENIZER, VOCABULARY, tokenizer_settings
from dmgan_tf.text.tokenizer import MOST_WORDS

PRECISIONS = ("float32", "float16", "int8")
CAPTION_LENGTH = 32


def litert_model(
    model: DMGANTextToImage,
    *,
    precision: str = "float16",
    caption_length: int = CAPTION_LENGTH,
    stages: bool = False,
) -> bytes:
    """Converts text encoder and generator to one LiteRT model of built-in operations.

    Its signature takes a batch of 1: `token_ids`, int32 `(1, caption_length)`, padded with 0 on the
    right; `noise`, float32 `(1, noise_dim)`; `condition_noise`, float32 `(1, condition_dim)`. It
    gives `images_SIZE`, float32 `(1, SIZE, SIZE, 3)` in [-1, 1], of the last stage; with `stages`
    of every stage, and of each refinement `attention_scores_SIZE`, `(1, SIZE, SIZE,
    caption_length)`, SIZE being that of the image that is refined, and, where there is a writing
    gate, `word_gates_SIZE`, `(1, caption_length)`.

    Args:
        model: With text encoder and vocabulary.
        precision: How the weights are stored: `"float32"`, `"float16"` or `"int8"`, with which
            convolutions and dense layers also compute in int8.
        caption_length: Words of a caption; shorter ones are padded.
        stages: Whether to give every stage and the word attention.

    Returns:
        The file's bytes.

    Raises:
        InputError: If the model has no text encoder or no vocabulary, or a setting is not as above.
    """
    check_settings(precision, caption_length)
    frozen, names = _frozen_networks(model, caption_length, stages)

    # The converter takes the names of inputs and outputs from a function of a dict.
    @tf.function(autograph=False, input_signature=_inputs(model.generator, caption_length))
    def networks(token_ids, noise, condition_noise):
        given = {"token_ids": token_ids, "noise": noise, "condition_noise": condition_noise}
        values = frozen(*(given[tensor.op.name] for tensor in frozen.inputs))
        return dict(zip(names, values, strict=True))

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [networks.get_concrete_function()], tf.Module()
    )
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def export_litert(
    preset: str | os.PathLike,
    output: str | os.PathLike,
    *,
    precision: str = "float16",
    caption_length: int = CAPTION_LENGTH,
    stages: bool = False,
) -> pathlib.Path:
    """Writes a folder with a LiteRT model and all that is needed to draw captions with it.

    `model.tflite` of `litert_model`, `vocabulary.txt`, `tokenizer.json` (see `text_files`), and
    `dmgan_export.json`: what was exported, and the hashes of the three files. The folder is written
    whole or not at all; an earlier export there is replaced.

    Args:
        preset: A model directory, a run directory, or the name of a shipped model.
        output: The folder.
        precision: As of `litert_model`; so are the others.
        caption_length: Likewise.
        stages: Likewise.

    Returns:
        The path of the folder.

    Raises:
        InputError: If there is no model that can draw captions, a setting is not as above, or
            something else stands at `output`.
    """
    check_settings(precision, caption_length)
    directory = check_folder(output)
    model_directory = find_model_directory(preset)
    model = DMGANTextToImage.from_preset(model_directory)
    content = litert_model(model, precision=precision, caption_length=caption_length, stages=stages)
    with replacing_directory(directory) as temporary:
        (temporary / MODEL).write_bytes(content)
        model.vocabulary.save(temporary / VOCABULARY)
        settings = tokenizer_settings(model.vocabulary, caption_length)
        write_text(temporary / TOKENIZER, json.dumps(settings, indent=2) + "\n")
        record = {
            "format": "litert",
            **record_of(preset, model_directory, model),
            "precision": precision,
            "caption_length": caption_length,
            "stages": stages,
            "files": {name: sha256_of(temporary / name) for name in (MODEL, VOCABULARY, TOKENIZER)},
        }
        write_text(temporary / RECORD_NAME, json.dumps(record, indent=2) + "\n")
    return directory


def check_settings(precision: str, caption_length: int) -> None:
    """Raises an `InputError` unless these are settings of `litert_model`."""
    check_tensorflow("an export")
    if precision not in PRECISIONS:
        raise InputError(
            f"Expected --precision, one of {', '.join(PRECISIONS)}, for LiteRT. Received: "
            f"{precision!r}."
        )
    if not 1 <= caption_length <= MOST_WORDS:
        raise InputError(
            f"Expected --caption_length, a number of words from 1 to {MOST_WORDS}. Received: "
            f"{caption_length}."
        )


def _inputs(generator, caption_length):
    return [
        tf.TensorSpec([1, caption_length], tf.int32, name="token_ids"),
        tf.TensorSpec([1, generator.noise_dim], tf.float32, name="noise"),
        tf.TensorSpec([1, generator.condition_dim], tf.float32, name="condition_noise"),
    ]


def _frozen_networks(model, caption_length, stages):
    """The networks as a function without variables, and the names of what it gives.

    The converter itself leaves variables in the loop of the LSTM, which the runtimes cannot read.
    """
    _ = model.tokenizer  # an error if it cannot read captions
    without_gpu_kernels(model)

    @tf.function(autograph=False, input_signature=_inputs(model.generator, caption_length))
    def networks(token_ids, noise, condition_noise):
        encoded = model.text_encoder(token_ids, training=False)
        inputs = generator_inputs(encoded, token_ids, noise, condition_noise)
        drawn = model.generator(inputs, training=False)
        return named_outputs(model.generator.image_sizes, drawn, stages)

    function = networks.get_concrete_function()
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    return frozen, sorted(function.structured_outputs)  # TensorFlow flattens a dict by name


def named_outputs(image_sizes: tuple[int, ...], drawn: dict, stages: bool) -> dict:
    """Names the outputs of a generator as exports do; see `litert_model`."""
    if not stages:
        return {f"images_{image_sizes[-1]}": drawn["images"][-1]}
    outputs = {}
    for name in ("images", "attention_scores", "word_gates"):
        outputs |= {
            f"{name}_{size}": value for size, value in zip(image_sizes, drawn[name], strict=False)
        }
    return outputs
