r"""Trains the four rows of the paper's Table 3 at small size, and prints what each scores.

All rows have the data, the DAMSM, the seed and the settings of configs/ablation/small.flags in
common, and differ in configs/ablation/ROW.flags alone. Each is judged on held-out captions of the
embedded pictures by a second DAMSM that no generator was trained against. Whatever is finished is
not done again, so that the command may be stopped and given once more.

  python benchmarks/ablation.py --run=runs/ablation
  python benchmarks/ablation.py --run=runs/ablation --jobs=2   # two rows at once, a core each
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from absl import flags

from dmgan_tf import command
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.errors import InputError
from dmgan_tf.models.text_to_image import DMGANTextToImage

ROWS = {
    "baseline": "baseline (word attention)",
    "memory": "+ memory",
    "writing_gate": "+ writing gate",
    "response_gate": "+ response gate",
}
CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
IMAGE_SIZE = 64


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
        log = getattr(options.get("stdout"), "name", None)
        where = f"; see {log}" if log else ""
        raise InputError(f"dmgan_tf.{name} failed{where}. It was given: {' '.join(arguments)}")


def table(directory, options):
    """The rows' parameters and scores, as lines of Markdown."""
    num_captions = load_dataset_info(directory / "data").split("test").num_images
    yield f"{num_captions} held-out pictures, {options.samples} images for each: how many find"
    yield "their caption among 100 (chance 1 %), with the standard error over the pictures; FID by"
    yield "EfficientNet-Lite0 against the held-out pictures. One training each: how much another"
    yield "seed would change a row is not in it."
    yield ""
    yield "| row | parameters | the judge | its own DAMSM | Lite0-FID |"
    yield "|---|---|---|---|---|"
    real = scores(directory, "real", [f"--images={directory / 'data'}"], ("judge", "damsm"))
    yield f"| real pictures | | {shares(real, num_captions)} | |"
    count = num_captions * options.samples
    for row in options.rows:
        model = DMGANTextToImage.from_preset(directory / row)
        parameters = sum(int(np.prod(v.shape)) for v in model.generator.trainable_weights)
        source = [f"--model={directory / row}", f"--num_images={count}"]
        of_row = scores(directory, row, source, ("judge", "damsm"), "fid")
        fid = of_row["judge"]["fid"]
        yield f"| {ROWS[row]} | {parameters:,} | {shares(of_row, num_captions)} | {fid:.1f} |"


def scores(directory, name, source, judges, *metrics):
    """What `evaluate` says of some images, by each judge."""
    found = {}
    for judge in judges:
        output = directory / f"{name}_by_{judge}.json"
        python(
            "evaluate",
            *source,
            f"--data={directory / 'data'}",
            f"--damsm={directory / judge}",
            f"--metrics={','.join(['r_precision', *metrics])}",
            "--protocol=lite0",
            "--nocrop",
            f"--output={output}",
            stdout=subprocess.DEVNULL,
        )
        report = json.loads(output.read_text(encoding="utf-8"))
        found[judge] = {score["metric"]: score["value"] for score in report["scores"]}
    return found


def shares(found, num_captions):
    """The R-precision of each judge, with its standard error, as cells of a row."""
    cells = []
    for of_judge in found.values():
        share = of_judge["r_precision"] / 100
        error = (share * (1 - share) / num_captions) ** 0.5
        cells.append(f"{share:.1%} ± {error:.1%}")
    return " | ".join(cells)


if __name__ == "__main__":
    define_flags()
    command.run(main)
