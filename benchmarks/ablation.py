r"""Trains the four rows of the paper's Table 3 at small size, three times each, and scores them.

All rows have the data of `make quickstart`, the DAMSM and the settings of
configs/ablation/small.flags in common, and differ only in configs/ablation/ROW.flags. Each is
scored on held-out captions: by the attribute reader, by a second DAMSM that no generator was
trained with, and by KID of two networks that training does not use. Finished parts are not
repeated, so that the command can be stopped and run again.

  python benchmarks/ablation.py --run=runs/ablation
  python benchmarks/ablation.py --run=runs/ablation --jobs=2   # two trainings at once, a core each
"""

import concurrent.futures
import itertools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.models.text_to_image import DMGANTextToImage

ROWS = {
    "baseline": "baseline (word attention)",
    "memory": "+ memory",
    "writing_gate": "+ writing gate",
    "response_gate": "+ response gate",
}
CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
SCORES = {  # of a metric and protocol: its title, digits after the point, and unit
    ("attributes", "attributes"): ("named attributes right", 1, " %"),
    ("r_precision", "damsm"): ("R-precision, another DAMSM", 1, " %"),
    ("kid", "squeezenet"): ("KID, SqueezeNet", 0, ""),
    ("kid", "mobilenet_v2"): ("KID, MobileNetV2", 3, ""),
}


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("run", None, "Directory for the data, the two DAMSMs and all trainings.")
    flags.DEFINE_list("rows", list(ROWS), "Which rows to train.")
    flags.DEFINE_integer("seeds", 3, "Trainings of each row.", lower_bound=1)
    flags.DEFINE_integer("epochs", None, "Epochs, instead of the recipe's.", lower_bound=1)
    flags.DEFINE_integer("jobs", 1, "Trainings at once.", lower_bound=1)
    flags.DEFINE_integer("num_images", 2000, "Images drawn by each.", lower_bound=1000)


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
    # Seed by seed, so that a stopped ablation has complete seeds.
    runs = [(row, seed) for seed, row in itertools.product(range(options.seeds), options.rows)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda run: train_and_score(directory, *run, options), runs))
    for line in table(directory, options):
        print(line)


def prepare(directory):
    """The data, the DAMSM of the rows' training, and the one that scores them."""
    python(
        "prepare_data",
        f"--flagfile={CONFIGS / 'quickstart_data.flags'}",
        f"--output={directory / 'data'}",
    )
    for name, changes in (("damsm", ("--seed=1",)), ("judge", ("--seed=2", "--crop"))):
        python(
            "pretrain_damsm",
            f"--flagfile={CONFIGS / 'quickstart_damsm.flags'}",
            *("--word_epochs=0", "--epochs=16", "--learning_rate_decay=0.87"),
            *("--dropout=0.5", "--image_noise=0"),
            *changes,
            f"--data={directory / 'data'}",
            f"--run={directory / name}",
            "--resume",
        )


def train_and_score(directory, row, seed, options):
    """Trains one row with one seed and scores it; output is written to a log beside its run."""
    run = directory / f"{row}_{seed}"
    report = run.with_suffix(".json")
    if report.exists():
        return
    epochs = [f"--epochs={options.epochs}"] if options.epochs else []
    environment = dict(os.environ)
    if options.jobs > 1:  # else each would start a thread for every core
        environment.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    with open(run.with_suffix(".log"), "a", encoding="utf-8") as log:
        output = {"env": environment, "stdout": log, "stderr": log}
        python(
            "train",
            f"--flagfile={CONFIGS / 'ablation' / 'small.flags'}",
            f"--flagfile={CONFIGS / 'ablation' / row}.flags",
            *epochs,
            f"--seed={seed}",
            f"--data={directory / 'data'}",
            f"--damsm={directory / 'damsm'}",
            f"--run={run}",
            "--resume",
            **output,
        )
        python(
            "evaluate",
            f"--model={run}",
            f"--data={directory / 'data'}",
            f"--damsm={directory / 'judge'}",
            "--metrics=attributes,r_precision,kid",
            "--protocol=squeezenet,mobilenet_v2",
            "--kid_subset_size=400",  # all test pictures
            f"--num_images={options.num_images}",
            f"--output={report}",
            **output,
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
    yield f"Means and standard deviations over {options.seeds} trainings."
    yield ""
    yield f"| row | parameters | {' | '.join(title for title, _, _ in SCORES.values())} |"
    yield "|---|---|" + "---|" * len(SCORES)
    for row in options.rows:
        model = DMGANTextToImage.from_preset(directory / f"{row}_0")
        parameters = sum(int(np.prod(v.shape)) for v in model.generator.trainable_weights)
        found = [scores(directory / f"{row}_{seed}.json") for seed in range(options.seeds)]
        cells = []
        for key, (_, digits, unit) in SCORES.items():
            values = [of_seed[key] for of_seed in found]
            deviation = np.std(values, ddof=1) if len(values) > 1 else np.nan
            cells.append(f"{np.mean(values):,.{digits}f}{unit} ± {deviation:,.{digits}f}")
        yield f"| {ROWS[row]} | {parameters:,} | {' | '.join(cells)} |"


def scores(report):
    """The value of each metric and protocol in a report of `evaluate`."""
    content = json.loads(report.read_text(encoding="utf-8"))
    return {(score["metric"], score["protocol"]): score["value"] for score in content["scores"]}


if __name__ == "__main__":
    define_flags()
    command.run(main)
