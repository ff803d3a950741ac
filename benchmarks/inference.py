r"""Measures drawing: seconds per batch, memory, and the fraction of the processor's peak rate.

The paper's generator with random weights, as trained and rewritten (`serving/fast.py`), in two
precisions. They are compared with the time of the authors' release, estimated from its convolutions
in PyTorch (`release_convolutions.py`; omitted where PyTorch is not installed), and with the highest
rate of one large 3x3 convolution in TensorFlow. All measurements alternate, so that other load
affects all alike, and a ratio is the median over the rounds.

  python benchmarks/inference.py
  python benchmarks/inference.py --variants=fast_bfloat16,compiled_bfloat16 --batch_sizes=8
  python benchmarks/inference.py --channels=16 --base_size=16 --rounds=3

Variants: float32, bfloat16; fast_float32, fast_bfloat16; compiled_float32, compiled_bfloat16, the
fast ones with `compiled=True`. The rate of each counts the multiplications that the rewritten
generator needs, even if it does more. Memory is that of a separate process.
"""

import math
import multiprocessing
import os
import resource
import statistics
import sys
import time

from absl import flags, logging
from processor_peak import Peak
from release_convolutions import generator_convolutions, is_available, release_inference_seconds

from dmgan_tf import command
from dmgan_tf.errors import InputError

VARIANTS = tuple(
    f"{kind}{precision}"
    for kind in ("", "fast_", "compiled_")
    for precision in ("float32", "bfloat16")
)
_SIZES = ("channels", "base_size", "num_stages", "num_residual_blocks")
_WORDS, _WORD_DIM = 16, 256


def define_flags():
    """Declares the flags of this benchmark; the defaults are the paper's sizes."""
    flags.DEFINE_list("variants", list(VARIANTS), f"Of {', '.join(VARIANTS)}.")
    flags.DEFINE_list("batch_sizes", ["1", "4", "8"], "Images drawn at once.")
    flags.DEFINE_integer("channels", 64, "Channels of the generator.", 1)
    flags.DEFINE_integer("base_size", 64, "Pixels of the first image.", 16)
    flags.DEFINE_integer("num_stages", 3, "Number of images.", 1)
    flags.DEFINE_integer("num_residual_blocks", 2, "Residual blocks per refinement.", 0)
    flags.DEFINE_integer("rounds", 7, "Rounds over all measurements.", 1)


def main():
    """Measures alternately, then prints a table for each batch size."""
    options = flags.FLAGS
    unknown = set(options.variants) - set(VARIANTS)
    if unknown:
        raise InputError(f"Expected --variants of {VARIANTS}. Received: {sorted(unknown)}.")
    if not all(size.isdecimal() and int(size) for size in options.batch_sizes):
        raise InputError(f"Expected whole --batch_sizes. Received: {options.batch_sizes}.")
    batch_sizes = [int(size) for size in options.batch_sizes]
    sizes = {name: options[name].value for name in _SIZES}

    logging.set_verbosity(logging.ERROR)  # TensorFlow warns that it traces once a batch size

    memory = {}
    for variant in options.variants:
        for batch_size in batch_sizes:
            memory[variant, batch_size] = in_process_of_its_own(variant, batch_size, sizes)
    drawing = {variant: make_drawing(variant, sizes) for variant in options.variants}
    peaks = {name: Peak(name) for name in sorted({precision(v) for v in options.variants})}
    if not is_available():
        print("PyTorch is not installed: no comparison with the release (pip install torch).")
    for batch_size in batch_sizes:
        seconds = measure(drawing, peaks, batch_size, sizes, options.rounds)
        print_table(batch_size, seconds, peaks, memory, needed_operations(sizes))


def precision(variant):
    """`float32` or `bfloat16`."""
    return variant.rpartition("_")[2]


def needed_operations(sizes):
    """Operations for one image: two for each multiplication, since an addition follows it."""
    return 2 * sum(c.needed_multiplications for c in generator_convolutions(**sizes))


