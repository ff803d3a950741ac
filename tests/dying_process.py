"""A training run as a process of its own, which gets a signal at a chosen moment.

    python tests/dying_process.py '{"training": "dmgan", "arguments": [...], "moment": "step",
        "number": 5, "signal": "SIGKILL", "settings": {...}}'

Moments: `step`, within step `number`, before it is saved; `checkpoint`, when half of that of step
`number` is written; `epoch`, at the work of the end of an epoch, with everything saved; `model`,
when half of the model directory is written; `renaming`, when the old one is away and the new one
not yet there; `noting`, when all the work of an epoch's end is done; `start`, before the first
step. Without one it trains to the end.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def run(**specification):
    """Starts such a process and waits for it: `(exit status, its stderr)`."""
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(specification, default=str)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return done.returncode, done.stderr


def _before(owner, name, condition, action):
    """Makes a function or method do something first, where its arguments fit."""
    original = getattr(owner, name)

    def changed(*arguments, **keywords):
        if condition(*arguments, **keywords):
            action(*arguments, **keywords)
        return original(*arguments, **keywords)

    setattr(owner, name, changed)


def _die_at(moment, number, die):
    """Puts `die` in front of what happens at a moment."""
    import keras

    from dmgan_tf.training.session import (
        callbacks,
        checkpoints,
        interruption,
        run_directory,
        session,
    )

    def is_step(self, *_, **__):
        return self.interruption.step + 1 == number

    def is_of_step(path, **arrays):
        return json.loads(arrays["metadata"].tobytes())["step"] == number

    def write_half(path, **_):
        pathlib.Path(path).write_bytes(b"PK" + b"\0" * 1000)
        die()

    def always(*_, **__):
        return True

    def is_a_later_part(self, path, **_):
        return "image_encoder" in str(path)

    def is_into_place(path, target):
        return pathlib.Path(target).name == "model"

    _before(
        *{
            "start": (session.Session, "prepare", always, die),
            "step": (interruption.StopRequests, "on_train_batch_end", is_step, die),
            "checkpoint": (checkpoints.np, "savez", is_of_step, write_half),
            "epoch": (callbacks.ScalarLogger, "on_epoch_end", always, die),
            "model": (keras.Model, "save_weights", is_a_later_part, die),
            "renaming": (pathlib.Path, "rename", is_into_place, die),
            "noting": (run_directory.RunDirectory, "note_epoch_end", always, die),
        }[moment]
    )


def main(specification):
    """Trains as told."""
    from tiny_training import CONFIG, PRETRAINING

    from dmgan_tf.training.config import RunSettings
    from dmgan_tf.training.damsm_run import pretrain_damsm
    from dmgan_tf.training.dmgan_run import train_dmgan

    def die(*_, **__):
        os.kill(os.getpid(), getattr(signal, specification["signal"]))

    if specification.get("moment"):
        _die_at(specification["moment"], specification.get("number"), die)
    train, config = {
        "dmgan": (train_dmgan, CONFIG),
        "damsm": (pretrain_damsm, PRETRAINING),
    }[specification["training"]]
    settings = RunSettings(**specification.get("settings", {}))
    train(config, *specification["arguments"], resume=True, settings=settings)


if __name__ == "__main__":
    from dmgan_tf import command

    given = json.loads(sys.argv.pop())
    command.run(lambda: main(given), sigterm_status=75)
