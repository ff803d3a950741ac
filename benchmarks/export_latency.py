r"""Measures an exported model: latency, cold start, memory and size, for any model directory.

Exports each variant into a temporary directory, loads them all into one process and calls
`serving_default` of each alternately, so that other load affects all alike; ratios are more
reliable than times. Cold starts are separate processes, timed from their start to the first
picture: one that loads the SavedModel, and one that calls `DMGANTextToImage.generate`.

  python benchmarks/export_latency.py --model=runs/quickstart/dmgan
  python benchmarks/export_latency.py --model=runs/birds --variants=float32,bfloat16_fast \
      --batch_sizes=1,8 --calls=20

Variants: float32, bfloat16, float32_fast, bfloat16_fast (see `python -m dmgan_tf.export --help`).
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags, logging

from dmgan_tf import command
from dmgan_tf.errors import InputError

VARIANTS = ("float32", "bfloat16", "float32_fast", "bfloat16_fast")
CAPTION_WORDS = 10

# Each prints the times, in seconds since the epoch, at which its parts were finished.
COLD_START = """
import json, pathlib, resource, sys, time
moments = [time.time()]
path, caption = sys.argv[1:]
import tensorflow as tf
moments.append(time.time())
{load}
moments.append(time.time())
{draw}
moments.append(time.time())
status = pathlib.Path("/proc/self/status")
if status.exists():  # else what the parent held when it forked would count
    peak = int(status.read_text().split("VmHWM:")[1].split()[0])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([moments, peak]))
"""
SAVED_MODEL = COLD_START.format(
    load="model = tf.saved_model.load(path)",
    draw="model.signatures['serving_default'](captions=tf.constant([caption]))['images'].numpy()",
)
PACKAGE = COLD_START.format(
    load="from dmgan_tf import DMGANTextToImage\nmodel = DMGANTextToImage.from_preset(path)",
    draw="model.generate([caption])",
)


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("model", None, "Shipped model name, model directory or run directory.")
    flags.DEFINE_list("variants", list(VARIANTS), "Which to export and to time.")
    flags.DEFINE_list("batch_sizes", ["1", "8"], "Captions a call.")
    flags.DEFINE_integer("calls", 30, "Calls of each variant and batch size.", lower_bound=2)
    flags.DEFINE_integer("cold_starts", 3, "Processes to start for each row.", lower_bound=0)


def main():
    """Exports, times, and prints two tables."""
    options = flags.FLAGS
    if not options.model:
        raise InputError("Expected --model=MODEL, a model or run directory. Received: none.")
    unknown = set(options.variants) - set(VARIANTS)
    if unknown:
        raise InputError(f"Expected --variants of {VARIANTS}. Received: {sorted(unknown)}.")
    try:
        batch_sizes = sorted({int(size) for size in options.batch_sizes})
    except ValueError as error:
        raise InputError(
            f"Expected --batch_sizes, whole numbers. Received: {','.join(options.batch_sizes)}."
        ) from error
    logging.set_verbosity(logging.WARNING)

    from dmgan_tf.models.presets import find_model_directory

    model_directory = find_model_directory(options.model)
    with tempfile.TemporaryDirectory() as folder:
        exports = export_variants(model_directory, folder, options.variants, batch_sizes)
        caption = known_caption(model_directory)
        print_latencies(exports, caption, batch_sizes, options.calls)
        if options.cold_starts:
            print_cold_starts(exports, model_directory, caption, options.cold_starts)


def export_variants(model, folder, variants, batch_sizes):
    """The version directory of each variant."""
    from dmgan_tf.serving.export import export_model

    exports = {}
    for variant in variants:
        precision, _, fast = variant.partition("_")
        exports[variant] = export_model(
            model,
            pathlib.Path(folder, variant),
            precision=precision,
            fast=bool(fast),
            batch_sizes=batch_sizes,
        )
    return exports


def known_caption(model_directory):
    """A caption of the model's most frequent words."""
    from dmgan_tf.text.vocabulary import Vocabulary

    vocabulary = Vocabulary.load(model_directory / "vocabulary.txt")
    return " ".join(vocabulary.words[1 : CAPTION_WORDS + 1])


def print_latencies(exports, caption, batch_sizes, calls):
    """Times every variant at every batch size, alternately, and prints a row for each."""
    import tensorflow as tf

    models = {variant: tf.saved_model.load(path) for variant, path in exports.items()}
    header = f"{'variant':14} {'batch':>5} {'median s':>9} {'p95 s':>9} {'images/s':>9}"
    print(f"{header} {'against the slowest':>20}")
    for size in batch_sizes:
        captions = tf.constant([caption] * size)
        seconds = {variant: [] for variant in models}
        for turn in range(calls + 2):  # two to warm up
            for variant, model in models.items():
                start = time.perf_counter()
                model.signatures["serving_default"](captions=captions)["images"].numpy()
                if turn >= 2:
                    seconds[variant].append(time.perf_counter() - start)
        medians = {variant: statistics.median(times) for variant, times in seconds.items()}
        for variant, median in medians.items():
            late = sorted(seconds[variant])[int(0.95 * (calls - 1))]
            ratio = max(medians.values()) / median
            row = f"{variant:14} {size:5} {median:9.4f} {late:9.4f} {size / median:9.1f}"
            print(f"{row} {ratio:19.2f}x")


def print_cold_starts(exports, model_directory, caption, repetitions):
    """Starts a process for each variant, and for the package, and prints the time of each part."""
    columns = (
        f"{'first picture':>13} {'Python':>8} {'TensorFlow':>11} {'loading':>8} {'drawing':>8}"
    )
    print(f"\n{'cold start':22} {columns} {'peak MB':>8} {'on disk MB':>11}")
    rows = {f"export, {variant}": (SAVED_MODEL, path) for variant, path in exports.items()}
    rows["generate, float32"] = (PACKAGE, model_directory)
    for name, (program, path) in rows.items():
        starts = [cold_start(program, path, caption) for _ in range(repetitions)]
        parts, peak = zip(*starts, strict=True)
        total = statistics.median(map(sum, parts))
        python, framework, loading, drawing = map(statistics.median, zip(*parts, strict=True))
        print(
            f"{name:22} {total:11.2f} s {python:6.2f} s {framework:9.2f} s {loading:6.2f} s "
            f"{drawing:6.2f} s {max(peak) / 1024:8.0f} {size_on_disk(path) / 1e6:11.1f}"
        )


def cold_start(program, path, caption):
    """Seconds of each part of a fresh process up to its first picture, and its peak memory (KB)."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    root = pathlib.Path(__file__).parents[1]
    environment["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    start = time.time()
    result = subprocess.run(
        [sys.executable, "-c", program, os.fspath(path), caption],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    moments, peak = json.loads(result.stdout.splitlines()[-1])
    moments = [start, *moments]
    return [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)], peak


def size_on_disk(path):
    """Bytes of all files below a directory."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    define_flags()
    command.run(main)
