r"""Measures the speed of training with one process and with two, on the processors of this machine.

Three runs of `dmgan_tf.train` on the embedded pictures, with the same global batch, alternating
over the rounds: one process on one processor, one process on two, and two workers
(--strategy=multi_worker, over the loopback address) on one processor each. The speed is that of the
steps after the first epoch.

The second compared with the first is the best gain of a second processor; the third compared with
the second is the cost of the exchange between processes on one machine.

  python benchmarks/workers.py --run=runs/workers
"""

import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys

from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError

_SPEED = re.compile(r"epoch (\d+)/\d+:.* ([\d.]+) images/s")
_TRAINING = (
    *("--base_size=16", "--num_stages=3", "--channels=32", "--discriminator_channels=32"),
    *("--nocrop", "--noflip", "--objective=release"),
)


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("run", None, "Directory for data, DAMSM and runs; must be new.")
    flags.DEFINE_integer("batch_size", 16, "Images per step, over all workers.")
    flags.DEFINE_integer("epochs", 3, "Epochs a run; the first is not measured.", lower_bound=2)
    flags.DEFINE_integer("rounds", 2, "How often each is run.", lower_bound=1)
    flags.DEFINE_string("precision", "float32", "As of train.")


def main():
    """Prepares, runs each, and prints a table."""
    options = flags.FLAGS
    if not options.run:
        raise InputError("Expected --run=DIR. Received: nothing. See --help.")
    processors = sorted(os.sched_getaffinity(0))[:2]
    if len(processors) < 2:
        raise InputError("Expected two processors. Received: one.")
    run = pathlib.Path(options.run)
    data, damsm = _prepared(run)
    arguments = [
        *(f"--data={data}", f"--damsm={damsm}", f"--batch_size={options.batch_size}"),
        *(f"--epochs={options.epochs}", f"--precision={options.precision}", *_TRAINING),
    ]
    ways = {
        "one process, one processor": [processors[:1]],
        "one process, two processors": [processors],
        "two workers, one processor each": [processors[:1], processors[1:]],
    }
    speeds = {way: [] for way in ways}
    for number in range(options.rounds):
        for way, parts in ways.items():
            name = f"{'_'.join(way.replace(',', '').split())}_{number}"
            speeds[way] += _train([*arguments, f"--run={run / name}"], parts, run / f"{name}.log")
    print("| training | images/s | compared with one processor |")
    print("|---|---|---|")
    medians = {way: statistics.median(values) for way, values in speeds.items()}
    first = next(iter(medians.values()))
    for way, median in medians.items():
        print(f"| {way} | {median:.1f} | {median / first:.2f} |")


def _prepared(run):
    """Data and a DAMSM of one epoch, which is enough to measure speed."""
    data, damsm = run / "data", run / "damsm"
    for arguments in (
        ["prepare_data", "--source=emoji", "--image_size=64", f"--output={data}"],
        [
            *("pretrain_damsm", f"--data={data}", f"--run={damsm}", "--epochs=1", "--resume"),
            *("--image_backbone=small_cnn", "--word_dim=64", "--embedding_dim=64", "--nocrop"),
        ],
    ):
        subprocess.run(
            [sys.executable, "-m", f"dmgan_tf.{arguments[0]}", *arguments[1:]], check=True
        )
    return data, damsm


def _train(arguments, parts, log):
    """Images per second of each epoch but the first, from the chief's log."""
    program = [sys.executable, "-m", "dmgan_tf.train", *arguments]
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(len(parts))]
    workers = []
    for index, processors in enumerate(parts):
        environment = dict(os.environ)
        if len(parts) > 1:
            task = {"type": "worker", "index": index}
            cluster = {"cluster": {"worker": addresses}, "task": task}
            environment["TF_CONFIG"] = json.dumps(cluster)
        with open(log if index == 0 else log.with_suffix(f".{index}.log"), "w") as output:
            workers.append(
                subprocess.Popen(
                    program + (["--strategy=multi_worker"] if len(parts) > 1 else []),
                    env=environment,
                    stdout=output,
                    stderr=output,
                    preexec_fn=lambda allowed=processors: os.sched_setaffinity(0, allowed),
                )
            )
    statuses = [worker.wait() for worker in workers]
    if any(statuses):
        raise RuntimeError(f"Training ended with {statuses}; see {log}.")
    found = [_SPEED.search(line) for line in log.read_text().splitlines()]
    return [float(match.group(2)) for match in found if match and int(match.group(1)) > 1]


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


if __name__ == "__main__":
    define_flags()
    command.run(main)
