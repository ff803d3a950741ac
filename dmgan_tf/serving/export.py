"""Exports a model directory as a SavedModel that draws caption strings on a server."""

import json
import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files.atomic import is_disk_full, replacing_directory, write_text
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.serving import server_files, warm_up
from dmgan_tf.serving.fast import fast_model
from dmgan_tf.serving.folder import RECORD_NAME, record_of, without_gpu_kernels
from dmgan_tf.serving.signatures import Signatures
from dmgan_tf.serving.version_directory import MODELS_CONFIG, new_version_directory

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
_CAPTION_LENGTHS = (3, 8, 12)  # words of the captions that a server warms up with


def export_model(
    preset: str | os.PathLike,
    output: str | os.PathLike,
    *,
    version: int | None = None,
    precision: str = "float32",
    fast: bool = False,
    batch_sizes: Sequence[int] = (1, 2, 4, 8),
) -> pathlib.Path:
    """Writes a version of a model for TensorFlow Serving, completely or not at all.

    Warm-up requests and a record of the export are written beside the SavedModel, in
    `assets.extra`; and above the versions, a README with the commands of server and client, and
    configurations of models and of batching. Existing configurations are kept.

    Args:
        preset: A model directory, a run directory, or the name of a shipped model.
        output: Directory of the model's versions; its name is the model's name on the server.
        version: Number of the version; one more than the highest there, or 1, if `None`.
        precision: `"float32"` or `"bfloat16"`, which is mixed with float32.
        fast: Whether to rewrite the networks for speed (`serving/fast.py`), to the same images.
        batch_sizes: Batch sizes that the server uses and warms up with, ascending.

    Returns:
        The path of the version.

    Raises:
        InputError: If there is no model that can draw captions, the version exists, `output`
            cannot be written to, a setting is not as above, TensorFlow is not Keras' backend, or
            the disk is full.
    """
    _check_settings(precision, batch_sizes)
    directory = new_version_directory(output, version)
    model_directory = find_model_directory(preset)
    model = _load(model_directory, precision, fast)
    signatures = Signatures(model)
    record = {
        **record_of(preset, model_directory, model),
        "precision": precision,
        "fast": bool(fast),
        "batch_sizes": list(map(int, batch_sizes)),
    }
    try:
        _write(directory, signatures, record)
    except (OSError, tf.errors.OpError) as error:
        if not (is_disk_full(error) or isinstance(error, tf.errors.OpError)):
            raise
        raise InputError(
            f"The export cannot be written to {directory} ({first_line(error)}). Nothing is there; "
            "free some space and export again."
        ) from error
    return directory


def _check_settings(precision, batch_sizes):
    check_tensorflow("an export")
    if precision not in PRECISIONS:
        raise InputError(
            f"Expected --precision, one of {', '.join(PRECISIONS)}. Received: {precision!r}."
        )
    sizes = list(batch_sizes)
    if not sizes or sizes[0] < 1 or any(a >= b for a, b in zip(sizes, sizes[1:], strict=False)):
        raise InputError(
            "Expected --batch_sizes, whole numbers from 1 up in ascending order. Received: "
            f"{','.join(map(str, sizes)) or 'none'}."
        )


def _load(model_directory, precision, fast):
    """The model, ready to be traced for any device."""
    dtype = PRECISIONS[precision]
    model = DMGANTextToImage.from_preset(model_directory, dtype=None if fast else dtype)
    _ = model.tokenizer  # an error if it cannot read captions
    if fast:
        model = fast_model(model, dtype=dtype)
    without_gpu_kernels(model)
    return model


def _write(directory, signatures, record):
    output, name = directory.parent, directory.parent.name
    with replacing_directory(directory) as temporary:
        archive = keras.export.ExportArchive()
        archive.track(signatures.table)
        for signature_name, (function, inputs) in signatures.functions.items():
            archive.add_endpoint(signature_name, function, input_signature=inputs)
        archive.write_out(os.fspath(temporary), verbose=False)
        extra = temporary / "assets.extra"
        extra.mkdir(exist_ok=True)
        requests = _warm_up_requests(name, signatures, record["batch_sizes"])
        warm_up.write_requests(extra / warm_up.FILE_NAME, requests)
        write_text(extra / RECORD_NAME, json.dumps(record, indent=2) + "\n")
        new_version_directory(output, int(directory.name))  # another export may have been faster
        for file_name, text in (
            (MODELS_CONFIG, server_files.models_config(name)),
            (server_files.BATCHING, server_files.batching_parameters(record["batch_sizes"])),
        ):
            if not (output / file_name).exists():  # the administrator's own settings stay
                write_text(output / file_name, text)
        words = _known_words(signatures.tokenizer.vocabulary)
        # The first words of a vocabulary are often the most frequent ones: a, of, the.
        caption = _caption([word for word in words if len(word) > 3] or words, 0)
        write_text(output / "README.md", server_files.readme(name, record, caption))


def _warm_up_requests(model_name, signatures, batch_sizes):
    """Every signature at the smallest batch, and the default one at all of them."""
    words = _known_words(signatures.tokenizer.vocabulary)
    requests = []
    for signature_name, (_, specs) in signatures.functions.items():
        for size in batch_sizes if signature_name == "serving_default" else batch_sizes[:1]:
            inputs = {}
            for spec in specs:
                if spec.name == "captions":
                    inputs[spec.name] = [_caption(words, row) for row in range(size)]
                else:
                    shape = (size, *spec.shape[1:])
                    inputs[spec.name] = np.zeros(shape, spec.dtype.as_numpy_dtype)
            requests.append(warm_up.prediction_log(model_name, signature_name, inputs))
    return requests


def _known_words(vocabulary):
    """The words that a caption can contain: a converted vocabulary may have others, as `<end>`."""
    words = [word for word in vocabulary.words[1:] if vocabulary.split(word) == [word]]
    if not words:
        raise InputError(
            "Expected a vocabulary with a word that captions can have. Received: only words such "
            f"as {vocabulary.words[1]!r}. Convert the model again, with its own vocabulary."
        )
    return words


def _caption(words, row):
    length = _CAPTION_LENGTHS[row % len(_CAPTION_LENGTHS)]
    return " ".join(words[(row + i) % len(words)] for i in range(length))
