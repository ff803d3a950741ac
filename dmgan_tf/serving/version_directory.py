"""The directory of an export, `SERVING_DIR/NAME/VERSION`, checked before slow work begins."""

import os
import pathlib
import re

from dmgan_tf.errors import InputError

MODELS_CONFIG = "models.config"
LARGEST_VERSION = 2**63 - 1  # a server stores versions as int64


def new_version_directory(output: str | os.PathLike, version: int | None = None) -> pathlib.Path:
    """Returns the directory of a new version; creates nothing.

    Args:
        output: Directory of all versions of one model; its name is the model's on the server.
        version: From 0 up; one more than the highest there, or 1, if `None`.

    Returns:
        The path of the version.

    Raises:
        InputError: If that version exists, or `output` cannot contain one.
    """
    output = pathlib.Path(os.path.abspath(output))
    _check_output(output)
    if version is None:
        version = max(_versions(output), default=0) + 1
    if not 0 <= version <= LARGEST_VERSION:
        raise InputError(
            f"Expected a version from 0 to {LARGEST_VERSION}. Received: version={version}."
        )
    if version in _versions(output):  # 007 is also version 7 to a server
        raise InputError(
            f"Expected a version that {output} does not have yet. Received: version={version}. "
            "Choose another, or none for the next; a running server would read parts of both."
        )
    return output / str(version)


def _versions(output):
    """The versions below a directory, as a server reads its names."""
    if not output.is_dir():
        return set()
    numbers = {int(path.name) for path in output.iterdir() if re.fullmatch("[0-9]+", path.name)}
    return {number for number in numbers if number <= LARGEST_VERSION}


def _check_output(output):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", output.name):
        raise InputError(
            "Expected --output to end in the model's name on the server: letters, digits, '_', "
            f"'-' and '.'. Received: {output.name!r}. Give SERVING_DIR/dmgan, for instance."
        )
    above = next(path for path in (output, *output.parents) if path.exists())
    if not above.is_dir():
        raise InputError(
            f"Expected a directory to write to at {output}. Received: {above}, a file. Choose "
            "another --output."
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(
            f"Expected a directory to write to at {output}. Received: {above}, which this user "
            "may not write to. Choose another --output, or change its permissions."
        )
    entries = {path.name for path in output.iterdir()} if output.is_dir() else set()
    others = sorted(name for name in entries if not re.fullmatch("[0-9]+|[.].*", name))
    if others and MODELS_CONFIG not in entries:
        raise InputError(
            f"Expected a new or empty directory, or one of earlier exports, at {output}. "
            f"Received: one with other things ({others[0]}). Choose another --output."
        )
