"""Training steps that give the same bits every time.

Three things in TensorFlow sum floating-point numbers in the order in which they happen to be ready.
Operations such as scatters, mostly on GPUs, which have slower versions that do not. Grappler's
memory optimizer, which makes a sum of three or more gradients an accumulation without order as soon
as it believes that a step needs over 200 MB, on a CPU, too. And such a sum itself: it begins with
whichever of its inputs nobody else needs any longer, which depends on the other threads.
"""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

_META_OPTIMIZER = "disable_meta_optimizer"


@contextlib.contextmanager
def same_bits() -> Iterator[None]:
    """Makes what is traced in this context use only operations and sums that are repeatable.

    The choice of operations stays for the rest of the process; TensorFlow cannot take it back.
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

    Each still uses every core. For one replica: several wait for one another.

    Args:
        step: A function of a data set's iterator, which has to be made outside of it, since data
            sets need threads.
    """

    def ordered(iterator):
        with tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR"):
            return step(iterator)

    return ordered
