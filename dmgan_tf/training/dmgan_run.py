"""A complete run of DM-GAN training, from data and a DAMSM to a model directory and samples."""

import dataclasses
import functools
import logging
import os
from collections.abc import Sequence

import keras

from dmgan_tf.convert.efficientnet_weights import fill_lite0
from dmgan_tf.data.pipeline import (
    some_captions,
    steps_per_epoch,
    training_captions,
    training_dataset,
)
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.splits import held_out_split
from dmgan_tf.errors import InputError
from dmgan_tf.models.building import build_discriminators, build_generator
from dmgan_tf.models.model_directory import (
    check_replaceable,
    find_model_directory,
    load_model_directory,
)
from dmgan_tf.registry.catalogue import OBJECTIVES
from dmgan_tf.registry.lookup import Choice
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import check_words_known
from dmgan_tf.training.config import DMGANConfig, EvaluationSettings, RunSettings
from dmgan_tf.training.damsm import GAMMAS
from dmgan_tf.training.dmgan import DMGAN
from dmgan_tf.training.evaluation_history import EvaluationHistory
from dmgan_tf.training.one_class import describe_one_class
from dmgan_tf.training.optimizer import adam
from dmgan_tf.training.periodic_evaluation import LOGS as EVALUATION_LOGS
from dmgan_tf.training.periodic_evaluation import PeriodicEvaluation, ValidationScorer
from dmgan_tf.training.recombination import exchange_probabilities
from dmgan_tf.training.samples import CurrentModel, SampleSheets
from dmgan_tf.training.session.checkpoints import named_variables
from dmgan_tf.training.session.session import Session
from dmgan_tf.training.starting_point import start_from

