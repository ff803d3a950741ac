"""CLIP score by hand, and resizing as PIL does it."""

import numpy as np
import PIL.Image
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.clip import clip_score, resize_for_clip


def made_up_images(height, width):
    """Two images of noise, the hardest to resize."""
    return np.random.RandomState(3).randint(0, 256, (2, height, width, 3)).astype("uint8")


@pytest.mark.parametrize(
    ("side", "size"), [(256, 224), (64, 224), (100, 32), (33, 32), (32, 32), (21, 50)]
)
def test_resizing_is_that_of_pil(side, size):
    noise = made_up_images(side, side)
    smooth = [PIL.Image.fromarray(image).resize((side, side), box=(0, 0, 8, 8)) for image in noise]
    images = np.concatenate([noise, np.stack(smooth)])
    expected = [
        PIL.Image.fromarray(image).resize((size, size), PIL.Image.Resampling.BICUBIC)
        for image in images
    ]
    expected = np.stack(expected).astype("float32")
    difference = np.abs(np.asarray(resize_for_clip(images, size)) - expected)
    assert np.mean(difference > 0) < 0.01
    assert difference.max() <= 2 and np.mean(difference > 1) < 1e-4


def test_the_middle_square_counts():
    square = made_up_images(40, 40)
    wide = np.pad(square, ((0, 0), (0, 0), (5, 5), (0, 0)), constant_values=255)
    tall = np.pad(square, ((0, 0), (5, 5), (0, 0), (0, 0)), constant_values=255)
    assert resize_for_clip(wide, 32).shape == resize_for_clip(tall, 32).shape
    # Where the edge is white, the filter sees it; the rest is the square's own.
    inside = np.s_[:, 2:-2, 2:-2]
    expected = np.asarray(resize_for_clip(square, 32))
    for padded in (wide, tall):
        np.testing.assert_array_equal(
            np.asarray(resize_for_clip(padded, 32))[inside], expected[inside]
        )


def test_clip_score_by_hand():
    images = [[1, 0], [3, 4], [1, 0], [1, 0], [0, 0]]
    texts = [[2, 0], [1, 0], [0, 1], [-1, 0], [1, 0]]
    np.testing.assert_allclose(clip_score(images, texts), [100, 60, 0, 0, 0])


def test_clip_score_of_other_shapes_is_an_error():
    with pytest.raises(InputError, match=r"\(2, 3\) and \(1, 3\)"):
        clip_score(np.ones((2, 3)), np.ones((1, 3)))
