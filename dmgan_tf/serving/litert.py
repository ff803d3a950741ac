"""Exports a model directory as one LiteRT file for phones, browsers and small machines."""

import os
import pathlib

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from dmgan_tf.errors import InputError
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.serving.folder import check_folder, record_of, write_folder
from dmgan_tf.serving.litert_reader import MODEL
from dmgan_tf.serving.networks import traced_networks
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
    returns `images_SIZE`, float32 `(1, SIZE, SIZE, 3)` in [-1, 1], of the last stage; with `stages`
    of every stage, and of each refinement `attention_scores_SIZE`, `(1, SIZE, SIZE,
    caption_length)`, where SIZE is that of the refined image, and, where there is a writing gate,
    `word_gates_SIZE`, `(1, caption_length)`.

    Args:
        model: With text encoder and vocabulary.
        precision: How the weights are stored: `"float32"`, `"float16"` or `"int8"`, with which
            convolutions and dense layers also compute in int8.
        caption_length: Words of a caption; shorter ones are padded.
        stages: Whether to return every stage and the word attention.

    Returns:
        The file's bytes.

    Raises:
        InputError: If the model has no text encoder or no vocabulary, or a setting is not as above.
    """
    check_settings(precision, caption_length)
    function, inputs = traced_networks(model, 1, caption_length, stages)
    function = function.get_concrete_function()
    # The converter leaves variables in the loop of the LSTM, which no runtime can read.
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    names = sorted(function.structured_outputs)  # as TensorFlow flattens a dict

    # It takes the names of inputs and outputs only from a function of a dict.
    @tf.function(autograph=False, input_signature=inputs)
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
    """Writes a folder with a LiteRT model and everything needed to draw captions with it.

    `model.tflite` of `litert_model`, `vocabulary.txt`, `tokenizer.json` (see `text_files`), and
    `dmgan_export.json`: what was exported, and the hashes of the three files. The folder is written
    completely or not at all; an earlier export there is replaced.

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
            `output` exists and is not an earlier export.
    """
    check_settings(precision, caption_length)
    directory = check_folder(output)
    model_directory = find_model_directory(preset)
    model = DMGANTextToImage.from_preset(model_directory)
    content = litert_model(model, precision=precision, caption_length=caption_length, stages=stages)
    record = {
        "format": "litert",
        **record_of(preset, model_directory, model),
        "precision": precision,
        "caption_length": caption_length,
        "stages": stages,
    }
    write_folder(directory, model, MODEL, content, record)
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