def make_drawing(variant, sizes):
    """A function of a batch size that draws, with random weights."""
    import tensorflow as tf

    from dmgan_tf.layers.initialization import without_initial_values
    from dmgan_tf.models.generator import Generator
    from dmgan_tf.serving.fast import FastGenerator

    dtype = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision(variant)]
    generator = Generator(**sizes, word_dim=_WORD_DIM, dtype=dtype)
    with without_initial_values():
        generator.build()
    for weight in generator.weights:
        if weight.name == "kernel":  # about as large as orthogonal ones, which take seconds
            scale = math.prod(weight.shape[:-1]) ** -0.5
            weight.assign(scale * tf.random.normal(weight.shape))
    if "_" in variant:
        generator = FastGenerator(generator, compiled=variant.startswith("compiled"))
    drawn = tf.function(lambda inputs: generator(inputs)["images"][-1])

    def draw(batch_size):
        random = tf.random.Generator.from_seed(0)
        inputs = {
            "noise": random.normal((batch_size, generator.noise_dim)),
            "condition_noise": random.normal((batch_size, generator.condition_dim)),
            "word_features": random.normal((batch_size, _WORDS, _WORD_DIM)),
            "sentence_embedding": random.normal((batch_size, _WORD_DIM)),
            "padding_mask": tf.ones((batch_size, _WORDS), tf.bool),
        }
        return drawn(inputs).numpy()

    return draw


def measure(drawing, peaks, batch_size, sizes, rounds):
    """Seconds of each variant, and of `release`, and rates of each peak, one for each round."""
    measured = {name: [] for name in (*drawing, *peaks_named(peaks), "release")}
    for draw in drawing.values():
        for _ in range(2):  # traced and compiled here
            draw(batch_size)
    for _ in range(rounds):
        if is_available():
            measured["release"].append(release_inference_seconds(batch_size, **sizes))
        for variant, draw in drawing.items():
            measured[f"{precision(variant)} peak"].append(peaks[precision(variant)]())
            start = time.perf_counter()
            draw(batch_size)
            measured[variant].append(time.perf_counter() - start)
    return measured


def peaks_named(peaks):
    """Their names among the measurements."""
    return [f"{name} peak" for name in peaks]


def print_table(batch_size, measured, peaks, memory, operations):
    """Prints what was measured for one batch size."""
    release = measured.pop("release")
    rates = {name: measured.pop(name) for name in peaks_named(peaks)}
    print(f"\nbatch {batch_size}, {operations / 2e9:.2f} thousand million multiplications an image")
    for name, rate in rates.items():
        print(f"{name}: {statistics.median(rate) / 1e9:.0f} GFLOP/s (3x3 convolution)")
    if release:
        median = statistics.median(release)
        print(f"the release: {median:.3f} s ({min(release):.3f}-{max(release):.3f})")
    print(
        f"{'variant':18}{'seconds':>9}{'min-max':>15}{'images/s':>10}{'GB':>7}{'GFLOP/s':>9}"
        f"{'of peak':>9}{'against release':>17}"
    )
    for variant, seconds in measured.items():
        median = statistics.median(seconds)
        rate = batch_size * operations / median
        share = rate / statistics.median(rates[f"{precision(variant)} peak"])
        ratio = "-"
        if release:
            ratios = [theirs / ours for theirs, ours in zip(release, seconds, strict=True)]
            ratio = f"{statistics.median(ratios):.2f}x"
        spread = f"{min(seconds):.3f}-{max(seconds):.3f}"
        print(
            f"{variant:18}{median:9.3f}{spread:>15}{batch_size / median:10.2f}"
            f"{memory[variant, batch_size]:7.2f}{rate / 1e9:9.0f}{share:9.0%}{ratio:>17}"
        )


def in_process_of_its_own(variant, batch_size, sizes):
    """The peak resident memory of drawing two batches, in GB (10^9 bytes)."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak_memory, (variant, batch_size, sizes))


def _peak_memory(variant, batch_size, sizes):
    draw = make_drawing(variant, sizes)
    for _ in range(2):
        draw(batch_size)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    define_flags()
    command.run(main)
