"""Training steps that are bitwise reproducible.

Three things in TensorFlow sum floating-point numbers in an order that varies. Operations such as
scatters, mostly on GPUs, which also have slower, deterministic versions. Grappler's memory
optimizer, which replaces a sum of three or more gradients by an unordered accumulation if it
estimates over 200 MB for a step, on a CPU, too. And such a sum itself: it begins with any input
that no other operation needs any longer, which depends on the other threads.
"""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

_META_OPTIMIZER = "disable_meta_optimizer"


@contextlib.contextmanager
def same_bits() -> Iterator[None]:
    """Makes functions traced in this context use only deterministic operations and sums.

    The choice of operations stays for the rest of the process; TensorFlow cannot undo it.
    """
    tf.config.experimental.enable_op_determinism()
    before = tf.config.optimizer.get_experimental_options().get(_META_OPTIMIZER, False)
    tf.config.optimizer.set_experimental_options({_META_OPTIMIZER: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_META_OPTIMIZER: before})


def in_order(step: Callable) -> Callable:
    """Makes a training step run its operations one after another, always in the same order.

    Each still uses every core. For one replica only: several would wait for one another.

    Args:
        step: A function of a data set's iterator, which must be made outside it, since data sets
            need threads.
    """

    def ordered(iterator):
        with tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR"):
            return step(iterator)

    return ordered
