"""The smallest DM-GAN that has every part, and batches to train it with."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import ModelComponents, save_model_directory
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.config import DMGANConfig, PretrainingConfig
from dmgan_tf.training.damsm import DAMSM
from dmgan_tf.training.dmgan_run import build_dmgan, training_state
from dmgan_tf.training.optimizer import adam

CONFIG = DMGANConfig(
    epochs=2,
    batch_size=4,
    damsm_weight=0.5,
    channels=4,
    discriminator_channels=4,
    noise_dim=5,
    condition_dim=4,
    num_residual_blocks=1,
    base_size=16,
    num_stages=2,
    max_words=4,
    seed=3,
)
PRETRAINING = PretrainingConfig(
    epochs=2,
    batch_size=4,
    image_backbone="small_cnn",
    backbone_channels=4,
    encoder_input_size=16,
    word_dim=8,
    embedding_dim=6,
    dropout=0.5,
)


VOCABULARY = Vocabulary(["a", "red", "green", "apple", "pear", "leaf"])
COLOR_IDS = (2, 3)


def flags_of(settings):
    """The flags of settings that are not their defaults, as a command line."""
    return [
        f"--{field.name}={getattr(settings, field.name)}"
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) != field.default
    ]


_traced = {}


def build_dmgan_once(config, encoders, exchanges=None):
    """What `build_dmgan` gives, of which the settings that make a graph share one, traced once.

    All that training changes is as at first, but for the learning rates, which are the settings'.
    """
    key = (
        dataclasses.replace(
            config, epochs=1, generator_learning_rate=1.0, discriminator_learning_rate=1.0
        ),
        encoders.text_encoder.vocabulary_size,
    )
    if key not in _traced:
        dmgan = build_dmgan(config, encoders, exchanges)
        values = values_of(training_state(dmgan).values())
        _traced[key] = dmgan, values, dmgan.make_train_function()
    dmgan, values, dmgan.train_function = _traced[key]
    for variable, value in zip(training_state(dmgan).values(), values, strict=True):
        variable.assign(value)
    for part in ("text_encoder", "image_encoder"):
        getattr(dmgan, part).set_weights(getattr(encoders, part).get_weights())
    dmgan.optimizer.learning_rate = config.generator_learning_rate
    dmgan.discriminator_optimizer.learning_rate = config.discriminator_learning_rate
    return dmgan


class SGD(keras.optimizers.SGD):
    """Plain gradient descent, whose steps show the gradient."""

    def factors(self, is_good):
        return [tf.where(is_good, tf.cast(self.learning_rate, tf.float32), 0.0)]

    def update_step(self, gradient, variable, learning_rate):
        variable.assign_sub(tf.math.multiply_no_nan(gradient, learning_rate))


def make_encoders(vocabulary, dtype=None, num_predicted_words=0, color_ids=()):
    """An untrained DAMSM for `vocabulary`."""
    keras.utils.set_random_seed(11)
    text_encoder = TextEncoder(len(vocabulary), word_dim=8, embedding_dim=6, dtype=dtype)
    image_encoder = ImageEncoder(
        *(8, "small_cnn"),
        channels=4,
        input_size=16,
        num_predicted_words=num_predicted_words,
        color_ids=color_ids,
        dtype=dtype,
    )
    text_encoder.build()
    image_encoder.build((None, 32, 32, 3))
    return ModelComponents(vocabulary, text_encoder, image_encoder=image_encoder)


def save_damsm(directory, vocabulary, with_image_encoder=True, **options):
    """Writes the model directory of an untrained DAMSM."""
    encoders = make_encoders(vocabulary, **options)
    save_model_directory(
        directory,
        vocabulary=vocabulary,
        text_encoder=encoders.text_encoder,
        image_encoder=encoders.image_encoder if with_image_encoder else None,
    )


def make_dmgan(**settings):
    """A compiled `DMGAN`; the same settings give the same weights."""
    color_ids = COLOR_IDS if settings.get("recombination_weight") else ()
    other_color = 1 - np.eye(len(COLOR_IDS))
    encoders = make_encoders(VOCABULARY, num_predicted_words=NUM_WORD_IDS, color_ids=color_ids)
    keras.utils.set_random_seed(3)
    return build_dmgan(dataclasses.replace(CONFIG, **settings), encoders, other_color)


def make_damsm(
    precision="float32", learning_rate=0.002, num_predicted_words=0, color_ids=(), **settings
):
    """A compiled `DAMSM`; the same settings give the same weights."""
    dtype = DMGANConfig(precision=precision).dtype_policy
    encoders = make_encoders(VOCABULARY, dtype, num_predicted_words, color_ids)
    damsm = DAMSM(encoders.text_encoder, encoders.image_encoder, image_size=32, **settings)
    damsm.compile(adam(learning_rate, precision))
    return damsm


@functools.cache
def _made(make, **settings):
    model = make(**settings)
    optimizers = [getattr(model, name, None) for name in ("optimizer", "discriminator_optimizer")]
    variables = [*model.variables, *(v for one in optimizers if one for v in one.variables)]
    return model, variables, values_of(variables)


def shared(make, **settings):
    """A model of `make_dmgan` or `make_damsm` that is made once for all tests, at its first values.

    For tests that take steps and change no attribute of it but by `monkeypatch`.
    """
    model, variables, values = _made(make, **settings)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return model


def take_step(model, batch, strategy=None):
    """One eager step, without the time to trace it; its logs as numbers.

    Args:
        model: A `DMGAN` or `DAMSM`.
        batch: The global batch.
        strategy: That of the model, if it has replicas; the logs are means over them.
    """
    if strategy is None:
        logs = model.train_step(batch)
    else:
        share = strategy.experimental_distribute_values_from_function(
            lambda context: replica_part(batch, context.replica_id_in_sync_group, strategy)
        )
        logs = strategy.run(model.train_step, args=(share,))
        logs = {name: strategy.experimental_local_results(value) for name, value in logs.items()}
    return {name: float(np.mean(value)) for name, value in logs.items()}


def replica_part(batch, index, strategy):
    """The rows of a global batch that a replica gets."""
    count = strategy.num_replicas_in_sync

    def part(values):
        size = len(values) // count
        return values[index * size : (index + 1) * size]

    return tf.nest.map_structure(part, batch)


NUM_WORD_IDS = 7  # of `make_batch`


def make_batch(seed, size=4):
    """A batch as the data pipeline gives it, of noise, with captions of two to four words."""
    random = np.random.default_rng(seed)
    token_ids = random.integers(1, NUM_WORD_IDS, (size, 4))
    token_ids[::2, 3] = 0
    token_ids[1::3, 2:] = 0
    images = [random.uniform(-1, 1, (size, side, side, 3)) for side in CONFIG.image_sizes]
    return {
        "images": tuple(tf.constant(image, tf.float32) for image in images),
        "token_ids": tf.constant(token_ids, tf.int32),
        "class_ids": tf.range(size, dtype=tf.int32) // 2,
        "word_shares": tf.one_hot(token_ids[:, 0], NUM_WORD_IDS),
    }


def fit(dmgan, batches):
    """One epoch of `fit` over the batches; its logs."""
    stacked = tf.nest.map_structure(lambda *parts: tf.stack(parts), *batches)
    dataset = tf.data.Dataset.from_tensor_slices(stacked)
    history = dmgan.fit(dataset, steps_per_epoch=len(batches), shuffle=False, verbose=0)
    return {name: values[-1] for name, values in history.history.items()}


def values_of(variables):
    """Copies of the values of variables, as NumPy arrays."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
