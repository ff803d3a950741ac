"""Training steps that give the same bits every time."""

import contextlib

import tensorflow as tf


@contextlib.contextmanager
def same_bits(strategy):
    """Makes what runs in this context repeatable to the last bit, on one device.

    Three things in TensorFlow sum floating-point numbers in the order in which they happen to be
    ready. Operations such as scatters, mostly on GPUs, have slower versions that do not, which are
    from then on used in the whole process. Grappler's memory optimizer makes a sum of three or more
    gradients an accumulation without order, as soon as it believes that a step needs over 200 MB:
    on a CPU, too. And such a sum begins with whichever of its inputs nobody else needs any longer,
    which depends on the other threads.

    Args:
        strategy: The `tf.distribute.Strategy`. Several replicas wait for one another, which needs
            threads: they keep theirs, and so the third cause.

    Yields:
        Nothing.
    """
    tf.config.experimental.enable_op_determinism()
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    executor = contextlib.nullcontext()
    if strategy.num_replicas_in_sync == 1:
        executor = tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR")
    try:
        with executor:
            yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
