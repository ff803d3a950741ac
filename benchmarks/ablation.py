r"""Trains the four rows of the paper's Table 3 at small size, and prints what each scores.

All rows have the data, the DAMSM, the seed and the settings of configs/ablation/small.flags in
common, and differ in configs/ablation/ROW.flags alone. Each is judged on held-out captions of the
embedded pictures by a second DAMSM that no generator was trained against. Whatever is finished is
not done again, so that the command may be stopped and given once more.

  python benchmarks/ablation.py --run=runs/ablation
  python benchmarks/ablation.py --run=runs/ablation --jobs=2   # two rows at once, a core each
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import numpy as np
from absl import flags
from caption_retrieval import encode_images, read_test_split

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.training.damsm import retrieval_accuracy

ROWS = {
    "baseline": "baseline (word attention)",
    "memory": "+ memory",
    "writing_gate": "+ writing gate",
    "response_gate": "+ response gate",
}
CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
IMAGE_SIZE = 64
BATCH_SIZE = 32


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("run", None, "Directory for the data, the two DAMSMs and the four runs.")
    flags.DEFINE_list("rows", list(ROWS), "Which rows to train.")
    flags.DEFINE_integer("epochs", None, "Instead of those of small.flags.", lower_bound=1)
    flags.DEFINE_integer("jobs", 1, "Rows that train at once.", lower_bound=1)
    flags.DEFINE_integer("samples", 4, "Images drawn of each held-out caption.", lower_bound=1)


def main():
    """Prepares, trains, and prints the table."""
    options = flags.FLAGS
    unknown = set(options.rows) - set(ROWS)
    if unknown or not options.run:
        raise InputError(
            f"Expected --run=DIR and --rows of {', '.join(ROWS)}. Received: "
            f"--run={options.run} and --rows={','.join(options.rows)}."
        )
    directory = pathlib.Path(options.run)
    prepare(directory)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda row: train(directory, row, options), options.rows))
    for line in table(directory, options):
        print(line)


def prepare(directory):
    """The data, the DAMSM that the rows train against, and the one that judges them."""
    python(
        "prepare_data",
        "--source=emoji",
        f"--image_size={IMAGE_SIZE}",
        f"--output={directory / 'data'}",
    )
    for name, changes in (("damsm", ("--seed=1",)), ("judge", ("--seed=2", "--crop", "--flip"))):
        python(
            "pretrain_damsm",
            f"--flagfile={CONFIGS / 'quickstart_damsm.flags'}",
            *changes,
            f"--data={directory / 'data'}",
            f"--run={directory / name}",
            "--resume",
        )


def train(directory, row, options):
    """Trains one row, or goes on with it; what it says goes to a log beside its run."""
    epochs = [f"--epochs={options.epochs}"] if options.epochs else []
    environment = dict(os.environ)
    if options.jobs > 1:  # else each would start a thread for every core
        environment.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    with open(directory / f"{row}.log", "a", encoding="utf-8") as log:
        python(
            "train",
            f"--flagfile={CONFIGS / 'ablation' / 'small.flags'}",
            f"--flagfile={CONFIGS / 'ablation' / row}.flags",
            *epochs,
            f"--data={directory / 'data'}",
            f"--damsm={directory / 'damsm'}",
            f"--run={directory / row}",
            "--resume",
            env=environment,
            stdout=log,
            stderr=log,
        )


def python(name, *arguments, **options):
    """Runs one of our commands."""
    program = [sys.executable, "-m", f"dmgan_tf.{name}", *arguments]
    result = subprocess.run(program, check=False, **options)
    if result.returncode:
        where = f"; see {options['stdout'].name}" if "stdout" in options else ""
        raise InputError(f"dmgan_tf.{name} failed{where}. It was given: {' '.join(arguments)}")


def table(directory, options):
    """The rows' parameters and scores, as lines of Markdown."""
    judges = {name: load_model_directory(directory / name) for name in ("judge", "damsm")}
    test = {
        name: read_test_split(directory / "data", judge, IMAGE_SIZE, crop=False)
        for name, judge in judges.items()
    }
    _, captions, _, _ = test["judge"]
    yield f"{len(captions)} held-out captions, {options.samples} images of each: how many find"
    yield "their caption among 100 (chance 1 %), with the standard error over the captions. One"
    yield "training each: how much another seed would change a row is not in it."
    yield ""
    yield "| row | parameters | the judge | its own DAMSM |"
    yield "|---|---|---|---|"
    real = {name: score(judges[name], test[name], test[name][0]) for name in judges}
    yield f"| real pictures | | {percent(*real['judge'])} | {percent(*real['damsm'])} |"
    for row in options.rows:
        model = DMGANTextToImage.from_preset(directory / row)
        scores = {}
        repeated = [caption for caption in captions for _ in range(options.samples)]
        images = model.generate(repeated, seed=0, batch_size=BATCH_SIZE) / 127.5 - 1
        for name, judge in judges.items():
            scores[name] = score(judge, test[name], images)
        parameters = sum(int(np.prod(v.shape)) for v in model.generator.trainable_weights)
        yield (
            f"| {ROWS[row]} | {parameters:,} | {percent(*scores['judge'])} | "
            f"{percent(*scores['damsm'])} |"
        )


def percent(mean, error):
    """A share with its standard error."""
    return f"{mean:.1%} ± {error:.1%}"


def score(judge, test, images):
    """How often images find their captions, several images a caption, and its standard error."""
    _, captions, class_ids, sentences = test
    codes = encode_images(judge, images)
    per_caption = len(codes) // len(captions)
    accuracies = [
        retrieval_accuracy(codes[sample::per_caption], sentences, class_ids, seed=sample)[0]
        for sample in range(per_caption)
    ]
    mean = float(np.mean(accuracies))
    return mean, (mean * (1 - mean) / len(captions)) ** 0.5


if __name__ == "__main__":
    define_flags()
    command.run(main)
