import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.data.augmentation import add_noise, checked_jpeg, crop_and_resize, random_words

SEED = tf.constant([0, 1], tf.int64)


def picture(height, width):
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("height, width", [(76, 76), (80, 152), (200, 120), (40, 41)])
@pytest.mark.parametrize("where", [(0.0, 0.0), (1.0, 1.0), (0.3, 0.8), None])
def test_crop_and_resize_equals_pillow(height, width, where):
    image = picture(height, width)
    side = min(height, width) * (1 if where is None else 64 / 76)
    top, left = np.floor(np.subtract((height, width), side) * (where or (0.5, 0.5)))
    results = crop_and_resize(
        tf.constant(np.asarray(image)), (16, 64), None if where is None else tf.constant(where)
    )
    for result, size in zip(results, (16, 64), strict=True):
        box = (left, top, left + side, top + side)
        expected = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
        # Pillow rounds to whole numbers after each of its two passes.
        np.testing.assert_allclose(result, np.asarray(expected, np.float32), atol=1.6)


def test_a_crop_of_the_right_size_is_copied_unblurred():
    image = np.asarray(picture(76, 90))
    (result,) = crop_and_resize(tf.constant(image), (64,), tf.constant([0.5, 0.99]))
    np.testing.assert_array_equal(result, image[6:70, 25:89])


def test_noise_has_every_deviation_up_to_the_largest():
    image = tf.fill([64, 64, 3], 100.0)
    noise = np.stack(
        [add_noise([image], 0.4, tf.constant([0, row], tf.int64))[0] - 100 for row in range(200)]
    )
    deviations = noise.std((1, 2, 3)) / 127.5
    np.testing.assert_allclose(
        np.quantile(deviations, [0.1, 0.5, 0.9]), [0.04, 0.2, 0.36], atol=0.05
    )
    assert deviations.max() < 0.41 and abs(noise.mean()) < 1


def test_random_words_keeps_short_captions_and_empty_ones():
    words = tf.ragged.constant([[5, 6], [], [7]], tf.int32)
    kept = random_words(words, 3, SEED, 3)
    np.testing.assert_array_equal(kept, [[5, 6, 0], [0, 0, 0], [7, 0, 0]])


def test_every_word_of_a_long_caption_is_as_likely_to_stay():
    words = tf.ragged.constant([[1, 2, 3, 4]] * 2000, tf.int32)
    kept = random_words(words, 2, SEED, 2000).numpy()
    assert (kept[:, 0] < kept[:, 1]).all()
    counts = np.bincount(kept.ravel(), minlength=5)
    np.testing.assert_allclose(counts[1:], 1000, rtol=0.1)


def test_what_stays_of_a_caption_depends_on_its_row_alone():
    batch = [[5, 6, 7, 8, 9], [1, 2, 3], [4] * 30, [11, 12, 13, 14], [15], [16, 17, 18, 19]]
    whole = random_words(tf.ragged.constant(batch, tf.int32), 3, SEED, 6)
    for first, last in ((0, 1), (0, 3), (3, 6), (1, 2), (5, 6)):
        rows = tf.ragged.constant(batch[first:last], tf.int32)
        part = random_words(rows, 3, SEED, last - first, tf.constant(first), 6)
        np.testing.assert_array_equal(part, whole[first:last])


def test_a_jpeg_that_claims_too_many_pixels():
    buffer = io.BytesIO()
    picture(16, 16).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    assert checked_jpeg(jpeg) == jpeg
    frame = jpeg.index(b"\xff\xc0") + 5
    huge = jpeg[:frame] + struct.pack(">HH", 30_000, 30_000) + jpeg[frame + 4 :]
    with pytest.raises(tf.errors.InvalidArgumentError, match="JPEG claims too many pixels"):
        checked_jpeg(huge)
