"""Resizing, pixel by pixel against TensorFlow, PIL and PyTorch."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.layers.resize import interpolation_matrix, resize, resize_bytes

# Height, width, size wanted: larger and smaller, the project's sizes and odd ones.
SIZES = [(256, 256, 299), (64, 64, 299), (128, 128, 56), (33, 47, 29), (15, 20, 13), (7, 5, 9)]


# What `torch.nn.functional.interpolate` makes of a line of 5 pixels: 0, 255, 10, 100, 50.
GOLDEN_LINES = [
    ({}, [0, 111.5625, 239.6875, 86.5625, 38.125, 94.375, 71.875, 50]),
    (
        {"sampling": "aligned_corners"},
        [0, 145.7143, 220, 80, 35.7143, 87.1429, 78.5714, 50],
    ),
    ({"antialias": True}, [109.2857, 84.4444, 71.4286]),
    ({"antialias": True, "kernel": "bicubic"}, [110.6923, 91.4651, 66]),
    (
        {"antialias": True, "kernel": "bicubic"},
        [-18.3487, 113.0078, 252.807, 78.6066, 18.0841, 97.6068, 74.271, 46.4022],
    ),
]


def random_images(height, width, batch=2):
    """Bytes; those of the second image are black or white, at which kernels overshoot."""
    images = np.random.RandomState(height + width).randint(0, 256, (batch, height, width, 3))
    images[1:] = 255 * (images[1:] > 127)
    return images.astype("uint8")


def pil_float(images, size, resample):
    """PIL's resize of each channel as an image of floats."""

    def channel(pixels):
        return np.asarray(Image.fromarray(pixels.astype("float32")).resize((size, size), resample))

    return np.stack(
        [np.stack([channel(c) for c in image.T], -1).swapaxes(0, 1) for image in images]
    )


def pil_bytes(images, size):
    return np.stack(
        [
            np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
            for image in images
        ]
    )


@pytest.mark.parametrize(
    ("sampling", "rows"),
    [
        ("aligned_corners", [[1, 0], [2 / 3, 1 / 3], [1 / 3, 2 / 3], [0, 1]]),
        ("half_pixel", [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]),
        ("legacy_tensorflow", [[1, 0], [0.5, 0.5], [0, 1], [0, 1]]),
    ],
)
def test_two_pixels_become_four(sampling, rows):
    np.testing.assert_allclose(interpolation_matrix(2, 4, sampling), rows, atol=1e-7)


def test_a_cubic_half_way_between_pixels():
    matrix = interpolation_matrix(4, 5, antialias=True, kernel="bicubic")
    np.testing.assert_allclose(matrix[2], np.array([-1, 9, 9, -1]) / 16, atol=1e-7)
    shrunk = interpolation_matrix(6, 3, antialias=True, kernel="bicubic")[1]
    # Twice as wide: Keys' cubic at 1/4, 3/4 and 5/4.
    half = np.array([-9, 29, 111]) / 262
    np.testing.assert_allclose(shrunk, [*half, *half[::-1]], atol=1e-7)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [8, 13, 40])
def test_half_pixel_resizing_equals_tensorflow(size, antialias):
    images = np.random.RandomState(0).uniform(-1, 1, (3, 20, 15, 3)).astype("float32")
    expected = tf.image.resize(images, (size, size), antialias=antialias)
    np.testing.assert_allclose(resize(images, size, antialias=antialias), expected, atol=1e-5)


