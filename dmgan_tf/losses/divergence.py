"""The divergence that keeps conditioning augmentation close to a standard normal."""

from typing import Any

from keras import ops


def conditioning_divergence(mean: Any, log_variance: Any) -> Any:
    """Returns the Kullback-Leibler divergence of the condition from N(0, I), mean over dimensions.

    The mean, not the sum of Eq. 13: the authors' release averages over dimensions, and
    its weight of 1 is tuned to that.

    Reference: DM-GAN (CVPR 2019), section 3.4, Eq. 13.

    Args:
        mean: Means of the condition, shape `(batch, condition_dim)`.
        log_variance: Logarithms of its variances, the same shape.

    Returns:
        One value of at least 0 an example, float32 of shape `(batch,)`.
    """
    mean = ops.cast(mean, "float32")
    log_variance = ops.cast(log_variance, "float32")
    terms = ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance
    return 0.5 * ops.mean(terms, axis=-1)