NUM_SAMPLE_CAPTIONS = 8
_IMAGES_FOR_EXCHANGES = 5000
DEFAULT_MAX_WORDS = 18  # the release's for CUB, for a DAMSM without this entry


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The result of a run.

    Args:
        model: Its model directory.
        samples: Its newest sample sheet.
        best: The model directory of its lowest FID; None where it was not evaluated.
        best_evaluation: That evaluation, as in its line of `evaluations.jsonl`.
    """

    model: str
    samples: str
    best: str | None = None
    best_evaluation: dict | None = None


def train_dmgan(
    config: DMGANConfig,
    data: str | os.PathLike,
    damsm: str | os.PathLike,
    run: str | os.PathLike,
    *,
    init: str | os.PathLike | None = None,
    resume: bool = False,
    flags_text: str = "",
    sample_captions: Sequence[str] = (),
    sample_every: int | None = None,
    evaluation: EvaluationSettings | None = None,
    settings: RunSettings = RunSettings(),  # noqa: B008  frozen
) -> TrainingResult:
    """Trains a DM-GAN on a prepared data set.

    Args:
        config: What is trained, and how.
        data: The data directory that `prepare_data` wrote.
        damsm: The run or model directory of a DAMSM that was trained with the data's vocabulary.
        run: The run directory: checkpoints, TensorBoard logs, samples, and `model/`, updated at the
            end of every epoch; with `evaluation` also `evaluations.jsonl` and `best/`.
        init: A run or model directory whose generator, and discriminators where it has them, the
            training starts from; it must have the sizes of `config` and the DAMSM's vocabulary.
            A run that continues from its own checkpoint does not read it.
        resume: Whether to continue a run in that directory.
        flags_text: Flags to save in the run directory, one per line.
        sample_captions: Captions of the sample sheets; captions of held-out images if empty.
        sample_every: Steps between two sample sheets, in addition to one per epoch.
        evaluation: How to score the model every few epochs, to keep the best one in `best/`.
        settings: How the run is saved and monitored.

    Raises:
        InputError: If data, DAMSM or run directory cannot be used, or do not match.
        Interrupted: If a signal asked to stop; the run is saved first.
        TrainingDiverged: If losses or gradients stayed not finite.
        WorkerLost: If another worker ended; the last checkpoint remains.
    """
    with Session(run, config, settings, resume, flags_text) as session:
        config.find_classes()
        info = load_dataset_info(data)
        one_class = describe_one_class(info)
        if one_class:
            logging.warning("%s.", one_class)
        encoders = _load_encoders(damsm, info, data)
        if config.word_weight:
            _check_predicts_words(encoders, damsm)
        if config.recombination_weight:
            _check_reads_words(encoders, damsm)
        if config.mode_seeking_weight or config.recombination_weight:
            _check_every_second(config.batch_size, session.strategy.num_replicas_in_sync)
        session.config = config = _with_max_words(config, encoders)
        steps = _checked_steps(config, info, data)
        captions = list(sample_captions) or _held_out_captions(data, info)
        # Before building the networks, so that a wrong caption or directory is reported at once.
        Tokenizer(encoders.vocabulary).encode_batch(captions)
        if init is not None and session.is_new:
            find_model_directory(init)
        scorer = None
        if evaluation is not None and session.is_chief:
            scorer = ValidationScorer(evaluation, info, config.image_sizes[-1], config.crop)
        readable = session.scan(info)

        exchanges = None
        if config.recombination_weight:
            exchanges = _exchanges(info, readable, encoders)
        with session.building():
            dmgan = build_dmgan(
                config, load_model_directory(damsm, dtype=config.dtype_policy), exchanges
            )
            if init is not None and session.is_new:
                start_from(dmgan, init, encoders.vocabulary)
        step = session.restore(dmgan, training_state(dmgan), steps)
        current_model = CurrentModel(dmgan, config, info, encoders, init)
        evaluator = None
        if scorer is not None:
            evaluator = _evaluator(evaluation, scorer, current_model, session)
        session.prepare()
        if evaluator is not None:
            evaluator.begin(step, steps)

        def save_model(epoch, logs):
            current_model.update()
            current_model.save(session.directory.model)

        sheets = SampleSheets(
            current_model, session.directory.samples, captions, sample_every, step
        )
        at_epoch_end = [save_model, *([evaluator.keep] if evaluator else [])]
        session.fit(
            functools.partial(_dataset, config, data, encoders, readable),
            measuring=[evaluator] if evaluator else [],
            finishing=[
                sheets,
                *(keras.callbacks.LambdaCallback(on_epoch_end=work) for work in at_epoch_end),
            ],
            metrics=_progress_metrics(config),
            epoch_metrics=_epoch_metrics(config),
        )
        model, samples = str(session.directory.model), str(session.directory.samples / "latest.png")
        if evaluator is None:
            return TrainingResult(model, samples)
        best = str(session.directory.best)
        return TrainingResult(model, samples, best, evaluator.history.best)


def _evaluator(settings, scorer, current_model, session):
    """The callback that scores and keeps the best model; raises if other files are in `best/`."""
    directory = session.directory
    check_replaceable(directory.best)
    history = EvaluationHistory(
        directory.evaluations, directory.best, scorer.comparison, session.step
    )
    scorer.bind(current_model.model)
    epochs = session.config.epochs
    save_best = functools.partial(current_model.save, directory.best)
    return PeriodicEvaluation(scorer, current_model, history, save_best, settings.every, epochs)


def _with_max_words(config, encoders):
    if config.max_words is not None:
        return config
    max_words = encoders.extra.get("damsm", {}).get("max_words", DEFAULT_MAX_WORDS)
    return dataclasses.replace(config, max_words=max_words)


def _exchanges(info, readable, encoders):
    """How often each colour is exchanged for each other one, by captions of training."""
    captions = training_captions(info, readable, _IMAGES_FOR_EXCHANGES)
    token_ids = Tokenizer(encoders.vocabulary).in_graph(captions).to_list()
    exchanges = exchange_probabilities(token_ids, encoders.image_encoder.color_ids)
    can_be_exchanged = exchanges.diagonal() < 1
    if not can_be_exchanged.any():
        raise InputError(
            "Expected training captions in which different colours stand between the same words, "
            "for --recombination_weight. Received: none. Leave it out."
        )
    logging.info(
        "%d of %d colours are exchanged for others.", can_be_exchanged.sum(), len(exchanges)
    )
    return exchanges


def build_dmgan(config, encoders, exchanges=None):
    """The networks, their optimizers and the `DMGAN`; call it in a strategy's scope.

    Args:
        config: A `DMGANConfig`.
        encoders: The DAMSM's `ModelComponents`.
        exchanges: See `DMGAN`.

    Returns:
        A built and compiled `DMGAN`.

    Raises:
        InputError: If a discriminator needs weights of a package that is not installed.
    """
    word_dim = encoders.text_encoder.word_dim
    damsm = encoders.extra.get("damsm", {})
    gammas = {name: damsm[name] for name in GAMMAS if name in damsm}
    if config.damsm_gamma3 is not None:
        gammas["gamma3"] = config.damsm_gamma3
    dmgan = DMGAN(
        build_generator(config, word_dim),
        build_generator(config, word_dim),
        build_discriminators(config, word_dim),
        encoders.text_encoder,
        encoders.image_encoder,
        objective=OBJECTIVES.create(Choice.parse(config.objective)),
        damsm_weight=config.damsm_weight,
        gammas=gammas,
        word_weight=config.word_weight,
        mode_seeking_weight=config.mode_seeking_weight,
        recombination_weight=config.recombination_weight,
        exchanges=exchanges,
        kl_weight=config.kl_weight,
        ema_decay=config.ema_decay,
        ema_warmup=config.ema_warmup,
        augmentation=config.discriminator_augmentation,
        seed=config.seed,
    )
    fill_lite0(dmgan.discriminators)
    dmgan.compile(
        adam(config.generator_learning_rate, config.precision),
        adam(config.discriminator_learning_rate, config.precision),
    )
    return dmgan


def training_state(dmgan: DMGAN) -> dict:
    """Returns everything that the next step depends on, by names stable between processes."""
    state = {
        **named_variables("generator", dmgan.generator.variables),
        **named_variables("average_generator", dmgan.average_generator.variables),
        **named_variables("generator_optimizer", dmgan.optimizer.variables),
        **named_variables("discriminator_optimizer", dmgan.discriminator_optimizer.variables),
        **named_variables("steps", [dmgan.steps_done]),
    }
    for network in dmgan.discriminators:
        state |= named_variables(f"discriminator_{network.image_size}", network.variables)
    return state


def _load_encoders(damsm, info, data):
    how_to_get_one = (
        f"Train one with `python -m dmgan_tf.pretrain_damsm --data={data} --run=runs/damsm`."
    )
    try:
        find_model_directory(damsm)
    except InputError as error:
        if "://" in str(damsm):
            raise  # the error says what the hub lacks
        raise InputError(
            f"Expected a DAMSM, the run or model directory of one, at {damsm}. Received: none "
            f"there. {how_to_get_one}"
        ) from error
    encoders = load_model_directory(damsm)
    for part in ("text_encoder", "vocabulary", "image_encoder"):
        if getattr(encoders, part) is None:
            raise InputError(
                f"Expected a DAMSM, with text encoder, vocabulary and image encoder, at {damsm}. "
                f"Received: a model without {part.replace('_', ' ')}. {how_to_get_one}"
            )
    check_words_known(
        info.vocabulary(), f"the data set {data}", encoders.vocabulary, f"the DAMSM {damsm}"
    )
    return encoders


def _check_predicts_words(encoders, damsm):
    if not encoders.image_encoder.num_predicted_words:
        raise InputError(
            f"Expected a DAMSM that predicts words, for --word_weight, at {damsm}. Received: one "
            "that does not. Train it with --word_epochs, or leave --word_weight out."
        )


def _check_reads_words(encoders, damsm):
    if encoders.image_encoder.word_reader is None:
        raise InputError(
            f"Expected a DAMSM with a reader of words, for --recombination_weight, at {damsm}. "
            "Received: one without. Train it with --word_reader, or leave --recombination_weight "
            "out."
        )


def _check_every_second(batch_size, num_replicas):
    """With an odd number on each replica, others would be every second caption than on one."""
    if batch_size % (2 * num_replicas):
        raise InputError(
            f"Expected --batch_size to be a multiple of {2 * num_replicas} with "
            "--mode_seeking_weight or --recombination_weight, an even number of images for each of "
            f"{num_replicas} device(s). Received: {batch_size}."
        )


def _checked_steps(config, info, data):
    if config.image_sizes[-1] > info.image_size:
        raise InputError(
            f"The last of {config.num_stages} stages from --base_size={config.base_size} draws "
            f"{config.image_sizes[-1]} pixels; the data set {data} was prepared for "
            f"{info.image_size}. Prepare it with --image_size={config.image_sizes[-1]}, or draw "
            "fewer or smaller stages."
        )
    return config.passes_per_epoch * steps_per_epoch(data, "train", config.batch_size)


def _held_out_captions(data, info):
    """Captions of the held-out split, or of the training split if there is none."""
    return some_captions(data, held_out_split(info) or "train", NUM_SAMPLE_CAPTIONS)


def _dataset(config, data, encoders, readable, start_step, num_steps, **part):
    return training_dataset(
        data,
        tokenizer=Tokenizer(encoders.vocabulary),
        image_sizes=config.image_sizes,
        batch_size=config.batch_size,
        num_steps=num_steps,
        max_words=config.max_words,
        flip=config.flip,
        crop=config.crop,
        seed=config.seed,
        start_step=start_step,
        readable=readable,
        **part,
    )


def _progress_metrics(config):
    size = config.image_sizes[-1]
    losses = [f"discriminator_{size}_loss", f"generator_{size}_loss", "damsm_loss"]
    optional = {
        "word_loss": config.word_weight,
        "mode_seeking_loss": config.mode_seeking_weight,
        "recombination_loss": config.recombination_weight,
    }
    return [*losses, *(name for name, weight in optional.items() if weight)]


def _epoch_metrics(config):
    size = config.image_sizes[-1]
    probabilities = ("real", "generated", "real_match", "generated_match")
    return [
        *_progress_metrics(config),
        *(f"discriminator_{size}_{name}_probability" for name in probabilities),
        "adversarial_gradient_norm",
        "damsm_gradient_norm",
        "conditioning_divergence",
        *EVALUATION_LOGS.values(),
    ]
