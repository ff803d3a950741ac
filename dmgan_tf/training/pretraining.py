"""A whole run of DAMSM pretraining: data in, a model directory out."""

import dataclasses
import logging
import pathlib

import keras

from dmgan_tf.data.pipeline import evaluation_dataset, steps_per_epoch, training_dataset
from dmgan_tf.data.records import load_dataset_info, reading
from dmgan_tf.errors import InputError
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import load_inception_directory, save_model_directory
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.training.callbacks import CheckpointSaver, Progress, ScalarLogger
from dmgan_tf.training.checkpoints import CheckpointStore, check_steps_per_epoch, named_variables
from dmgan_tf.training.damsm import (
    DAMSM,
    GAMMAS,
    EpochDecay,
    RetrievalValidation,
    create_optimizer,
)
from dmgan_tf.training.distribution import check_batch_size, get_strategy
from dmgan_tf.training.held_out import held_out_split
from dmgan_tf.training.run_directory import RunDirectory


@dataclasses.dataclass(frozen=True)
class PretrainingResult:
    """What a run ends with.

    Args:
        model: The model directory.
        retrieval_accuracy: Share of held-out images that find their sentence; None where none are
            held out.
        retrieval_chance: What guessing gives.
        retrieval_split: The split of these images: `validation` where there is one, else `test`.
    """

    model: str
    retrieval_accuracy: float | None
    retrieval_chance: float | None
    retrieval_split: str | None = None


def pretrain_damsm(config, data, run, resume=False, flags_text=""):
    """Trains a text encoder and an image encoder on a prepared data set.

    Args:
        config: A `PretrainingConfig`.
        data: The data directory that `prepare_data` made.
        run: The run directory: checkpoints, TensorBoard logs, and `model/`, always current.
        resume: Whether to continue a run that stands there.
        flags_text: Flags to keep in the run directory, one a line.

    Returns:
        A `PretrainingResult`.

    Raises:
        InputError: If the data or the run directory cannot be used.
    """
    info = load_dataset_info(data)
    vocabulary = info.vocabulary()
    image_size = config.image_size or info.image_size
    steps = steps_per_epoch(data, "train", config.batch_size)
    strategy = get_strategy(config.strategy)
    check_batch_size(config.batch_size, strategy)
    run_directory = RunDirectory(run)
    run_directory.check(resume)
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        damsm = build_damsm(config, len(vocabulary), image_size)
        optimizer = create_optimizer(
            damsm, EpochDecay(config.learning_rate, steps, config.learning_rate_decay)
        )
        damsm.compile(optimizer=optimizer, jit_compile=False)

    store = CheckpointStore(run_directory.checkpoints)
    variables = _state(damsm, optimizer)
    restored = store.restore(variables) or {"step": 0, "epochs_done": 0}
    check_steps_per_epoch(restored, steps)
    first_step, first_epoch = restored["step"], restored["epochs_done"]

    pipeline = {
        "tokenizer": Tokenizer(vocabulary),
        "image_sizes": (image_size,),
        "batch_size": config.batch_size,
    }
    validation, split = None, held_out_split(info, min_images=2)
    if split is not None:
        validation = RetrievalValidation(
            damsm, evaluation_dataset(data, split=split, crop=config.crop, **pipeline)
        )
    save_model = _model_saver(run_directory.model, damsm, config, info, image_size, split)
    dataset = training_dataset(
        data,
        **pipeline,
        max_words=config.max_words,
        flip=config.flip,
        crop=config.crop,
        seed=config.seed,
        start_step=first_step,
        num_steps=config.epochs * steps,
    )
    run_directory.prepare(flags_text, resume)
    callbacks = [
        *([validation] if validation else []),
        Progress(config.epochs * steps, config.batch_size, first_step, metrics=["loss"]),
        ScalarLogger(run_directory.logs, initial_step=first_step),
        CheckpointSaver(
            store, variables, initial_step=first_step, metadata={"steps_per_epoch": steps}
        ),
        keras.callbacks.LambdaCallback(on_epoch_end=save_model),
    ]
    with reading(info):
        if first_epoch < config.epochs:
            damsm.fit(
                dataset,
                epochs=config.epochs,
                initial_epoch=first_epoch,
                steps_per_epoch=steps,
                shuffle=False,  # the data set has its own order
                verbose=0,
                callbacks=callbacks,
            )
        accuracy, chance = validation.evaluate() if validation else (None, None)
    if first_epoch >= config.epochs:  # it may have ended between its last checkpoint and the model
        save_model(logs={"retrieval_accuracy": accuracy, "retrieval_chance": chance})
    return PretrainingResult(str(run_directory.model), accuracy, chance, split)


