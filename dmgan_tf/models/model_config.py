"""The `config.json` of a model directory, which describes its content."""

import json
import pathlib

from dmgan_tf.errors import InputError, first_line

FORMAT_VERSION = 1
NETWORKS = ("text_encoder", "generator", "image_encoder", "inception")
DISCRIMINATORS = "discriminators"  # of which there are several, as a list


def read_config(directory: pathlib.Path) -> dict:
    """Reads the description of a model directory.

    Args:
        directory: The model directory, a `pathlib.Path`.

    Returns:
        The dict of its `config.json`; its `tokenizer` is `None` or has a hash, and it has a network
        or more.

    Raises:
        InputError: If there is no such file, if it is damaged or another file, or if it has a later
            format.
    """
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        version = int(config["format_version"])
        if config["tokenizer"] is not None:
            _check_is(str, config["tokenizer"]["vocabulary_sha256"])
            _check_is(int, config["tokenizer"].get("num_trained_words", 0))
        if not any(name in config for name in (*NETWORKS, DISCRIMINATORS)):
            raise KeyError("no network")
        _check_is(list, config.get(DISCRIMINATORS, []))
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"Expected a model's config.json at {path}; it cannot be read as one "
            f"({type(error).__name__}: {first_line(error)[:200]}). Copy the whole model directory "
            "again."
        ) from error
    if version > FORMAT_VERSION:
        raise InputError(
            f"Expected a model of format {FORMAT_VERSION} or older at {path}. "
            f"Received: format {version}. Update dmgan_tf."
        )
    return config


def weights_name(network: str) -> str:
    """Returns the name of the file with a network's weights."""
    return f"{network}.weights.h5"


def files_of(directory: pathlib.Path) -> list[str]:
    """Lists the files that belong to a model beside `config.json` and its card.

    Args:
        directory: A directory with the model's `config.json`; the others need not be there.

    Raises:
        InputError: As `read_config`.
    """
    config = read_config(directory)
    names = [] if config["tokenizer"] is None else ["vocabulary.txt"]
    there = [name for name in (*NETWORKS, DISCRIMINATORS) if name in config]
    return names + [weights_name(name) for name in there]


def _check_is(kind, value):
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} in place of a {kind.__name__}")
