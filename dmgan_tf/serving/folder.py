"""Common parts of the exports: the folder and the record in it."""

import hashlib
import importlib.metadata
import json
import os
import pathlib
import typing

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import replacing_directory, write_text
from dmgan_tf.serving.text_files import TOKENIZER, VOCABULARY, tokenizer_settings

if typing.TYPE_CHECKING:  # a reader needs neither Keras nor TensorFlow
    from dmgan_tf.models.text_to_image import DMGANTextToImage

RECORD_NAME = "dmgan_export.json"
_HASHED_FILES = ("text_encoder.weights.h5", "generator.weights.h5", "vocabulary.txt")


def check_folder(output: str | os.PathLike) -> pathlib.Path:
    """Returns the absolute path of a folder to write; creates nothing.

    Raises:
        InputError: If it exists and is not an earlier export of a folder, or it cannot be written
            to.
    """
    output = pathlib.Path(os.path.abspath(output))
    if output.exists() and not output.is_dir():
        raise InputError(
            f"Expected a folder to write to at {output}. Received: a file. Choose another --output."
        )
    is_other = output.is_dir() and any(output.iterdir())
    if is_other and not (output / RECORD_NAME).is_file():
        raise InputError(
            f"Expected a new or empty folder, or an earlier export, at {output}. Received: one "
            "with other things. Choose another --output."
        )
    above = next(path for path in output.parents if path.exists())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise InputError(
            f"Expected a folder to write to at {output}. Received: {above}, which is no directory "
            "that this user may write to. Choose another --output, or change its permissions."
        )
    return output


def write_folder(
    directory: pathlib.Path,
    model: "DMGANTextToImage",
    name: str,
    content: bytes,
    record: dict,
) -> None:
    """Writes a folder with a model in one file, completely or not at all.

    Args:
        directory: Of `check_folder`; an earlier export there is replaced.
        model: The model that was converted.
        name: Of the converted file.
        content: Its bytes.
        record: The content of `dmgan_export.json` without the hashes of the files;
            `caption_length` is `None` where captions may have any number of words.
    """
    with replacing_directory(directory) as temporary:
        (temporary / name).write_bytes(content)
        model.vocabulary.save(temporary / VOCABULARY)
        settings = tokenizer_settings(model.vocabulary, record["caption_length"])
        write_text(temporary / TOKENIZER, json.dumps(settings, indent=2) + "\n")
        files = {file: sha256_of(temporary / file) for file in (name, VOCABULARY, TOKENIZER)}
        text = json.dumps({**record, "files": files}, indent=2)
        write_text(temporary / RECORD_NAME, text + "\n")


def record_of(
    preset: str | os.PathLike, model_directory: pathlib.Path, model: "DMGANTextToImage"
) -> dict:
    """Returns what every export records of a model: its sizes and the hashes of its files."""
    return {
        "model": os.fspath(preset),
        "image_sizes": list(model.generator.image_sizes),
        "noise_dim": model.generator.noise_dim,
        "condition_dim": model.generator.condition_dim,
        "sha256": {name: sha256_of(model_directory / name) for name in _HASHED_FILES},
        "versions": {
            package: importlib.metadata.version(package) for package in ("keras", "tensorflow")
        },
    }


def sha256_of(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_gpu_kernels(model: "DMGANTextToImage") -> None:
    """Prepares a model to be traced for any device.

    If the exporting machine has a GPU, Keras would use an LSTM that runs on GPUs only.
    """
    recurrence = model.text_encoder.recurrence
    for layer in (recurrence.forward_layer, recurrence.backward_layer):
        layer.use_cudnn = False
