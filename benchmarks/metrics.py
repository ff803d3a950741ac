r"""Measures the metrics on random features of 30,000 images: seconds, and peak memory.

Features of 2,048 and logits of 1,008 values are processed in batches and not stored, like those of
a network; only for the kernel distance they are stored. Targets: under 2 GB, and the Fréchet
distance itself under 10 s on two cores.

  python benchmarks/metrics.py
  python benchmarks/metrics.py --num_images=5000 --batch_size=50
"""

import resource
import time

import numpy as np
from absl import flags
from tqdm import tqdm

from dmgan_tf import command
from dmgan_tf.metrics.frechet import FeatureStatistics, frechet_distance
from dmgan_tf.metrics.inception_score import InceptionScore
from dmgan_tf.metrics.kernel import FeatureStore, kernel_distance
from dmgan_tf.metrics.r_precision import CaptionRetrieval, r_precision

DIM, NUM_CLASSES = 2048, 1008
NUM_CAPTIONS, CODE_DIM = 200_000, 256  # COCO's test split, and a DAMSM's codes
MIXED = 64  # size of groups of correlated features, so that generating them is fast


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_integer("num_images", 30_000, "Images on both sides.", lower_bound=1000)
    flags.DEFINE_integer("batch_size", 64, "Images per batch.", lower_bound=1)


def main():
    """Streams both sides, computes each metric, and prints time and memory."""
    at_start = peak_memory()
    seconds = dict.fromkeys(("statistics", "Fréchet", "Inception Score", "store", "kernel"), 0.0)
    moments, stores = [], []
    for side in range(2):
        statistics = FeatureStatistics(DIM)
        score = InceptionScore(flags.FLAGS.num_images)
        stores.append(FeatureStore(flags.FLAGS.num_images, DIM))
        for features, logits in batches(side):
            seconds["statistics"] += timed(statistics.update, features)[0]
            seconds["Inception Score"] += timed(score.update, logits)[0]
            seconds["store"] += timed(stores[-1].update, features)[0]
        elapsed, result = timed(statistics.moments)
        seconds["statistics"] += elapsed
        moments.append(result)
        del statistics
    streamed = peak_memory()
    seconds["Fréchet"], distance = timed(frechet_distance, *moments)
    seconds["kernel"], kernel = timed(kernel_distance, *(store.features for store in stores))
    print(f"features' statistics: {seconds['statistics'] / 2:.1f} s a side")
    print(f"Fréchet distance: {seconds['Fréchet']:.1f} s ({distance:.3f})")
    print(
        f"Inception Score: {seconds['Inception Score'] / 2:.1f} s a side (%.3f ± %.3f)"
        % score.result()
    )
    print(f"kernel distance: {seconds['kernel']:.1f} s (%.5f ± %.5f)" % kernel)
    print(f"keeping features for it: {seconds['store'] / 2:.1f} s a side")
    del stores, moments
    elapsed, (mean, deviation) = timed(retrieval, flags.FLAGS.num_images)
    print(f"R-precision: {elapsed:.1f} s ({mean:.2%} ± {deviation:.2%}, chance 1 %)")
    print(
        f"peak memory: {peak_memory():.2f} GiB; {streamed:.2f} once both sides were streamed, "
        f"{at_start:.2f} before"
    )


def retrieval(num_images):
    """R-precision of random codes, each caption in its own class."""
    random = np.random.default_rng(3)
    captions = random.standard_normal((NUM_CAPTIONS, CODE_DIM), "float32")
    images = random.standard_normal((num_images, CODE_DIM), "float32")
    rows = random.integers(0, NUM_CAPTIONS, num_images)
    found = CaptionRetrieval(captions, np.arange(NUM_CAPTIONS)).hits(images, rows, 0)
    return r_precision(found)


def batches(side):
    """Yields float32 features and logits of one side's images, the same in every run."""
    random = np.random.default_rng(side)
    mixing = np.random.default_rng(2).standard_normal((MIXED, MIXED), "float32") / 8
    remaining = flags.FLAGS.num_images
    title = f"side {side + 1} of 2"
    with tqdm(total=remaining, unit="image", desc=title, disable=None) as progress:
        while remaining:
            number = min(remaining, flags.FLAGS.batch_size)
            groups = random.standard_normal((number, DIM // MIXED, MIXED), "float32") @ mixing
            features = np.maximum(groups.reshape(number, DIM) + 0.1 * side, 0)
            yield features, 4 * random.standard_normal((number, NUM_CLASSES), "float32")
            remaining -= number
            progress.update(number)


def timed(function, *arguments):
    """Calls `function`; returns the seconds, and what it returned."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def peak_memory():
    """The most memory that this process has had, in GiB; Linux counts it in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    define_flags()
    command.run(main)