@pytest.mark.parametrize("size", [8, 13, 40])
def test_legacy_resizing_equals_tensorflow_1(size):
    images = np.random.RandomState(0).uniform(-1, 1, (3, 20, 15, 3)).astype("float32")
    expected = tf.compat.v1.image.resize_bilinear(images, (size, size))
    np.testing.assert_allclose(resize(images, size, "legacy_tensorflow"), expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_antialiased_kernels_equal_pil_on_floats(height, width, size):
    images = random_images(height, width)
    for kernel in ("bilinear", "bicubic"):
        expected = pil_float(images, size, Image.Resampling[kernel.upper()])
        actual = resize(images, size, antialias=True, kernel=kernel)
        np.testing.assert_allclose(actual, expected, atol=2e-4, err_msg=kernel)  # of 255


@pytest.mark.parametrize(("height", "width", "size"), [*SIZES, (299, 200, 299), (200, 299, 299)])
def test_bytes_equal_pil_exactly(height, width, size):
    images = random_images(height, width)
    np.testing.assert_array_equal(resize_bytes(images, size), pil_bytes(images, size))


def test_bytes_equal_pil_from_sixteen_times_the_size():
    images = random_images(480, 480, batch=1)
    np.testing.assert_array_equal(resize_bytes(images, 30), pil_bytes(images, 30))


def test_bytes_of_one_level_keep_it():
    images = np.full((1, 100, 37, 3), 255, "uint8")
    np.testing.assert_array_equal(resize_bytes(images, 64), np.full((1, 64, 64, 3), 255))


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_resizing_equals_pytorch(height, width, size):
    torch = pytest.importorskip("torch")
    images = random_images(height, width)
    tensor = torch.from_numpy(images.astype("float32")).permute(0, 3, 1, 2)
    for options, theirs in (
        ({}, {"mode": "bilinear"}),
        ({"sampling": "aligned_corners"}, {"mode": "bilinear", "align_corners": True}),
        ({"antialias": True}, {"mode": "bilinear", "antialias": True}),
        ({"antialias": True, "kernel": "bicubic"}, {"mode": "bicubic", "antialias": True}),
    ):
        expected = torch.nn.functional.interpolate(tensor, size=(size, size), **theirs)
        expected = expected.permute(0, 2, 3, 1).numpy()
        # PyTorch computes positions in float32: a hundredth of a level off at full contrast.
        np.testing.assert_allclose(resize(images, size, **options), expected, atol=0.01)


def test_numbers_of_pytorch():
    line = np.array([0, 255, 10, 100, 50], "float32")
    images = np.broadcast_to(line[None, :, None, None], (1, 5, 5, 1))
    for options, expected in GOLDEN_LINES:
        actual = np.asarray(resize(images, len(expected), **options))[0, :, 0, 0]
        np.testing.assert_allclose(actual, expected, atol=1e-3)


@pytest.mark.parametrize("options", [{}, {"antialias": True, "kernel": "bicubic"}])
def test_images_of_that_size_stay_as_they_are(options):
    images = random_images(29, 29)
    np.testing.assert_array_equal(resize(images, 29, **options), images)
    np.testing.assert_array_equal(resize_bytes(images, 29), images)


def test_aligned_corners_keep_the_corners_of_a_gradient():
    ramp = np.linspace(-1, 1, 7, dtype="float32")
    images = np.broadcast_to(ramp[None, :, None, None], (1, 7, 7, 3))
    resized = np.asarray(resize(images, 19, "aligned_corners"))
    np.testing.assert_allclose(resized[0, :, 4, 1], np.linspace(-1, 1, 19), atol=1e-6)


def test_shrinking_passes_the_gradient_to_every_pixel_alike():
    images = tf.constant(random_images(64, 64).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(resize(images, 32, antialias=True))
    gradient = tape.gradient(total, images).numpy()
    np.testing.assert_allclose(gradient[:, 4:-4, 4:-4], 0.25, atol=1e-6)


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="aligned_corners.*'nearest'"):
        interpolation_matrix(2, 4, "nearest")
    with pytest.raises(ValueError, match="antialias"):
        interpolation_matrix(4, 2, "aligned_corners", antialias=True)
    with pytest.raises(ValueError, match="bilinear.*bicubic.*'lanczos'"):
        interpolation_matrix(4, 2, kernel="lanczos")
    with pytest.raises(ValueError, match="antialias=True"):
        interpolation_matrix(4, 2, kernel="bicubic")