def build_damsm(config, vocabulary_size, image_size):
    """Makes the two encoders and the `DAMSM` around them; call it in the strategy's scope.

    Args:
        config: A `PretrainingConfig`.
        vocabulary_size: Number of ids, the padding's included.
        image_size: Size of the images in pixels.

    Returns:
        A built `DAMSM`.

    Raises:
        InputError: If `image_weights` hold no Inception.
    """
    dtype = config.dtype_policy
    needs_weights = config.image_backbone == "inception_v3" and not config.image_weights
    if needs_weights:
        logging.warning(
            "inception_v3 has no weights (--image_weights): a frozen backbone that was never "
            "trained teaches nothing, so it trains from nothing here, which takes much data and a "
            "GPU. Use --image_backbone=small_cnn, or ImageNet weights."
        )
    inception = _load_image_weights(config.image_weights) if config.image_weights else None
    text_encoder = TextEncoder(
        vocabulary_size, config.word_dim, config.embedding_dim, config.dropout, dtype=dtype
    )
    image_encoder = ImageEncoder(
        config.word_dim,
        config.image_backbone,
        channels=config.backbone_channels,
        input_size=config.encoder_input_size,
        freeze_backbone=False if needs_weights else None,
        inception_variant=inception.variant if inception else "torchvision",
        dtype=dtype,
    )
    gammas = {name: getattr(config, name) for name in GAMMAS}
    damsm = DAMSM(text_encoder, image_encoder, image_size, **gammas)
    if inception:
        pairs = zip(
            image_encoder.backbone.convolution_units(), inception.convolution_units(), strict=True
        )
        for (_, ours), (_, loaded) in pairs:
            ours.set_weights(loaded.get_weights())
    return damsm


def _load_image_weights(directory):
    if not pathlib.Path(directory).is_dir():
        raise InputError(
            f"Expected --image_weights=DIR, a model directory. Received: {directory}. Weights of "
            "another format become one by `python -m dmgan_tf.convert --inception=SOURCE "
            "--output=DIR`."
        )
    return load_inception_directory(directory)


def _state(damsm, optimizer):
    """Everything that the next step depends on; dropout's seeds are among the variables."""
    return {
        **named_variables("text_encoder", damsm.text_encoder.variables),
        **named_variables("image_encoder", damsm.image_encoder.variables),
        **named_variables("optimizer", optimizer.variables),
    }


def _model_saver(directory, damsm, config, info, image_size, split):
    vocabulary = info.vocabulary()
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
            extra={"damsm": {**settings, **figures}},
            readme=_model_card(config, info, vocabulary, figures),
        )

    return save


def _model_card(config, info, vocabulary, figures):
    retrieval = "not measured: no images are held out"
    if figures:
        retrieval = (
            "{retrieval_accuracy:.1%} (chance {retrieval_chance:.1%}) "
            "on the {retrieval_split} split"
        ).format(**figures)
    return f"""# DAMSM: text and image encoder

A text-image matching model of [AttnGAN](https://arxiv.org/abs/1711.10485), made with `dmgan_tf`.

- data: {info.name}, {info.split("train").num_images} training images
- image backbone: {config.image_backbone}; shared space of {config.word_dim} dimensions
- retrieval of the true caption: {retrieval}
- vocabulary: {len(vocabulary) - 1} words

```
python -m dmgan_tf.train --data=DATA --damsm=DIRECTORY --run=RUN
```
"""
