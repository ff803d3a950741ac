r"""Compares a training step of two checkouts of this repository: seconds, and peak memory.

Each runs in a separate process, with its own `train_step.py` and code. They alternate, and one
waits while the other computes, so that other load affects both alike: the median of the rounds'
ratios is more reliable than the times.

  git worktree add ../before COMMIT
  python benchmarks/two_trees.py --before=../before --variants=float32,bfloat16 --rounds=20
  python benchmarks/two_trees.py --before=../before --batch_size=32 --base_size=16 --channels=48 \
    --backbone=small_cnn

It also accepts the flags of `train_step.py`.
"""

import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import train_step
from absl import flags
from made_up_batch import made_up_batch

from dmgan_tf import command

HERE = pathlib.Path(__file__).resolve()
SERVE = "serve"


def define_flags():
    """Declares the flags of this benchmark, besides those of `train_step.py`."""
    train_step.define_flags()
    flags.DEFINE_string("before", None, "The other checkout, such as a git worktree.")
    flags.mark_flag_as_required("before")
    flags.FLAGS.set_default("variants", ["float32", "bfloat16"])


def main():
    """Times both checkouts alternately, one variant after another, and prints a line for each."""
    options = flags.FLAGS
    trees = {"before": pathlib.Path(options.before).resolve(), "now": HERE.parents[1]}
    others = [f"--{name}={options[name].value}" for name in options_of_steps()]
    for variant in options.variants:
        workers = {
            name: start(tree, [*others, f"--variants={variant}"]) for name, tree in trees.items()
        }
        for worker in workers.values():
            ask(worker)  # built and traced, and once more warm
        seconds = {name: [] for name in workers}
        for _ in range(options.rounds):
            for name, worker in workers.items():
                seconds[name].append(float(ask(worker)))
        memory = {name: float(ask(worker, "end")) for name, worker in workers.items()}
        ratios = [now / old for old, now in zip(*seconds.values(), strict=True)]
        for name in workers:
            middle = statistics.median(seconds[name])
            print(f"{variant} {name:7}{middle:8.3f} s a step, {memory[name]:.2f} GB at most")
        print(
            f"{variant} now / before: {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f}-{max(ratios):.3f}) of the time, "
            f"{memory['now'] / memory['before']:.3f} of the memory"
        )


def options_of_steps():
    """Names of the flags that define a step."""
    shape = ("batch_size", "backbone", "channels", "discriminator_channels", "base_size")
    return (*shape, "num_stages", "steps")


def start(tree, arguments):
    """A process that runs steps of a checkout when asked to.

    `-P` keeps this file's folder, whose modules are those of one checkout, out of its path.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tree / "benchmarks"), str(tree)]),
    }
    return subprocess.Popen(
        [sys.executable, "-P", str(HERE), SERVE, *arguments],
        cwd=tree,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(worker, word="step"):
    """Sends a line, and waits for the response."""
    worker.stdin.write(f"{word}\n")
    worker.stdin.flush()
    return worker.stdout.readline()


def serve(arguments):
    """Responds to each line of standard input: seconds per step, or at the end peak gigabytes."""
    train_step.define_flags()
    options = flags.FLAGS
    options(["", *arguments])
    sizes = [options.base_size * 2**stage for stage in range(options.num_stages)]
    words, vocabulary = train_step.WORDS, train_step.VOCABULARY_SIZE
    batch = made_up_batch(options.batch_size, sizes, words, vocabulary)
    step = train_step.build_step(options.variants[0], options, batch)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        start = time.perf_counter()
        for _ in range(options.steps):
            float(step(batch)["damsm_loss"])
        print((time.perf_counter() - start) / options.steps, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == [SERVE]:
        serve(sys.argv[2:])
    else:
        define_flags()
        command.run(main)
