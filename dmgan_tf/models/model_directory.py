"""A model on disk: configuration, vocabulary and weights in one self-contained directory."""

import contextlib
import dataclasses
import importlib.metadata
import itertools
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import keras

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import is_disk_full, replacing_directory, write_text
from dmgan_tf.layers.initialization import without_initial_values
from dmgan_tf.models.discriminator import DiscriminatorBase
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.model_card import About, model_card
from dmgan_tf.models.model_config import FORMAT_VERSION, NETWORKS, read_config, weights_name
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.models.stored_networks import Together, describe, load_networks, save_weights
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.registry.lookup import allow_module
from dmgan_tf.text.vocabulary import Vocabulary

WEIGHTS_DTYPES = ("float32", "float16")


@dataclasses.dataclass
class ModelComponents:
    """The content of a model directory; missing parts are `None` or an empty list.

    Training writes encoders, or encoders and a generator. Converted weights may be only one of
    these, and `inception` the network of a metric or a backbone to train a DAMSM on.
    """

    vocabulary: Vocabulary | None = None
    text_encoder: TextEncoder | None = None
    generator: Generator | None = None
    discriminators: list[DiscriminatorBase] = dataclasses.field(default_factory=list)
    image_encoder: ImageEncoder | None = None
    inception: InceptionV3 | None = None
    extra: dict = dataclasses.field(default_factory=dict)
    readme: str | None = None


def save_model_directory(
    directory: str | os.PathLike,
    *,
    vocabulary: Vocabulary | None = None,
    text_encoder: TextEncoder | None = None,
    generator: Generator | None = None,
    discriminators: Sequence[DiscriminatorBase] | None = None,
    image_encoder: ImageEncoder | None = None,
    inception: InceptionV3 | None = None,
    extra: Mapping | None = None,
    readme: str | None = None,
    about: About | None = None,
    weights_dtype: str = "float32",
) -> None:
    """Writes a model directory, completely or not at all; an older one is replaced.

    Only a model is replaced, not a run directory, whose checkpoints would be lost.

    Args:
        directory: Where to write.
        vocabulary: The `Vocabulary` that `text_encoder` was trained with, if known.
        text_encoder: A built `TextEncoder`, if there is one.
        generator: A built `Generator`, if there is one.
        discriminators: Built `Discriminator`s, smallest image first, if there are any.
        image_encoder: A built `ImageEncoder`, if there is one.
        inception: A built `InceptionV3`, if there is one.
        extra: Further entries for `config.json`, such as the training's settings; JSON values.
        readme: The model card, Markdown, written unchanged; `model_card`'s if not given.
        about: An `About` with further content for `model_card`.
        weights_dtype: `"float32"`, or `"float16"` for files of half the size; see `save_weights`.

    Raises:
        InputError: If the vocabulary is not of the size that the text encoder expects, if
            `directory` exists and is not a model, if `weights_dtype` is another, or if the disk is
            full; an existing model is kept.
    """
    if weights_dtype not in WEIGHTS_DTYPES:
        raise InputError(
            f"Expected weights_dtype, one of {WEIGHTS_DTYPES}. Received: {weights_dtype!r}."
        )
    _check_vocabulary_size(vocabulary, text_encoder)
    if inception is not None and generator is not None:
        raise InputError(
            "Expected a generator, or an Inception, in a model directory. Received: both. Save "
            "each in a separate directory."
        )
    tokenizer = None
    if vocabulary is not None:
        tokenizer = {"vocabulary_sha256": vocabulary.sha256, "vocabulary_size": len(vocabulary)}
        if vocabulary.is_open:
            tokenizer["num_trained_words"] = len(vocabulary.trained_words)
    config = {
        "format_version": FORMAT_VERSION,
        "tokenizer": tokenizer,
        "weights_dtype": weights_dtype,
        "versions": {
            "dmgan_tf": _version("dmgan_tf"),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "backend_version": _version(keras.backend.backend()),
        },
        **(extra or {}),
    }
    networks = {
        "text_encoder": text_encoder,
        "generator": generator,
        "image_encoder": image_encoder,
        "inception": inception,
    }
    with _replacing_model(directory) as temporary:
        if vocabulary is not None:
            vocabulary.save(temporary / "vocabulary.txt")
        for name, model in networks.items():
            if model is not None:
                config[name] = describe(model)
                save_weights(model, temporary / weights_name(name), weights_dtype)
        if discriminators:
            config["discriminators"] = [describe(model) for model in discriminators]
            together = Together(discriminators)
            save_weights(together, temporary / weights_name("discriminators"), weights_dtype)
        card = readme or model_card(
            vocabulary,
            discriminators,
            **networks,
            extra=extra,
            weights_dtype=weights_dtype,
            about=about,
        )
        write_text(temporary / "README.md", card)
        write_text(temporary / "config.json", json.dumps(config, indent=2) + "\n")


