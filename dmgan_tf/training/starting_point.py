"""Training that starts from a model: a published one, or one of another data set."""

import logging
import os

import keras
import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.text.vocabulary import Vocabulary, check_same_vocabulary
from dmgan_tf.training.damsm import DAMSM
from dmgan_tf.training.dmgan import DMGAN

_logger = logging.getLogger(__name__)
_MAY_DIFFER = (
    *("name", "dtype", "trainable", "num_stages"),
    *("vocabulary_size", "num_predicted_words", "color_ids", "dropout", "freeze_backbone"),
)


def start_from(dmgan: DMGAN, directory: str | os.PathLike, vocabulary: Vocabulary) -> None:
    """Initialises a `DMGAN` with the weights of a trained model; optimizers and steps start anew.

    Discriminators that the model lacks, as published ones do, or has of another class, stay
    unchanged. The number of stages may differ: of a longer generator the first ones are used, and a
    shorter one is grown, each further stage initialised as a copy of the last refinement, which
    keeps outlines from the first step on, though not colours.

    Args:
        dmgan: The model in training.
        directory: A run or model directory.
        vocabulary: The vocabulary of the DAMSM of this training: the model's, or one that extends
            it, of a DAMSM that started from the model's own.

    Raises:
        InputError: If the model has no generator, other words, or networks of other sizes.
    """
    start = load_model_directory(directory)
    if start.generator is None:
        raise InputError(
            f"Expected a model with a generator at --init={directory}. Received: one without."
        )
    _check_words(start, directory, vocabulary, "the DAMSM of this training")
    by_size = {network.image_size: network for network in dmgan.discriminators}
    pairs = [
        (by_size[network.image_size], network)
        for network in start.discriminators
        if type(by_size.get(network.image_size)) is type(network)
    ]
    _logger.info(
        "Started from %s: a generator of %d stages for one of %d, and %d of %d discriminators.",
        directory,
        start.generator.num_stages,
        dmgan.generator.num_stages,
        len(pairs),
        len(by_size),
    )
    for mine, theirs in pairs:
        _check_same_sizes(mine, theirs, directory)
    for mine in (dmgan.generator, dmgan.average_generator):
        _check_same_sizes(mine, start.generator, directory)
        pairs += _generator_pairs(mine, start.generator)
    for mine, theirs in pairs:
        for variable, value in zip(mine.weights, theirs.weights, strict=True):
            variable.assign(keras.ops.convert_to_numpy(value))


def start_damsm_from(damsm: DAMSM, directory: str | os.PathLike, vocabulary: Vocabulary) -> None:
    """Initialises a `DAMSM` with the encoders of a trained model; optimizer and steps start anew.

    Words that the model lacks keep their vectors, and the weights that predict them from images.

    Args:
        damsm: The model in training.
        directory: A run or model directory.
        vocabulary: The vocabulary of the data: the model's, or one that extends it.

    Raises:
        InputError: If the model lacks an encoder, has other words, or encoders of other sizes.
    """
    start = load_model_directory(directory)
    for part in ("vocabulary", "text_encoder", "image_encoder"):
        if getattr(start, part) is None:
            raise InputError(
                f"Expected a model with both encoders and their vocabulary at --init={directory}. "
                f"Received: one without {part.replace('_', ' ')}."
            )
    _check_words(start, directory, vocabulary, "the data")
    for name in ("text_encoder", "image_encoder"):
        _check_same_sizes(getattr(damsm, name), getattr(start, name), directory)
    for mine, theirs in _encoder_pairs(damsm, start):
        for variable, given in zip(mine.weights, theirs.weights, strict=True):
            value = np.copy(keras.ops.convert_to_numpy(variable))
            # Of words, it may have further ones.
            value[tuple(map(slice, given.shape))] = keras.ops.convert_to_numpy(given)
            variable.assign(value)
    _logger.info(
        "Started from the encoders of %s; %d words are new to them.",
        directory,
        len(vocabulary) - len(start.vocabulary),
    )


def _check_words(start, directory, vocabulary, of_what):
    if start.vocabulary is not None and not vocabulary.extends(start.vocabulary):
        check_same_vocabulary(start.vocabulary, f"the model {directory}", vocabulary, of_what)


def _encoder_pairs(mine, theirs):
    """Parts of two encoders, each with the part whose weights it copies."""
    pairs = [(mine.text_encoder, theirs.text_encoder)]
    projections = ("region_projection", "code_projection", "word_prediction")
    for name in ("backbone", *projections, "word_reader"):
        pair = getattr(mine.image_encoder, name), getattr(theirs.image_encoder, name)
        if None not in pair:
            pairs.append(pair)
    return pairs


def _generator_pairs(mine, theirs):
    """Parts of a generator, each with the part whose weights it copies."""
    pairs = [
        (getattr(mine, part), getattr(theirs, part)) for part in ("conditioning", "initial_stage")
    ]
    for name in ("refinement_stages", "to_images"):
        given = getattr(theirs, name)
        if given:  # a single stage has no refinement to copy
            pairs += [
                (part, given[min(i, len(given) - 1)]) for i, part in enumerate(getattr(mine, name))
            ]
    return pairs


def _that_must_agree(config):
    """The entries of a configuration, and of layers described in it, that may not differ."""
    return {
        name: _that_must_agree(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if name not in _MAY_DIFFER
    }


def _check_same_sizes(mine, theirs, directory):
    ours, given = (_that_must_agree(network.get_config()) for network in (mine, theirs))
    # A default may be left out of a configuration.
    values = {
        name: [config.get(name, "default") for config in (given, ours)]
        for name in {**ours, **given}
    }
    differing = [
        f"{name}={theirs} (here {own})" for name, (theirs, own) in values.items() if theirs != own
    ]
    if differing:
        raise InputError(
            f"Expected networks of this training's sizes at --init={directory}. Received: a "
            f"{type(theirs).__name__.lower()} with {', '.join(differing)}. Give the model's sizes, "
            "and the DAMSM that it was trained with."
        )
