"""Processes of one training on the loopback address, as on several machines, bounded in time.

    python tests/several_workers.py DATA DAMSM OUTPUT

is what one of them runs in the test of equality: DAMSM pretraining, then DM-GAN training.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIMIT = 400  # seconds; a few dozen on a machine that does nothing else


def free_ports(count):
    """Ports of the loopback address that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Workers:
    """Starts the same Python program once for every worker; a context, after which none is left.

    Args:
        arguments: Of Python, such as `["-m", "dmgan_tf.train", ...]`.
        directory: Where what they print goes.
        count: How many.
        also: Further arguments of single workers, by index.
    """

    def __init__(self, arguments, directory, count=2, also=None):
        ports = free_ports(count)
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        self.outputs = [directory / f"worker-{index}.txt" for index in range(count)]
        self.processes = []
        for index, output in enumerate(self.outputs):
            environment = {
                **os.environ,
                "TF_CONFIG": json.dumps(
                    {"cluster": cluster, "task": {"type": "worker", "index": index}}
                ),
                "CUDA_VISIBLE_DEVICES": "-1",
                "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            }
            command = [sys.executable, *map(str, arguments), *(also or {}).get(index, [])]
            with open(output, "w", encoding="utf-8") as file:
                self.processes.append(
                    subprocess.Popen(
                        command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
                    )
                )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()
            process.wait()

    def wait_until(self, condition):
        """Waits for a condition while all of them run."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, self.report()
            assert all(process.poll() is None for process in self.processes), self.report()
            time.sleep(0.1)

    def end(self):
        """Waits for the end of all, and gives their exit statuses."""
        deadline = time.monotonic() + LIMIT
        statuses = []
        for process in self.processes:
            try:
                statuses.append(process.wait(max(deadline - time.monotonic(), 0.01)))
            except subprocess.TimeoutExpired as error:
                raise AssertionError(self.report()) from error
        return statuses

    def lines(self, index, beginning):
        """The lines of what one printed that begin so; a traceback is none of what it should."""
        text = self.outputs[index].read_text(encoding="utf-8")
        assert "Traceback" not in text, text
        return [line for line in text.splitlines() if line.startswith(beginning)]

    def report(self):
        """What all of them printed, for a test that failed."""
        return "\n".join(
            f"--- {output.name}\n{output.read_text(encoding='utf-8')[-4000:]}"
            for output in self.outputs
        )


def train(data, damsm, output, strategy, checkpoint_every=5):
    """The two trainings of the test of equality, of six steps each."""
    from tiny_training import CONFIG, PRETRAINING

    from dmgan_tf.training.config import RunSettings
    from dmgan_tf.training.damsm_run import pretrain_damsm
    from dmgan_tf.training.dmgan_run import train_dmgan

    settings = RunSettings(checkpoint_every=checkpoint_every)
    pretraining = dataclasses.replace(PRETRAINING, strategy=strategy)
    pretrain_damsm(pretraining, data, output / "damsm", settings=settings)
    config = dataclasses.replace(CONFIG, strategy=strategy, objective="release", ema_decay=0.5)
    train_dmgan(config, data, damsm, output / "dmgan", settings=settings)


if __name__ == "__main__":
    train(*map(pathlib.Path, sys.argv[1:]), strategy="multi_worker")
