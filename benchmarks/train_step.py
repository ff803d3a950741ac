r"""Measures one training step of DM-GAN on random images: seconds and images per second.

The networks are those of `python -m dmgan_tf.train`; reading data is not included (see
input_pipeline.py). Variants alternate, a few steps each, so that other load affects all alike;
ratios are more reliable than times. They are compared with the time of the authors' release,
estimated from its convolutions in PyTorch (`release_convolutions.py`; omitted where PyTorch is not
installed), and with the highest rate of one large 3x3 convolution in TensorFlow, counting the
operations that the convolutions of all networks need.

  python benchmarks/train_step.py
  python benchmarks/train_step.py --channels=48 --base_size=16 --batch_size=32 --backbone=small_cnn

Variants: float32; bfloat16; either with `_unfused`, batch normalisation in separate operations, as
in Keras; with `_large`, convolutions on the doubled images, as in the paper; with `_projected`, the
last discriminator also sees through EfficientNet-Lite0, which is not in the count of operations;
with `_projected_unfolded`, through Lite0 with its batch normalisation.
"""

import contextlib
import resource
import statistics
import time
from unittest import mock

import keras
import tensorflow as tf
from absl import flags
from made_up_batch import made_up_batch
from processor_peak import Peak
from recipe_cost import operations
from release_convolutions import (
    discriminator_convolutions,
    generator_convolutions,
    is_available,
    release_train_step_seconds,
)

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.layers import normalization
from dmgan_tf.layers.blocks import ResidualBlock, UpsampleConv2D
from dmgan_tf.models import projected_discriminator
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import ModelComponents
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.registry.catalogue import IMAGE_BACKBONES
from dmgan_tf.training.config import DMGANConfig
from dmgan_tf.training.dmgan_run import build_dmgan

PRECISIONS, SUFFIXES = (
    ("float32", "bfloat16"),
    ("", "_unfused", "_large", "_projected", "_projected_unfolded"),
)
VARIANTS = tuple(f"{precision}{suffix}" for precision in PRECISIONS for suffix in SUFFIXES)
RELEASE = "release"
WORD_DIM, VOCABULARY_SIZE, WORDS = 256, 3000, 12


def define_flags():
    """Declares the flags of this benchmark; the defaults are the paper's sizes at batch 4."""
    flags.DEFINE_list("variants", list(VARIANTS), "Which to time.")
    flags.DEFINE_integer("batch_size", 4, "Images per step.", lower_bound=2)
    flags.DEFINE_enum("backbone", "inception_v3", list(IMAGE_BACKBONES.names), "Of the DAMSM.")
    flags.DEFINE_integer("channels", 64, "Channels of the generator.", lower_bound=1)
    flags.DEFINE_integer("discriminator_channels", 32, "Channels of the discriminators.", 1)
    flags.DEFINE_integer("base_size", 64, "Pixels of the first image.")
    flags.DEFINE_integer("num_stages", 3, "Number of images.", lower_bound=1)
    flags.DEFINE_integer("rounds", 5, "Rounds over the variants.", lower_bound=1)
    flags.DEFINE_integer("steps", 1, "Steps of a variant in each round.", lower_bound=1)


def main():
    """Times the variants and prints a table of medians."""
    options = flags.FLAGS
    unknown = set(options.variants) - set(VARIANTS)
    if unknown:
        raise InputError(f"Expected --variants of {VARIANTS}. Received: {sorted(unknown)}.")
    sizes = [options.base_size * 2**stage for stage in range(options.num_stages)]
    batch = made_up_batch(options.batch_size, sizes, WORDS, VOCABULARY_SIZE)
    steps = {variant: build_step(variant, options, batch) for variant in options.variants}
    peaks = {f"{precision} peak": Peak(precision) for precision in PRECISIONS}
    measured = {name: [] for name in (*steps, *peaks, RELEASE)}
    shape = {"channels": options.channels, "base_size": options.base_size}
    shape["num_stages"] = options.num_stages
    if not is_available():
        print("PyTorch is not installed: no comparison with the release (pip install torch).")
    for _ in range(options.rounds):
        if is_available():
            seconds = release_train_step_seconds(
                options.batch_size, options.discriminator_channels, WORD_DIM, **shape
            )
            measured[RELEASE].append(seconds)
        for variant, step in steps.items():
            measured[peak_of(variant)].append(peaks[peak_of(variant)]())
            start = time.perf_counter()
            for _ in range(options.steps):
                float(step(batch)["damsm_loss"])
            measured[variant].append((time.perf_counter() - start) / options.steps)
    print_table(measured, options, needed_operations(shape, options) * options.batch_size)


