"""Renders DiceBear's definitions: which styles are free to use, and the PNG of one drawing."""

import concurrent.futures
import functools
import importlib.metadata
import importlib.resources
import importlib.util
import json
import multiprocessing
import os
from collections.abc import Mapping

from dmgan_tf.data.sources.source import Unusable
from dmgan_tf.errors import InputError, did_you_mean

FREE_LICENSES = ("CC0 1.0", "CC BY 4.0")  # as spelled in the definitions

_PACKAGES = ("dicebear-core", "dicebear-styles", "resvg-py")
_MODULES = ("dicebear", "dicebear_styles", "resvg_py")


def check_packages() -> None:
    """Raises an `InputError` if one of the packages that draw is missing."""
    for package, module in zip(_PACKAGES, _MODULES, strict=True):
        if importlib.util.find_spec(module) is None:
            raise InputError(
                f"Expected the package {package}, which draws the avatars. Received: no such "
                'package. Install it: pip install "dmgan_tf[avatars]".'
            )


@functools.cache
def versions() -> tuple[str, ...]:
    """Returns the versions of the packages that draw, on which the pixels depend."""
    return tuple(f"{package} {importlib.metadata.version(package)}" for package in _PACKAGES)


def definition_of(style: str) -> dict:
    """Returns DiceBear's definition of a style that is free to use.

    Args:
        style: Its name.

    Raises:
        InputError: If there is no such style, or if its licence is not among `FREE_LICENSES`.
    """
    directory = importlib.resources.files("dicebear_styles")
    file = directory / f"{style}.json"
    if not file.is_file():
        names = (path.name.removesuffix(".json") for path in directory.iterdir())
        raise InputError(
            f"Expected a style of DiceBear. Received: {style!r}.{did_you_mean(style, names)}"
        )
    definition = json.loads(file.read_text(encoding="utf-8"))
    license_name = definition["meta"]["license"]["name"]
    if license_name not in FREE_LICENSES:
        raise InputError(
            f"Expected styles under {' or '.join(FREE_LICENSES)}, so that models trained on them "
            f"can be shared. Received: {style}, whose licence is {license_name!r}."
        )
    return definition


def attribution_of(style: str) -> str:
    """Returns the sentence that credits the maker of a style."""
    return definition_of(style)["meta"]["license"]["text"]


def render(style: str, options: Mapping[str, str | int], size: int) -> bytes:
    """Draws one picture.

    Pictures are drawn in separate processes, one per processor: the renderer holds the GIL.

    Args:
        style: The name of the style.
        options: DiceBear's options.
        size: Height and width in pixels.

    Returns:
        A PNG.

    Raises:
        Unusable: If the renderer cannot draw it.
    """
    try:
        return _processes().submit(_draw, style, dict(options), size).result()
    except ValueError as error:
        raise Unusable("cannot be drawn", str(error)) from error


@functools.cache
def _processes() -> concurrent.futures.ProcessPoolExecutor:
    # Spawned, since TensorFlow's threads do not survive a fork.
    return concurrent.futures.ProcessPoolExecutor(
        os.cpu_count(), multiprocessing.get_context("spawn")
    )


def _draw(style: str, options: dict, size: int) -> bytes:
    import dicebear
    import resvg_py

    svg = str(dicebear.Avatar(_loaded(style), options))
    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    )


@functools.cache
def _loaded(style: str):
    import dicebear

    return dicebear.Style(definition_of(style))
