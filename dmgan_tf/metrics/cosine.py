"""Directions of feature vectors, between which distances are cosine distances."""

import numpy as np


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Returns feature vectors divided by their length.

    The cosine distance of two vectors, `1 - cos`, is half the squared distance of their directions.

    Args:
        features: Float array `(images, dim)`.

    Returns:
        An array of the same shape and precision; a vector of zeros stays one.
    """
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
