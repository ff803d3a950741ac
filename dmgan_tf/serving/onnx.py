"""Exports a model directory as one ONNX file, for batches and captions of any size."""

import os
import pathlib
import types

from dmgan_tf.errors import InputError
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.serving.folder import check_folder, record_of, write_folder
from dmgan_tf.serving.networks import traced_networks

MODEL = "model.onnx"
_OPSET = 18


def onnx_model(model: DMGANTextToImage, *, stages: bool = False) -> bytes:
    """Converts text encoder and generator to one ONNX model in float32.

    Its inputs are `token_ids`, int32 `(batch, words)`, padded with 0 on the right; `noise`, float32
    `(batch, noise_dim)`; `condition_noise`, float32 `(batch, condition_dim)`. Its outputs are those
    of `litert_model`, for any batch and any number of words.

    Args:
        model: With text encoder and vocabulary.
        stages: Whether to return every stage and the word attention.

    Returns:
        The file's bytes.

    Raises:
        InputError: If the model has no text encoder or no vocabulary, or the package tf2onnx is not
            installed.
    """
    check_tensorflow("an export")
    converter = _import_converter()
    function, inputs = traced_networks(model, None, None, stages)
    converted, _ = converter.convert.from_function(function, inputs, opset=_OPSET)
    for value in (*converted.graph.input, *converted.graph.output):
        sizes = value.type.tensor_type.shape.dim
        for place, size in enumerate(sizes):
            if not size.HasField("dim_value"):  # the converter adds a number to each
                size.dim_param = "words" if place else "batch"
    return converted.SerializeToString()


def export_onnx(
    preset: str | os.PathLike, output: str | os.PathLike, *, stages: bool = False
) -> pathlib.Path:
    """Writes a folder with `model.onnx` and the files that `export_litert` writes beside its model.

    Args:
        preset: A model directory, a run directory, or the name of a shipped model.
        output: The folder.
        stages: As of `onnx_model`.

    Returns:
        The path of the folder.

    Raises:
        InputError: If there is no model that can draw captions, `output` exists and is not an
            earlier export, or tf2onnx is not installed.
    """
    directory = check_folder(output)
    _import_converter()
    model_directory = find_model_directory(preset)
    model = DMGANTextToImage.from_preset(model_directory)
    content = onnx_model(model, stages=stages)
    record = {
        "format": "onnx",
        **record_of(preset, model_directory, model),
        "precision": "float32",
        "caption_length": None,
        "stages": stages,
    }
    write_folder(directory, model, MODEL, content, record)
    return directory


def _import_converter() -> types.ModuleType:
    try:
        import tf2onnx
    except ModuleNotFoundError as error:
        raise InputError(
            f"Expected tf2onnx, which converts to ONNX. Received: {error.name} is not installed. "
            'Add it with `pip install "dmgan_tf[onnx]"`.'
        ) from error
    return tf2onnx
