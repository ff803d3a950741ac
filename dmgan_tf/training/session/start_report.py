"""A few lines at the start of a run: what was decided, and why."""

import logging
import os

import tensorflow as tf

from dmgan_tf.training.distribution.replicas import worker_of


def report_start(session, info, readable):
    """Logs the devices, strategy, precision, data and steps of a run.

    Args:
        session: Its `Session`, restored.
        info: The `DatasetInfo` of the data.
        readable: What `scan_split` found of the training split.
    """
    config, steps = session.config, session.steps_per_epoch
    logging.info("%s; %s", _devices(), _replicas(session.strategy, config))
    logging.info(
        "Precision: %s%s%s",
        config.precision,
        "" if config.precision == "float32" else ", with float32 weights and losses",
        "; the same bits in every run" if session.settings.deterministic else "",
    )
    logging.info(
        "Data: %s, %d training images, %d of them unreadable and left out; %d steps of %d images "
        "an epoch, %d epochs",
        info.name,
        readable.num_listed,
        readable.num_skipped,
        steps,
        config.batch_size,
        config.epochs,
    )
    total = config.epochs * steps
    if session.is_new:
        logging.info("A new run of %d steps in %s", total, session.directory.path)
    else:
        logging.info(
            "Going on in %s from the checkpoint of step %d of %d",
            session.directory.path,
            session.step,
            total,
        )


def _devices():
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"Device: CPU of {os.cpu_count()} cores, for TensorFlow finds no GPU"
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus
    ]
    return f"Devices: {', '.join(names)}"


def _replicas(strategy, config):
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return f"strategy {config.strategy}, one replica"
    share = config.batch_size // replicas
    index, count = worker_of(strategy)
    this = f", worker {index} of {count}" if count > 1 else ""
    return f"strategy {config.strategy}{this}, {replicas} replicas of {share} images each"
