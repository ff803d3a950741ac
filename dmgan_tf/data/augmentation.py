"""Augmentation of images and captions in a batch."""

from collections.abc import Sequence

import tensorflow as tf

from dmgan_tf.data import records
from dmgan_tf.data.image_sizes import CROP_MARGIN


def decode_jpeg(jpeg: tf.Tensor) -> tf.Tensor:
    """Returns uint8 (height, width, 3), the pixels of a stored image."""
    # The fast approximation of the cosine transform was measured: no faster on 256 pixels.
    return tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE")


def checked_jpeg(jpeg: tf.Tensor) -> tf.Tensor:
    """Returns a JPEG, if its header does not declare more pixels than any stored one has.

    This takes a fifteenth of the decoding time.

    Raises:
        tf.errors.InvalidArgumentError: If it has more pixels than `prepare_data` accepts.
    """
    height, width, _ = tf.unstack(tf.cast(tf.io.extract_jpeg_shape(jpeg), tf.int64))
    few_enough = tf.debugging.assert_less_equal(
        height * width,
        tf.constant(records.MAX_PIXELS, tf.int64),
        "A JPEG claims too many pixels",
    )
    with tf.control_dependencies([few_enough]):
        return tf.identity(jpeg)


def crop_and_resize(
    image: tf.Tensor, sizes: Sequence[int], where: tf.Tensor | None
) -> tuple[tf.Tensor, ...]:
    """Resizes a square of an image to several sizes.

    The square starts at whole pixels, so that one of the exact size, as of photographs stored for
    the last stage, is copied without blur.

    Args:
        image: uint8 (height, width, 3).
        sizes: Sizes in pixels.
        where: float32 (2,), the position of the square, from 0 (top, left) to 1
            (bottom, right), its side 64/76 of the image's shorter side; None for the largest
            square in the middle.

    Returns:
        float32 (size, size, 3) in [0, 255], one per size.
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    square = tf.reduce_min(sides)
    if where is None:
        where = tf.constant([0.5, 0.5])
    else:
        square = square / CROP_MARGIN
    corner = tf.floor(where * (sides - square))
    return tuple(_resize_square(image, corner, square, size) for size in sizes)


def _resize_square(image: tf.Tensor, corner: tf.Tensor, square: tf.Tensor, size: int) -> tf.Tensor:
    def copied():
        top, left = tf.unstack(tf.cast(corner, tf.int32))
        return tf.cast(image[top : top + size, left : left + size], tf.float32)

    def resized():
        # One op crops, resizes and filters; its kernel includes the pixels around the square.
        scale = size / square
        return tf.raw_ops.ScaleAndTranslate(
            images=image[tf.newaxis],
            size=[size, size],
            scale=tf.stack([scale, scale]),
            translation=-corner * scale,
            kernel_type="triangle",
            antialias=True,
        )[0]

    return tf.ensure_shape(tf.cond(square == size, copied, resized), [size, size, 3])


def add_noise(
    images: Sequence[tf.Tensor], largest: float, seed: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Adds Gaussian noise of a random deviation to an image, in each of its sizes.

    An image encoder trained with noise has a smoother gradient: as a loss it produces shapes where
    another one produces texture (Santurkar et al., NeurIPS 2019, section 4.1).

    Args:
        images: float32 (height, width, 3) in [0, 255], one per size.
        largest: The deviation is uniform from 0 to this, on the scale of images in [-1, 1].
        seed: int64 (2,), that of the image.
    """
    of_deviation, of_noise = tf.unstack(tf.random.split(seed))
    deviation = tf.random.stateless_uniform([], of_deviation) * largest * 127.5
    return tuple(
        image + deviation * tf.random.stateless_normal(image.shape, of_noise) for image in images
    )


def random_words(
    words: tf.RaggedTensor,
    max_words: int,
    seed: tf.Tensor,
    num_rows: int,
    first_row: int | tf.Tensor = 0,
    batch_size: int | None = None,
) -> tf.Tensor:
    """Keeps `max_words` random words of each longer caption, in order.

    The words kept of a caption depend on the seed and on its row in the whole batch, not on the
    other captions.

    Args:
        words: int32 (rows, None), some or all rows of a batch.
        max_words: Words to keep.
        seed: int64 (2,), that of the whole batch.
        num_rows: The number of captions given.
        first_row: The row of the first of them in the whole batch.
        batch_size: The number of captions in the whole batch; None if all are given.

    Returns:
        int32 (rows, max_words), padded with 0 on the right.
    """
    padded = words.to_tensor()
    short = tf.maximum(max_words - tf.shape(padded)[1], 0)
    padded = tf.pad(padded, [[0, 0], [0, short]])
    # A row of numbers for each position in a caption: further positions do not change earlier rows.
    scores = tf.random.stateless_uniform([tf.shape(padded)[1], batch_size or num_rows], seed)
    scores = tf.transpose(scores[:, first_row : first_row + num_rows])
    scores = tf.where(padded > 0, scores, -1.0)
    _, kept = tf.math.top_k(scores, max_words)
    kept = tf.sort(kept, axis=1)
    return tf.ensure_shape(tf.gather(padded, kept, batch_dims=1), [num_rows, max_words])
