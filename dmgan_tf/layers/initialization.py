"""The networks' initial weights, and building without drawing them."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
from keras import initializers, ops

_are_drawn = contextvars.ContextVar("are_initial_values_drawn", default=True)


@contextlib.contextmanager
def without_initial_values() -> Iterator[None]:
    """Builds networks inside it with zeros for orthogonal kernels, because weights follow at once.

    Orthogonal matrices of the paper's sizes take six seconds and more, and whoever loads weights
    next throws them away. Only for that: a network left with these zeros does not work.

    Example:
        >>> generator = Generator()  # doctest: +SKIP
        >>> with without_initial_values():  # doctest: +SKIP
        ...     generator.build()
        >>> generator.load_weights("generator.weights.h5")  # doctest: +SKIP
    """
    token = _are_drawn.set(False)
    try:
        yield
    finally:
        _are_drawn.reset(token)


@keras.saving.register_keras_serializable(package="dmgan_tf")
class Orthogonal(initializers.Orthogonal):
    """Orthogonal initial weights, as the release has them; zeros in `without_initial_values()`.

    An instance draws the same values at every call, so each weight needs one of its own.

    Args:
        gain: Factor of the orthogonal matrix.
        seed: Integer that makes the values repeatable.
    """

    def __call__(self, shape, dtype=None):
        if _are_drawn.get():
            return super().__call__(shape, dtype)
        return ops.zeros(shape, dtype)
