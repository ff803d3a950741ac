"""A complete run of DAMSM pretraining, from data to a model directory."""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from dmgan_tf.convert.efficientnet_weights import fill_lite0
from dmgan_tf.data.pipeline import evaluation_dataset, steps_per_epoch, training_dataset
from dmgan_tf.data.readable import reading, scan_split
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.splits import held_out_split
from dmgan_tf.errors import InputError
from dmgan_tf.models.building import build_image_encoder, build_text_encoder
from dmgan_tf.models.model_card import About
from dmgan_tf.models.model_directory import load_inception_directory, save_model_directory
from dmgan_tf.registry.lookup import Choice
from dmgan_tf.text.colors import ids_of_colors
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.word_vectors import open_vocabulary
from dmgan_tf.training.config import PretrainingConfig, RunSettings
from dmgan_tf.training.damsm import DAMSM, GAMMAS, MATCHING, WORDS
from dmgan_tf.training.one_class import check_local_batch, describe_one_class
from dmgan_tf.training.optimizer import EpochDecay, adam
from dmgan_tf.training.retrieval_validation import RetrievalValidation
from dmgan_tf.training.session.checkpoints import named_variables
from dmgan_tf.training.session.session import Session
from dmgan_tf.training.starting_point import start_damsm_from


@dataclasses.dataclass(frozen=True)
class PretrainingResult:
    """The result of a run.

    Args:
        model: The model directory.
        retrieval_accuracy: Share of held-out images that find their sentence; None where none are
            held out.
        retrieval_chance: The accuracy of guessing.
        retrieval_split: The split of these images: `validation` where there is one, else `test`.
    """

    model: str
    retrieval_accuracy: float | None
    retrieval_chance: float | None
    retrieval_split: str | None = None


def pretrain_damsm(
    config: PretrainingConfig,
    data: str | os.PathLike,
    run: str | os.PathLike,
    resume: bool = False,
    flags_text: str = "",
    *,
    init: str | os.PathLike | None = None,
    settings: RunSettings = RunSettings(),  # noqa: B008  frozen
) -> PretrainingResult:
    """Trains a text encoder and an image encoder on a prepared data set.

    Args:
        config: What is trained, and how.
        data: The data directory that `prepare_data` wrote.
        run: The run directory: checkpoints, TensorBoard logs, and `model/`, always up to date.
        resume: Whether to continue a run in that directory.
        flags_text: Flags to save in the run directory, one per line.
        init: A run or model directory whose encoders the training starts from; they must have the
            sizes of `config`, and the data's vocabulary must begin with theirs. A run that
            continues from its own checkpoint does not read it.
        settings: How the run is saved and monitored.

    Raises:
        InputError: If the data or the run directory cannot be used.
        Interrupted: If a signal asked to stop; the run is saved first.
        TrainingDiverged: If losses or gradients stayed not finite.
        WorkerLost: If another worker ended; the last checkpoint remains.
    """
    with Session(run, config, settings, resume, flags_text) as session:
        config.find_classes()
        info = load_dataset_info(data)
        one_class = describe_one_class(info)
        if one_class:
            raise InputError(f"{one_class}.")
        if config.negatives == "local":
            check_local_batch(config.batch_size, session.strategy.num_replicas_in_sync)
        vocabulary, table = info.vocabulary(), None
        if config.word_vectors:
            table = open_vocabulary(vocabulary, config.word_vectors).centred()
            vocabulary = table.vocabulary
        image_size = config.image_size or info.image_size
        steps = config.passes_per_epoch * steps_per_epoch(data, "train", config.batch_size)
        num_predicted_words = info.vocabulary_size if config.word_epochs else 0
        color_ids = ids_of_colors(info.vocabulary()) if config.word_reader else ()
        if config.word_reader and len(color_ids) < 2:
            raise InputError(
                f"Expected captions that name colours in English, for --word_reader, in {data}. "
                f"Received: {len(color_ids)} colour(s). Leave it out."
            )
        split = _split_to_measure(info)
        readable = session.scan(info)
        if split is not None:
            scan_split(info, split, 0.0)  # reported now, not after the first epoch
        with session.building():
            damsm = build_damsm(
                _with_table(config, table),
                len(vocabulary),
                image_size,
                num_predicted_words,
                color_ids,
            )
            if session.is_new:
                damsm.text_encoder.embedding.start_from(vocabulary.words)
                if table is not None:
                    damsm.text_encoder.embedding.set_vectors(table.vectors)
                if init is not None:
                    start_damsm_from(damsm, init, vocabulary)
            decay = EpochDecay(config.learning_rate, steps, config.learning_rate_decay)
            damsm.compile(adam(decay, config.precision))
        session.restore(damsm, training_state(damsm), steps)
        if table is not None:
            _check_same_vectors(damsm.text_encoder.embedding, table, config)
        pipeline = {
            "tokenizer": Tokenizer(vocabulary),
            "image_sizes": (image_size,),
            "batch_size": config.batch_size,
        }
        validation = None
        if split is not None and session.is_chief:
            validation = RetrievalValidation(
                damsm, evaluation_dataset(data, split=split, crop=config.crop, **pipeline)
            )
        save_model = _model_saver(
            session.directory.model, damsm, config, info, vocabulary, image_size, split, init
        )

        def make_dataset(first, last, **part):
            return training_dataset(
                data,
                **pipeline,
                max_words=config.max_words,
                flip=config.flip,
                crop=config.crop,
                noise=config.image_noise,
                num_words=num_predicted_words,
                seed=config.seed,
                start_step=first,
                num_steps=last,
                readable=readable,
                **part,
            )

        def begin_epoch(epoch, logs=None):
            damsm.phase = WORDS if epoch < config.word_epochs else MATCHING

        session.prepare()
        session.fit(
            make_dataset,
            preparing=[keras.callbacks.LambdaCallback(on_epoch_begin=begin_epoch)],
            measuring=[validation] if validation else [],
            finishing=[keras.callbacks.LambdaCallback(on_epoch_end=save_model)],
            metrics=["loss"],
        )
        accuracy, chance = None, None
        if validation is not None:
            with reading(info, split=split):
                accuracy, chance = validation.evaluate()
        return PretrainingResult(str(session.directory.model), accuracy, chance, split)


