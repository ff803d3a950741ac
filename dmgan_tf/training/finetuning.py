"""The settings of a fine-tuning, by the number, sizes and captions of the pictures.

They are returned as the flags of `prepare_data`, `pretrain_damsm` and `train`, so that a
fine-tuning consists of these three commands.
"""

import dataclasses
import os

import numpy as np

from dmgan_tf.data.folder_survey import Folder
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.sources.metadata_file import CAPTION_FIELD
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.networks import choose_networks
from dmgan_tf.models.model_directory import ModelComponents, load_model_directory
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.registry.catalogue import DISCRIMINATORS
from dmgan_tf.registry.lookup import Choice
from dmgan_tf.training.config import DMGANConfig, PretrainingConfig
from dmgan_tf.training.dmgan_run import DEFAULT_MAX_WORDS
from dmgan_tf.training.step_times import StepTimes

_LARGE_ENOUGH = 0.8  # fraction of the pictures; the others are enlarged
_MOST_WORDS = 40

# For short runs, unlike the paper's; see benchmarks/training_log.md.
_DAMSM_BATCH, _BATCH = 48, 16  # at most half of the pictures: some may turn out to be unusable
_DAMSM_PICTURES, _DAMSM_PASSES = 80_000, 40  # images shown in total, and passes, whichever is less
_DAMSM_SHARE = 0.2  # of the time, at most
_MOST_SKIPPED = 0.1  # of the pictures, beside those held out, whose words may all be unknown
_FEW_PICTURES = 500  # below, discriminators' images are augmented against overfitting
_EPOCHS = 12  # of each training: checkpoints, sample sheets and lines of progress
# Learning rates of generator and discriminators, from a model's weights and from new ones.
_RATES, _RATES_OF_NEW = (2e-4, 4e-4), (1e-3, 1e-3)
_DURING_TRAINING, _AROUND = 0.85, 60.0  # the fraction of the time that is steps; seconds to start
_FEWEST_FOR_KID = 50  # pictures held out

_OF_THE_GENERATOR = (
    *("channels", "noise_dim", "condition_dim", "memory_dim", "num_residual_blocks", "base_size"),
    *("refinement", "writing_gate", "response_gate"),
)
_SIZES_OF_DISCRIMINATORS = ("image_size", "channels", "sentence_dim")
_DECIDED = {  # here; other settings of the model's DAMSM and training are kept
    *("epochs", "word_epochs", "passes_per_epoch", "batch_size", "precision", "strategy", "seed"),
    *("image_size", "num_stages", "flip", "crop", "max_words", "image_weights"),
    *("learning_rate", "learning_rate_decay", "ema_decay", "ema_warmup"),
    *("generator_learning_rate", "discriminator_learning_rate", "discriminator_augmentation"),
    *("mode_seeking_weight", "recombination_weight", "word_reader"),
}
# Of a model trained with the loss of words. Its last epochs may have had others, which paint
# texture on images of another kind: benchmarks/training_log.md, "What a caption leaves open".
_TEXT_WEIGHTS = {"damsm_weight": 2.5, "word_weight": 5.0}


@dataclasses.dataclass(frozen=True)
class Stage:
    """One of the commands of a fine-tuning.

    Args:
        command: Its name.
        flags: Its flags, as on a command line.
        minutes: Its approximate duration.
    """

    command: str
    flags: list[str]
    minutes: float


def load_start(model: str | os.PathLike) -> ModelComponents:
    """Loads the model to start from, or of whose sizes and settings the new networks are.

    Raises:
        InputError: If there is none, or it lacks what fine-tuning needs.
    """
    start = load_model_directory(model)
    for part in ("generator", "vocabulary", "text_encoder", "image_encoder"):
        if getattr(start, part) is None:
            raise InputError(
                f"Expected a model with generator, vocabulary, text encoder and image encoder as "
                f"--model={model}. Received: one without {part.replace('_', ' ')}."
            )
    if start.vocabulary.is_open:
        raise InputError(
            f"Expected a model whose words are those of its captions as --model={model}. Received: "
            "one with --word_vectors, which finetune cannot continue. Run prepare_data, "
            "pretrain_damsm and train one by one."
        )
    for kind, entry in ((PretrainingConfig, "damsm"), (DMGANConfig, "training")):
        saved = start.extra.get(entry, {})
        for field in dataclasses.fields(kind):
            registry = field.metadata["setting"].registry
            if registry is not None and field.name in saved:
                # Raises an error for code that the user did not allow.
                registry.find(Choice.of(saved[field.name]).name)
    return start


