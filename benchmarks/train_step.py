r"""Measures one training step of DM-GAN on made-up images: seconds and images a second.

The networks are those of `python -m dmgan_tf.train`, with a small DAMSM; reading data is not part
of it (see pipeline.py). Variants run in turn, a few steps each, so that what else the machine
does meets them alike; a ratio of two of them holds better than either figure.

  python benchmarks/train_step.py
  python benchmarks/train_step.py --variants=float32,bfloat16 --channels=64 --base_size=64

Variants: float32; bfloat16; either with `_unfused`, batch normalisation in separate operations, as
Keras has it; either with `_large`, convolutions on the doubled images, as the paper writes them.
"""

import contextlib
import statistics
import time
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.layers import normalization
from dmgan_tf.layers.blocks import ResidualBlock, UpsampleConv2D
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import ModelComponents
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.training.config import DMGANConfig
from dmgan_tf.training.gan_training import build_dmgan

PRECISIONS, SUFFIXES = ("float32", "bfloat16"), ("", "_unfused", "_large")
VARIANTS = tuple(f"{precision}{suffix}" for precision in PRECISIONS for suffix in SUFFIXES)
WORD_DIM, VOCABULARY_SIZE, WORDS = 128, 3000, 12


def define_flags():
    """Declares the flags of this benchmark; the defaults are configs/emoji_dmgan.flags."""
    flags.DEFINE_list("variants", list(VARIANTS), "Which to time.")
    flags.DEFINE_integer("batch_size", 32, "Images a step.", lower_bound=2)
    flags.DEFINE_integer("channels", 48, "Channels of the generator.", lower_bound=1)
    flags.DEFINE_integer("discriminator_channels", 32, "Channels of the discriminators.", 1)
    flags.DEFINE_integer("base_size", 16, "Pixels of the first image.")
    flags.DEFINE_integer("num_stages", 3, "Number of images.", lower_bound=1)
    flags.DEFINE_integer("rounds", 5, "Rounds over the variants.", lower_bound=1)
    flags.DEFINE_integer("steps", 3, "Steps of a variant in each round.", lower_bound=1)


def main():
    """Times the variants and prints a table of medians."""
    options = flags.FLAGS
    unknown = set(options.variants) - set(VARIANTS)
    if unknown:
        raise InputError(f"Expected --variants of {VARIANTS}. Received: {sorted(unknown)}.")
    sizes = [options.base_size * 2**stage for stage in range(options.num_stages)]
    batch = made_up_batch(options.batch_size, sizes, WORDS, VOCABULARY_SIZE)
    steps = {variant: build_step(variant, options, batch) for variant in options.variants}
    seconds = {variant: [] for variant in steps}
    for _ in range(options.rounds):
        for variant, step in steps.items():
            start = time.perf_counter()
            for _ in range(options.steps):
                float(step(batch)["damsm_loss"])
            seconds[variant].append((time.perf_counter() - start) / options.steps)
    medians = {variant: statistics.median(times) for variant, times in seconds.items()}
    slowest = max(medians.values())
    print(f"{'variant':20} {'seconds a step':>15} {'images a second':>16} {'against slowest':>16}")
    for variant, median in medians.items():
        ratio = slowest / median
        print(f"{variant:20} {median:15.3f} {options.batch_size / median:16.1f} {ratio:15.2f}x")


def build_step(variant, options, batch):
    """A compiled training step of a variant, already run once."""
    precision, _, change = variant.partition("_")
    config = DMGANConfig(
        precision=precision,
        objective="release",
        **{
            name: options[name].value
            for name in (
                *("batch_size", "channels", "discriminator_channels"),
                *("base_size", "num_stages"),
            )
        },
    )
    keras.utils.set_random_seed(0)
    text_encoder = TextEncoder(VOCABULARY_SIZE, WORD_DIM, dtype=config.dtype_policy)
    text_encoder.build()
    image_encoder = ImageEncoder(WORD_DIM, "small_cnn", dtype=config.dtype_policy)
    image_encoder.build()
    encoders = ModelComponents(None, text_encoder, image_encoder=image_encoder)
    step = tf.function(build_dmgan(config, encoders).train_step)
    with contextlib.ExitStack() as stack:
        for owner, name, value in CHANGES.get(change, ()):
            stack.enter_context(mock.patch.object(owner, name, value))
        step(batch)  # traced here, with the change
    return step


def convolve_large_image(layer, inputs):
    """`UpsampleConv2D` as the paper writes it."""
    large = tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2)
    return tf.nn.conv2d(large, tf.cast(layer.kernel.value, layer.compute_dtype), 1, "SAME")


def convolve_twice_over(block, inputs, half=None, training=False):
    """`ResidualBlock` without what it knows of its input."""
    return RESIDUAL_CALL(block, inputs, training=training)


RESIDUAL_CALL = ResidualBlock.call
CHANGES = {
    "unfused": [(normalization, "_tensorflow_kernels", lambda: None)],
    "large": [
        (UpsampleConv2D, "call", convolve_large_image),
        (ResidualBlock, "call", convolve_twice_over),
    ],
}


def made_up_batch(batch_size, image_sizes, words, vocabulary_size):
    """A batch of random images and captions, as the input pipeline gives them."""
    random = np.random.default_rng(0)
    shape = (batch_size,)
    return {
        "images": tuple(
            tf.constant(random.uniform(-1, 1, (*shape, size, size, 3)), tf.float32)
            for size in image_sizes
        ),
        "token_ids": tf.constant(random.integers(1, vocabulary_size, (*shape, words)), tf.int32),
        "class_ids": tf.range(batch_size),
    }


if __name__ == "__main__":
    define_flags()
    command.run(main)