def _split_to_measure(info):
    """The split on which retrieval is measured; None if none has two classes."""
    split = held_out_split(info, min_images=2)
    if split is not None and info.split(split).num_classes < 2:
        logging.warning(
            "Retrieval is not measured: the %s split has images of one class only.", split
        )
        return None
    return split


def _with_table(config, table):
    """The settings with the word embedding for a table of vectors."""
    if table is None:
        return config
    own = {
        "vector_dim": table.vectors.shape[1],
        "num_trained": len(table.vocabulary.trained_words),
        "source": table.source,
    }
    given = Choice.parse(config.word_embedding).options
    return dataclasses.replace(config, word_embedding=str(Choice("word_vectors", given | own)))


def _check_same_vectors(embedding, table, config):
    """Checks that a resumed run has the word vectors that it was started with."""
    if not np.array_equal(keras.ops.convert_to_numpy(embedding.vectors), table.vectors):
        raise InputError(
            f"Expected the word vectors that the run was started with. Received: --word_vectors="
            f"{config.word_vectors}, which has others. Give the same file, or another --run."
        )


def build_damsm(
    config: PretrainingConfig,
    vocabulary_size: int,
    image_size: int,
    num_predicted_words: int = 0,
    color_ids: Sequence[int] = (),
) -> DAMSM:
    """Makes the two encoders and the built `DAMSM`; call it in the strategy's scope.

    Args:
        config: Their settings.
        vocabulary_size: Number of ids, including the padding's.
        image_size: Size of the images in pixels.
        num_predicted_words: See `ImageEncoder`.
        color_ids: See `ImageEncoder`.

    Raises:
        InputError: If `image_weights` contains no Inception.
    """
    inception = _load_image_weights(config.image_weights) if config.image_weights else None
    text_encoder = build_text_encoder(config, vocabulary_size)
    image_encoder = build_image_encoder(config, inception, num_predicted_words, color_ids)
    fill_lite0([image_encoder.backbone])
    gammas = {name: getattr(config, name) for name in GAMMAS}
    return DAMSM(
        text_encoder,
        image_encoder,
        image_size,
        negatives=config.negatives,
        **gammas,
    )


def _load_image_weights(directory):
    if not pathlib.Path(directory).is_dir():
        raise InputError(
            f"Expected --image_weights=DIR, a model directory. Received: {directory}. Convert "
            "other weights with `python -m dmgan_tf.convert --inception=SOURCE "
            "--output=DIR`."
        )
    return load_inception_directory(directory)


def training_state(damsm: DAMSM) -> dict:
    """Returns everything that the next step depends on, the seeds of dropout and grey included."""
    return {
        **named_variables("text_encoder", damsm.text_encoder.variables),
        **named_variables("image_encoder", damsm.image_encoder.variables),
        **named_variables("optimizer", damsm.optimizer.variables),
    }


def _model_saver(directory, damsm, config, info, vocabulary, image_size, split, init):
    origin = {"started_from": str(init)} if init else {}
    settings = {**dataclasses.asdict(config), "image_size": image_size}

    def save(epoch=None, logs=None):
        figures = {
            name: value
            for name, value in (logs or {}).items()
            if name.startswith("retrieval") and value is not None
        }
        if figures:
            figures["retrieval_split"] = split
        save_model_directory(
            directory,
            vocabulary=vocabulary,
            text_encoder=damsm.text_encoder,
            image_encoder=damsm.image_encoder,
            extra={"damsm": {**settings, **figures}, **origin},
            about=About(
                title="DAMSM: text and image encoder",
                data=info.summary,
            ),
        )

    return save