def needed_operations(shape, options):
    """Operations of a step for one image: two for each multiplication of a convolution.

    The generator runs forward, and backward to its inputs and to its kernels. A discriminator does
    so on a real and a generated image, and once more on the generated one to its input alone, as
    the image encoder does.
    """
    total = 3 * sum(c.needed_multiplications for c in generator_convolutions(**shape))
    for stage in range(shape["num_stages"]):
        convolutions = discriminator_convolutions(
            shape["base_size"] * 2**stage, options.discriminator_channels, WORD_DIM
        )
        total += (2 * 3 + 2) * sum(c.needed_multiplications for c in convolutions)
    return 2 * total + 2 * encoder_operations(options.backbone, shape)


def encoder_operations(backbone, shape):
    """Operations of the image encoder for one image, forward, as TensorFlow counts them."""
    encoder = ImageEncoder(WORD_DIM, backbone)
    encoder.build()
    size = shape["base_size"] * 2 ** (shape["num_stages"] - 1)
    image = tf.TensorSpec((1, size, size, 3))
    run = tf.function(lambda images: encoder(images)["image_code"])
    return operations(run.get_concrete_function(image).graph)


def print_table(measured, options, needed):
    """Prints a row for each variant: seconds per step, rate, and ratios of the same run."""
    release = measured[RELEASE]
    for name in dict.fromkeys(map(peak_of, options.variants)):
        print(f"{name}: {statistics.median(measured[name]) / 1e9:.0f} GFLOP/s (3x3 convolution)")
    if release:
        print(f"the release: {statistics.median(release):.3f} s {spread(release)}")
    slowest = max(statistics.median(measured[variant]) for variant in options.variants)
    print(
        f"{'variant':28}{'s a step':>9}{'min-max':>17}{'images/s':>10}{'GFLOP/s':>9}{'of peak':>9}"
        f"{'against slowest':>17}{'against release':>17}"
    )
    for variant in options.variants:
        seconds = measured[variant]
        median = statistics.median(seconds)
        rate = needed / median
        share = rate / statistics.median(measured[peak_of(variant)])
        against = "-"
        if release:
            ratios = [theirs / ours for theirs, ours in zip(release, seconds, strict=True)]
            against = f"{statistics.median(ratios):.2f}x"
        print(
            f"{variant:28}{median:9.3f}{spread(seconds):>17}{options.batch_size / median:10.2f}"
            f"{rate / 1e9:9.0f}{share:9.0%}{slowest / median:16.2f}x{against:>17}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory, all variants and PyTorch in one process: {peak:.2f} GB")


def peak_of(variant):
    """The name of the peak in a variant's precision."""
    return f"{variant.partition('_')[0]} peak"


def spread(seconds):
    """The minimum and maximum of some times."""
    return f"({min(seconds):.3f}-{max(seconds):.3f})"


def build_step(variant, options, batch):
    """A compiled training step of a variant, already run once."""
    precision, _, change = variant.partition("_")
    last_size = options.base_size * 2 ** (options.num_stages - 1)
    is_projected = change.startswith("projected")
    config = DMGANConfig(
        discriminator=f"projected(from_size={last_size})" if is_projected else "dm_gan",
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
    image_encoder = ImageEncoder(WORD_DIM, options.backbone, dtype=config.dtype_policy)
    image_encoder.build()
    encoders = ModelComponents(None, text_encoder, image_encoder=image_encoder)
    with contextlib.ExitStack() as stack:
        for owner, name, value in CHANGES.get(change, ()):
            stack.enter_context(mock.patch.object(owner, name, value))
        step = tf.function(build_dmgan(config, encoders).train_step, autograph=False)  # as in `fit`
        step(batch)  # traced here, with the change
    return step


def convolve_large_image(layer, inputs):
    """`UpsampleConv2D` as in the paper."""
    large = tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2)
    return tf.nn.conv2d(large, tf.cast(layer.kernel.value, layer.compute_dtype), 1, "SAME")


def convolve_twice_over(block, inputs, half=None, training=False):
    """`ResidualBlock` without the shortcut for doubled inputs."""
    return RESIDUAL_CALL(block, inputs, training=training)


def lite0_as_trained():
    """`frozen_lite0` with batch normalisation."""
    network = EfficientNetLite0(include_top=False, dtype="float32", name="lite0")
    network.trainable = False
    return network


RESIDUAL_CALL = ResidualBlock.call
CHANGES = {
    "unfused": [(normalization, "backend_kernels", lambda: None)],
    "large": [
        (UpsampleConv2D, "call", convolve_large_image),
        (ResidualBlock, "call", convolve_twice_over),
    ],
    "projected_unfolded": [
        (projected_discriminator, "frozen_lite0", lite0_as_trained),
        (EfficientNetLite0, "copy_folded", lambda network, other: None),  # times need no weights
    ],
}


if __name__ == "__main__":
    define_flags()
    command.run(main)
