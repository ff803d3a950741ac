"""Finds a model: at a path, among those that ship with the package, or on a hub."""

import os
import pathlib

from dmgan_tf.errors import InputError, did_you_mean
from dmgan_tf.models.hubs import download_model, is_handle
from dmgan_tf.models.model_config import files_of

SHIPPED = pathlib.Path(__file__).parents[1] / "presets"


def shipped_presets() -> list[str]:
    """Lists the names of the models that ship with the package, sorted."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def find_model_directory(model: str | os.PathLike) -> pathlib.Path:
    """Finds the model directory of `model`; a hub's is downloaded first.

    Args:
        model: A model directory, a run directory (whose `model/` it is then), the name of a shipped
            model, or a handle, `hf://USER/MODEL` or `kaggle://USER/MODEL/FRAMEWORK/VARIATION`. A
            path in the working directory with the name of a shipped model is given as `./NAME`.

    Returns:
        A `pathlib.Path` to a directory with a `config.json`.

    Raises:
        InputError: If there is no such model, or it cannot be fetched.
    """
    if is_handle(model):
        return download_model(model, files_of)
    if isinstance(model, str) and model in shipped_presets():
        return SHIPPED / model
    if not os.fspath(model):  # `pathlib` would use the working directory
        raise InputError(
            "Expected a model directory, a run directory or the name of a shipped model. "
            "Received: an empty name."
        )
    directory = pathlib.Path(model)
    for candidate in (directory, directory / "model"):
        if (candidate / "config.json").is_file():
            return candidate
    shipped, found, meant = "", "nothing there", ""
    if directory.is_dir():
        found = "a directory without one"
    elif directory.is_file():
        found = "a file"
    if os.fspath(model) == directory.name:  # it may have been meant as a name
        meant = did_you_mean(directory.name, shipped_presets())
        shipped = f", or the name of a shipped model ({', '.join(shipped_presets()) or 'none'})"
    raise InputError(
        f"Expected a model directory (one with config.json) or a run directory at {model}{shipped}."
        f" Received: {found}.{meant or ' Train one with `python -m dmgan_tf.train`.'}"
    )