def choose_image_size(folder: Folder, start: ModelComponents, wanted: int | None = None) -> int:
    """Returns the last stage's size: the model's largest for which the pictures are large enough.

    Args:
        folder: The pictures.
        start: The model.
        wanted: The size that the user requests; it may be one of further stages.

    Raises:
        InputError: If no stage of the model fits the pictures, or none has that size.
    """
    sizes = start.generator.image_sizes
    if wanted is not None:
        further = [sizes[-1] * 2, sizes[-1] * 4]
        if wanted not in [*sizes, *further]:
            raise InputError(
                f"Expected --image_size of a stage of the model, {', '.join(map(str, sizes))}, or "
                f"of further ones, {further[0]} or {further[1]}. Received: {wanted}."
            )
        return wanted
    sides = np.array(folder.shorter_sides)
    fitting = [size for size in sizes if np.mean(sides >= size) >= _LARGE_ENOUGH]
    if not fitting:
        raise InputError(
            f"Expected pictures of {sizes[0]} pixels or more, the first stage of the model. "
            f"Received: a median shorter side of {int(np.median(sides))} in "
            f"{folder.source}. Give larger pictures, or --image_size={sizes[0]} to enlarge them."
        )
    return fitting[-1]


def base_settings(
    folder: Folder,
    start: ModelComponents,
    model_path: str | os.PathLike,
    image_size: int,
    *,
    is_new: bool = False,
) -> tuple[PretrainingConfig, DMGANConfig]:
    """Returns the settings that do not depend on time: sizes of the model, batches, augmentation.

    Args:
        folder: The pictures.
        start: The model to start from.
        model_path: Its path.
        image_size: Pixels of the last stage.
        is_new: Whether the networks only have the model's sizes, and their weights begin anew.
    """
    damsm, training = start.extra.get("damsm", {}), start.extra.get("training", {})
    generator = start.generator.get_config()
    read = max(DEFAULT_MAX_WORDS, damsm.get("max_words", 0))
    common = {
        "max_words": min(max(read, folder.longest_caption), max(read, _MOST_WORDS)),
        "crop": training.get("crop", True),
        "flip": not folder.says_sides,
    }
    image_encoder = start.image_encoder.get_config()
    encoders = {
        "image_backbone": image_encoder["backbone"],
        "backbone_channels": image_encoder["channels"],
        "encoder_input_size": image_encoder["input_size"],
    }
    encoders |= _kept(damsm, PretrainingConfig)
    encoders |= {name: getattr(start.text_encoder, name) for name in ("word_dim", "embedding_dim")}
    backbone = encoders["image_backbone"]
    pretraining = PretrainingConfig(
        **encoders,
        **common,
        batch_size=min(_DAMSM_BATCH, folder.num_training // 2),
        image_weights=os.fspath(model_path) if backbone == "inception_v3" else None,
        word_epochs=1 if start.image_encoder.num_predicted_words else 0,  # see `with_time`
    )
    first, count = generator["base_size"], 1
    while first * 2 ** (count - 1) < image_size:
        count += 1
    kept = {"objective": "release", "damsm_weight": 0.5, **_of_discriminators(start)}
    kept |= _kept(training, DMGANConfig)
    if kept.get("word_weight"):
        kept |= _TEXT_WEIGHTS
    rates = _RATES_OF_NEW if is_new else _RATES
    kept["discriminator"] = _without_a_package(kept.get("discriminator", "dm_gan"))
    kept |= {name: generator[name] for name in _OF_THE_GENERATOR}
    return pretraining, DMGANConfig(
        **kept,
        **common,
        num_stages=count,
        batch_size=min(_BATCH, folder.num_training // 2),
        generator_learning_rate=rates[0],
        discriminator_learning_rate=rates[1],
        ema_decay=0.997,
        ema_warmup=True,
        discriminator_augmentation=folder.num_training < _FEW_PICTURES,
    )


def _of_discriminators(start: ModelComponents) -> dict:
    """The settings of a model's discriminators, which a converted one has not saved."""
    if not start.discriminators:
        return {}
    described = DISCRIMINATORS.describe(start.discriminators[-1])
    choice = Choice.of({k: v for k, v in described.items() if k not in _SIZES_OF_DISCRIMINATORS})
    return {"discriminator_channels": described["channels"], "discriminator": str(choice)}


def _without_a_package(discriminator: str) -> str:
    """The discriminator, or of one that also sees through a published network, the paper's part.

    The network is a package, and takes half of the time.
    """
    choice = Choice.parse(discriminator)
    if choice.name != "projected":
        return discriminator
    options = {name: value for name, value in choice.options.items() if name != "from_size"}
    return str(Choice("dm_gan", options))


def _kept(settings: dict, kind: type) -> dict:
    """The settings that a model was trained with, those that the class still has."""
    names = {field.name for field in dataclasses.fields(kind)} - _DECIDED
    return {name: value for name, value in settings.items() if name in names}


def with_time(
    pretraining: PretrainingConfig,
    training: DMGANConfig,
    num_training: int,
    times: StepTimes,
    minutes: float,
) -> tuple[PretrainingConfig, DMGANConfig]:
    """Returns the settings with as many passes over the pictures as the time allows.

    Args:
        pretraining: The DAMSM's settings.
        training: The training's.
        num_training: Pictures to train on.
        times: Seconds of a step of each.
        minutes: The total time allowed.
    """
    seconds = max(60 * minutes * _DURING_TRAINING - _AROUND, 0.0)
    a_pass = times.damsm * (num_training // pretraining.batch_size)
    wanted = min(_DAMSM_PASSES, -(-_DAMSM_PICTURES // num_training))
    fewest = 2 if pretraining.word_epochs else 1
    passes = max(min(wanted, int(_DAMSM_SHARE * seconds / a_pass)), fewest)
    left = seconds - passes * a_pass
    pretraining = _in_epochs(pretraining, passes)
    if pretraining.word_epochs:
        pretraining = dataclasses.replace(pretraining, word_epochs=pretraining.epochs // 2)
    # The learning rate ends at a tenth.
    decay = round(0.1 ** (1 / pretraining.epochs), 3)
    pretraining = dataclasses.replace(
        pretraining, learning_rate_decay=decay, precision=times.precision
    )
    a_pass = times.training * (num_training // training.batch_size)
    training = _in_epochs(training, max(round(left / a_pass), 1))
    return pretraining, dataclasses.replace(training, precision=times.precision)


def _in_epochs(settings, passes):
    """Splits passes into a dozen epochs, or fewer."""
    each = max(round(passes / _EPOCHS), 1)
    return dataclasses.replace(settings, epochs=max(round(passes / each), 1), passes_per_epoch=each)


def stages_of(
    folder: Folder,
    pretraining: PretrainingConfig,
    training: DMGANConfig,
    times: StepTimes,
    *,
    run: str | os.PathLike,
    model: str | os.PathLike | None = None,
) -> list[Stage]:
    """Returns the three commands of a fine-tuning.

    Args:
        folder: The pictures.
        pretraining: The DAMSM's settings.
        training: The training's.
        times: Seconds of a step of each.
        run: The run directory, which contains the data set and the DAMSM's run.
        model: The model to start from; None for new networks.
    """
    data, damsm = os.path.join(run, "data"), os.path.join(run, "damsm")
    preparing = [
        "--dataset=image_folder",
        f"--source={folder.source}",
        f"--output={data}",
        f"--image_size={training.image_sizes[-1]}",
        "--small_images=upscale",
    ]
    if model is not None:
        own = find_model_directory(model) / "vocabulary.txt"
        preparing += [f"--vocabulary={own}", "--extend_vocabulary"]
    if folder.caption_field != CAPTION_FIELD:
        preparing.append(f"--caption_field={folder.caption_field}")
    if folder.test_fraction is not None:
        preparing.append(f"--test_fraction={folder.test_fraction:g}")
        preparing.append(f"--max_skipped_fraction={_MOST_SKIPPED + folder.test_fraction:.3g}")

    def minutes(settings, seconds):
        steps = folder.num_training // settings.batch_size * settings.passes_per_epoch
        return settings.epochs * steps * seconds / 60

    where = [f"--data={data}", "--resume"]
    if model is not None:
        where.append(f"--init={model}")
    return [
        Stage("prepare_data", preparing, folder.num_training / 6000),
        Stage(
            "pretrain_damsm",
            [*where, f"--run={damsm}", *_flags_of(pretraining)],
            minutes(pretraining, times.damsm),
        ),
        Stage(
            "train",
            [*where, f"--damsm={damsm}", f"--run={run}", *_flags_of(training)],
            minutes(training, times.training),
        ),
    ]


def evaluation_flags(run: str | os.PathLike, minutes: float) -> list[str] | None:
    """Returns the flags of `evaluate` for a fine-tuned model; None where it cannot be scored.

    R-precision by its own DAMSM, and, where a package with a network is installed and 50 pictures
    are held out, the kernel distance to them.

    Args:
        run: The run directory, whose training is done.
        minutes: The total time of the fine-tuning; more time, more pictures.
    """
    data = os.path.join(run, "data")
    held_out = load_dataset_info(data).splits.get("test")
    if held_out is None or held_out.num_classes < 2:
        return None
    count = int(np.clip(10 * minutes, 50, 1000))
    metrics, of_kid = ["r_precision"], []
    protocol = _installed_protocol()
    if protocol and held_out.num_images >= _FEWEST_FOR_KID:
        metrics.append("kid")
        size = min(held_out.num_images, count)
        of_kid = [f"--protocol={protocol}", f"--kid_subset_size={size}"]
    return [
        f"--model={run}",
        f"--data={data}",
        f"--metrics={','.join(metrics)}",
        *of_kid,
        f"--num_images={count}",
        f"--output={os.path.join(run, 'evaluation.json')}",
    ]


def _installed_protocol():
    for protocol in ("squeezenet", "lite0", "mobilenet_v2"):
        try:
            choose_networks(["kid"], [protocol])
        except InputError:
            continue
        return protocol
    return None


def _flags_of(settings) -> list[str]:
    """The settings that are not the defaults of their command, as flags."""
    lines = []
    for field in dataclasses.fields(settings):
        value, name = getattr(settings, field.name), field.metadata["setting"].flag or field.name
        if value == field.default:
            continue
        if isinstance(value, bool):
            lines.append(f"--{name}" if value else f"--no{name}")
        else:
            lines.append(f"--{name}={value}")
    return lines
