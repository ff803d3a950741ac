r"""Measures `python -m dmgan_tf.convert` at the paper's sizes: seconds and peak memory.

All six networks with random weights, and a vocabulary of 5,449 words, are first written in the
layout of the authors' files; the command then runs in a separate process.

  python benchmarks/conversion.py

Then it loads the model directory, without and with random initial values of the networks.
"""

import contextlib
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import flags

from dmgan_tf import command
from dmgan_tf.convert import release_layout
from dmgan_tf.convert.caption_pickle import write_vocabulary
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.layers.initialization import without_initial_values
from dmgan_tf.models import model_directory
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.vocabulary import Vocabulary

VOCABULARY_SIZE = 5450  # CUB's in the release, the padding included


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_integer("repetitions", 3, "How often to convert.", lower_bound=1)


def main():
    """Writes the files, converts them, and prints the median."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        arguments = write_files(directory)
        size = sum(path.stat().st_size for path in directory.iterdir())
        seconds = [convert(directory, arguments) for _ in range(flags.FLAGS.repetitions)]
        # Of the largest child; Linux counts it in kilobytes.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        loading = load(directory / "model")
        without_initial = model_directory.without_initial_values
        model_directory.without_initial_values = contextlib.nullcontext
        loading_drawn = load(directory / "model")
        model_directory.without_initial_values = without_initial
    print(f"files: {size / 2**20:.0f} MiB")
    print(f"conversion: {np.median(seconds):.1f} s (median of {len(seconds)})")
    print(f"peak memory: {peak:.2f} GiB")
    print(f"loading: {loading:.1f} s, or {loading_drawn:.1f} s if initial values were drawn first")


def write_files(directory):
    """Writes random weights in the release's layout; returns the command's arguments."""
    sizes = (64, 128, 256)
    tables = {
        "text_encoder": (TextEncoder(VOCABULARY_SIZE), release_layout.text_encoder_entries),
        "image_encoder": (ImageEncoder(), release_layout.image_encoder_entries),
        "generator": (Generator(), release_layout.generator_entries),
        **{
            f"netD{i}": (Discriminator(size), release_layout.discriminator_entries)
            for i, size in enumerate(sizes)
        },
    }
    random = np.random.default_rng(0)
    for name, (network, table) in tables.items():
        with without_initial_values():
            network.build()
        tensors = release_layout.dump(table(network))
        for tensor in tensors.values():
            tensor[...] = random.standard_normal(tensor.shape, "float32")
        write_pytorch_file(directory / f"{name}.pth", tensors)
    words = Vocabulary([f"word{n}" for n in range(1, VOCABULARY_SIZE)])
    write_vocabulary(directory / "captions.pickle", words)
    discriminators = ",".join(str(directory / f"netD{i}.pth") for i in range(len(sizes)))
    return [
        *(f"--{n}={directory / n}.pth" for n in ("text_encoder", "image_encoder", "generator")),
        f"--discriminators={discriminators}",
        f"--vocabulary={directory / 'captions.pickle'}",
    ]


def convert(directory, arguments):
    """Runs the command once; returns its seconds."""
    program = [sys.executable, "-m", "dmgan_tf.convert", *arguments]
    start = time.perf_counter()
    subprocess.run(
        [*program, f"--output={directory / 'model'}"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return time.perf_counter() - start


def load(directory):
    """Loads the model directory once; returns the seconds."""
    start = time.perf_counter()
    model_directory.load_model_directory(directory)
    return time.perf_counter() - start


if __name__ == "__main__":
    define_flags()
    command.run(main)