def load_model_directory(
    directory: str | os.PathLike, dtype: str | None = None, allow_modules: Sequence[str] = ()
) -> ModelComponents:
    """Reads a model directory, or the `model/` of a run directory.

    Args:
        directory: A directory that `save_model_directory` wrote, a run directory, or anything else
            that `find_model_directory` finds.
        dtype: Keras dtype policy for all networks, such as `"mixed_bfloat16"`; float32 if `None`.
        allow_modules: Modules outside the package whose code this and later models of the process
            may run, where they name classes of it.

    Returns:
        `ModelComponents`, built, with their weights.

    Raises:
        InputError: If there is no model, or a part of it is missing, damaged or of another model,
            or if it names an unknown class, or one of a module that is not allowed.
    """
    for module in allow_modules:
        allow_module(module)
    directory = find_model_directory(directory)
    config = read_config(directory)
    components = ModelComponents()
    if config["tokenizer"] is not None:
        components.vocabulary = _load_vocabulary(directory, config)
    for name in NETWORKS:
        if name in config:
            (model,) = load_networks(directory, name, [config[name]], dtype)
            setattr(components, name, model)
        elif (directory / weights_name(name)).exists():
            raise InputError(
                f"Expected config.json of {directory} to describe its {name}, whose weights are "
                "there. Received: no such entry. Copy the whole model directory again."
            )
    _check_vocabulary_size(components.vocabulary, components.text_encoder)
    if "discriminators" in config:
        components.discriminators = load_networks(
            directory, "discriminators", config["discriminators"], dtype
        )
    _check_word_sizes(directory, components)
    card = directory / "README.md"
    if card.is_file():
        components.readme = card.read_text(encoding="utf-8", errors="replace")
    known = {field.name for field in dataclasses.fields(ModelComponents)}
    components.extra = {
        key: value
        for key, value in config.items()
        if key not in known | {"format_version", "tokenizer", "versions", "weights_dtype"}
    }
    return components


def load_inception_directory(directory: str | os.PathLike) -> InceptionV3:
    """Reads the Inception-v3 of a model directory, or the one in its image encoder.

    Args:
        directory: What `find_model_directory` finds: a model directory, a run directory, ...

    Returns:
        An `InceptionV3` with its weights; its variant is the one that the weights are of.

    Raises:
        InputError: If there is no such model, or it has neither.
    """
    components = load_model_directory(directory)
    encoder = components.image_encoder
    if components.inception is not None:
        return components.inception
    if encoder is not None and isinstance(encoder.backbone, InceptionV3):
        inception = InceptionV3(encoder.backbone.variant)
        with without_initial_values():  # they would be replaced at once
            inception.build()
        inception.set_weights(encoder.backbone.get_weights())
        return inception
    raise InputError(
        "Expected a model with an Inception-v3, or with an image encoder on one. Received: "
        f"{directory}, which has neither. Make one with `python -m dmgan_tf.convert "
        "--inception=SOURCE --output=DIR`."
    )


def _load_vocabulary(directory, config):
    tokenizer = config["tokenizer"]
    vocabulary = Vocabulary.load(directory / "vocabulary.txt", tokenizer.get("num_trained_words"))
    expected = tokenizer["vocabulary_sha256"]
    if vocabulary.sha256 != expected:
        raise InputError(
            f"The vocabulary of {directory} is not the one its text encoder was trained with: "
            f"expected hash {expected[:12]}, received {vocabulary.sha256[:12]} "
            f"({len(vocabulary)} ids). Restore the model's own vocabulary.txt."
        )
    return vocabulary


def _check_word_sizes(directory, components):
    """Raises an error if networks that share word features differ in their size."""
    sizes = {
        "text encoder": getattr(components.text_encoder, "word_dim", None),
        "image encoder": getattr(components.image_encoder, "embedding_dim", None),
        "generator": getattr(components.generator, "word_dim", None),
    }
    for number, network in enumerate(components.discriminators, start=1):
        sizes[f"discriminator {number}"] = network.sentence_dim
    there = [(name, size) for name, size in sizes.items() if size is not None]
    for (one, size), (other, different) in itertools.pairwise(there):
        if size != different:
            raise InputError(
                f"Expected networks that were trained together in {directory}. Received: the {one} "
                f"with word and sentence features of {size} values, and the {other} with "
                f"{different}. Copy the whole model directory again."
            )


def _check_vocabulary_size(vocabulary, text_encoder):
    """Raises an error if a vocabulary and a text encoder, if both exist, do not match."""
    if vocabulary is None or text_encoder is None:
        return
    if len(vocabulary) != text_encoder.vocabulary_size:
        raise InputError(
            f"Expected a vocabulary of {text_encoder.vocabulary_size} ids, the text encoder's. "
            f"Received one of {len(vocabulary)}. Use the vocabulary.txt that is beside the "
            "encoder's weights."
        )


@contextlib.contextmanager
def _replacing_model(directory):
    """`replacing_directory` for a model: nothing else is replaced, and a full disk is one line."""
    directory = pathlib.Path(directory)
    check_replaceable(directory)
    try:
        with replacing_directory(directory) as temporary:
            yield temporary
    except (OSError, RuntimeError) as error:
        if not is_disk_full(error):
            raise
        kept = "the previous model is kept" if directory.exists() else "no model was written"
        raise InputError(
            f"disk full while writing the model {directory}; {kept}. "
            "Free some space and save again."
        ) from error


def check_replaceable(directory: str | os.PathLike) -> None:
    """Raises an error if saving would overwrite anything but a model, such as a run directory.

    Saving checks this itself; a command that works long before it saves checks at once.

    Raises:
        InputError: If `directory` exists and is not a model.
    """
    directory = pathlib.Path(directory)
    above = next((parent for parent in directory.parents if parent.exists()), directory.parent)
    if not above.is_dir():
        raise InputError(
            f"Expected a directory to write {directory.name} into. Received: {above}, a file. "
            "Choose another directory."
        )
    if not directory.exists():
        return
    if directory.is_dir() and not any(directory.iterdir()):
        return
    try:
        content = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        is_model = "format_version" in content
    except (OSError, ValueError, TypeError, RecursionError):
        is_model = False
    if not is_model:
        found = "a directory of other things" if directory.is_dir() else "a file"
        raise InputError(
            f"Expected a new or empty directory, or a model to replace, at {directory}. "
            f"Received: {found}, which saving would erase. Choose another directory."
        )


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"  # run from a source tree
