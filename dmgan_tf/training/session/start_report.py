"""A few lines at the start of a run: the devices and settings chosen, and why."""

import logging
import os

import tensorflow as tf

from dmgan_tf.process.quiet_import import LEVEL
from dmgan_tf.training.distribution.replicas import worker_of


def report_start(session, info, readable) -> None:
    """Logs the devices, strategy, precision, data and steps of a run.

    Args:
        session: Its `Session`, restored.
        info: The `DatasetInfo` of the data.
        readable: The result of `scan_split` for the training split.
    """
    config, steps = session.config, session.steps_per_epoch
    mixed = "" if config.precision == "float32" else ", with float32 weights and losses"
    same = "; bitwise reproducible" if session.settings.deterministic else ""
    place = f"{config.epochs * steps} steps in {session.directory.path}"
    for line in (
        f"{_devices()}; {_replicas(session.strategy, config)}",
        f"Precision: {config.precision}{mixed}{same}",
        f"Data: {info.name}, {readable.num_listed} training images, {readable.num_skipped} of them "
        f"unreadable and skipped; {steps} steps of {config.batch_size} images per epoch, "
        f"{config.epochs} epochs",
        *_long_captions(readable.caption_lengths, config.max_words),
        f"A new run of {place}"
        if session.is_new
        else f"Continuing from the checkpoint of step {session.step} of {place}",
    ):
        logging.info(line)


def _long_captions(lengths, max_words):
    """A line about captions longer than a step reads; empty if there are none."""
    num_long = sum(count for length, count in lengths.items() if length > max_words)
    if not num_long:
        return []
    num_words = sum(length * count for length, count in lengths.items())
    lost = sum(max(length - max_words, 0) * count for length, count in lengths.items())
    return [
        f"Captions: {num_long} of {sum(lengths.values())} are longer than --max_words={max_words}; "
        f"a step reads so many of their words, drawn at random, and leaves out "
        f"{lost / num_words:.1%} of the words of all captions"
    ]


def _devices():
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        found = f"TensorFlow finds no GPU ({LEVEL}=0 shows why)"
        return f"Device: CPU of {os.cpu_count()} cores, for {found}"
    details = tf.config.experimental.get_device_details
    names = [details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return f"Devices: {', '.join(names)}"


def _replicas(strategy, config):
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return f"strategy {config.strategy}, one replica"
    index, count = worker_of(strategy)
    worker = f", worker {index} of {count}" if count > 1 else ""
    share = config.batch_size // replicas
    return f"strategy {config.strategy}{worker}, {replicas} replicas of {share} images each"
