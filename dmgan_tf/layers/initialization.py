"""The networks' initial weights, and building without them."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
from keras import initializers, ops

_are_drawn = contextvars.ContextVar("are_initial_values_drawn", default=True)


@contextlib.contextmanager
def without_initial_values() -> Iterator[None]:
    """Context in which orthogonal kernels are initialised with zeros, for loading weights.

    Orthogonal matrices of the paper's sizes take six seconds or more, and are overwritten when
    weights are loaded. Use it only for that: a network with these zeros does not work.

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
    """Orthogonal initial weights, as in the release; zeros in `without_initial_values()`.

    An instance returns the same values at every call, so each weight needs its own instance.

    Args:
        gain: Factor of the orthogonal matrix.
        seed: Integer for reproducible values.
    """

    def __call__(self, shape, dtype=None):
        if _are_drawn.get():
            return super().__call__(shape, dtype)
        return ops.zeros(shape, dtype)
