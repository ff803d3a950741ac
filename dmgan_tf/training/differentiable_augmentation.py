"""Differentiable augmentation of the discriminators' images, real and generated."""

import tensorflow as tf

LARGEST_SHIFT = 1 / 8  # of the image's side, in each direction
CUTOUT_SIDE = 1 / 3  # of the image's side


def augment(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Shifts every image and blanks a square of it, by its random numbers.

    With few images a discriminator overfits to them; it cannot if it never sees the same picture
    twice. Real and generated images are augmented alike, so the generator does not learn the
    augmentations.

    Shifts are products with shifted identity matrices, which are fast, as are their gradients.

    Reference: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training",
        section 3.2 (translation and cutout; colours stay, since captions name them).

    Args:
        images: Float `(batch, size, size, 3)`.
        draws: Float32 `(batch, 4)` in [0, 1): the shifts of each image and its square.

    Returns:
        Float `(batch, size, size, 3)`; pixels from outside the image are 0, as is the square.
    """
    size = images.shape[1]
    limit = round(size * LARGEST_SHIFT)
    shifts = tf.cast(tf.floor(draws[:, :2] * (2 * limit + 1)), tf.int32) - limit
    rows = _shifted_units(size, shifts[:, 0], images.dtype)
    columns = _shifted_units(size, shifts[:, 1], images.dtype)
    channels = images.shape[-1]
    shifted = tf.matmul(rows, tf.reshape(images, (-1, size, size * channels)))
    shifted = tf.reshape(shifted, (-1, size, size, channels))
    shifted = tf.matmul(columns[:, tf.newaxis], shifted)
    side = round(size * CUTOUT_SIDE)
    corners = tf.cast(tf.floor(draws[:, 2:] * (size + side + 1)), tf.int32) - side
    position = tf.range(size)[tf.newaxis]
    inside = [
        (position >= corner[:, tf.newaxis]) & (position < corner[:, tf.newaxis] + side)
        for corner in tf.unstack(corners, axis=1)
    ]
    blank = inside[0][:, :, tf.newaxis] & inside[1][:, tf.newaxis, :]
    return shifted * tf.cast(~blank, images.dtype)[..., tf.newaxis]


def _shifted_units(size, shifts, dtype):
    """`(batch, size, size)`: row i of each has a 1 in column i + shift, if it exists."""
    wanted = tf.range(size)[tf.newaxis] + shifts[:, tf.newaxis]
    return tf.one_hot(wanted, size, dtype=dtype)
