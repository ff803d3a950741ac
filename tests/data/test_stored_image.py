import contextlib
import io
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.data import records, stored_image
from dmgan_tf.data.picture_file import AVIF_IS_READ
from dmgan_tf.data.sources import source
from dmgan_tf.data.sources.source import CaptionedImage, Unusable
from dmgan_tf.errors import InputError


def encode_image(path, image_size, small_images="error", box=None):
    """The stored JPEG of a file, or the `Unusable` that says why there is none."""
    image = CaptionedImage(path, path.name, (), None, box)
    try:
        return stored_image.encode_image(image, image_size, small_images)
    except Unusable as error:
        return error


def picture(width, height, mode="RGB"):
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows % 256, columns % 256, (rows + columns) % 256], -1).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def decoded(jpeg):
    return tf.io.decode_jpeg(jpeg, channels=3).numpy()


def test_large_image_is_scaled_to_the_stored_size(tmp_path):
    picture(200, 120).save(tmp_path / "a.png")
    jpeg = encode_image(tmp_path / "a.png", 64)
    assert decoded(jpeg).shape == (76, 127, 3)
    expected = picture(200, 120).resize((127, 76), Image.Resampling.BILINEAR)
    assert np.abs(decoded(jpeg) - np.asarray(expected, np.float32)).mean() < 2
    with Image.open(io.BytesIO(jpeg)) as stored:
        assert stored.layer[0][1:3] == stored.layer[1][1:3] == (1, 1)  # 4:4:4


def test_jpeg_of_fitting_size_is_kept_byte_for_byte(tmp_path):
    for name, mode in (("a.jpg", "RGB"), ("b.jpg", "L")):
        picture(70, 64, mode).save(tmp_path / name, quality=60)
        assert encode_image(tmp_path / name, 64) == (tmp_path / name).read_bytes()


def test_orientation_is_applied(tmp_path):
    image = picture(76, 64)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    result = decoded(encode_image(tmp_path / "a.jpg", 64))
    assert result.shape == (76, 64, 3)
    expected = np.asarray(image.transpose(Image.Transpose.ROTATE_270), np.float32)
    assert np.abs(result - expected).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(tmp_path, mode):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0)).convert(mode)
    image.save(tmp_path / "a.png", **({"transparency": 0} if mode == "P" else {}))
    assert decoded(encode_image(tmp_path / "a.png", 64)).min() > 250


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P"])
def test_other_modes_are_converted(tmp_path, mode):
    picture(64, 64, mode).save(tmp_path / "a.tif")
    result = decoded(encode_image(tmp_path / "a.tif", 64))
    expected = np.asarray(picture(64, 64, mode).convert("RGB"), np.float32)
    assert np.abs(result - expected).mean() < 12


def test_more_than_eight_bits_are_refused_rather_than_clipped(tmp_path):
    Image.fromarray(np.full((64, 64), 30_000, np.uint16)).save(tmp_path / "a.png")
    assert encode_image(tmp_path / "a.png", 64).reason == "unsupported pixels"


def test_small_image(tmp_path):
    picture(80, 50).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="80x50.*--image_size=50 or less") as caught:
        encode_image(tmp_path / "a.png", 64)
    assert "a.png" in str(caught.value)
    skipped = encode_image(tmp_path / "a.png", 64, "skip")
    assert (skipped.reason, skipped.detail) == ("small image", "80x50 pixels")
    assert decoded(encode_image(tmp_path / "a.png", 64, "upscale")).shape == (64, 102, 3)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif"])
def test_truncated_image(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    picture(70, 70).save(path)
    content = path.read_bytes()
    for length in (len(content) // 2, 10, 0):
        path.write_bytes(content[:length])
        assert encode_image(path, 64).reason == "broken image"


def test_missing_image_and_text_instead_of_an_image(tmp_path):
    assert encode_image(tmp_path / "none.jpg", 64).reason == "missing image"
    (tmp_path / "a.jpg").write_text("not found")
    assert encode_image(tmp_path / "a.jpg", 64).reason == "broken image"


@pytest.mark.parametrize("limit", [1000, 3000])  # twice as large is an error of Pillow's own
def test_decompression_bomb_is_not_decoded(tmp_path, monkeypatch, limit):
    picture(64, 64).save(tmp_path / "a.png")
    monkeypatch.setattr(records, "MAX_PIXELS", limit)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with (
        pytest.warns(Image.DecompressionBombWarning) if limit == 3000 else contextlib.nullcontext()
    ):
        assert encode_image(tmp_path / "a.png", 64).reason == "too many pixels"


@pytest.mark.parametrize(
    "box, crop",
    [
        ((20, 14, 30, 20), (13, 2, 57, 46)),  # the middle is (35, 24), half the side 22
        ((21, 15, 29, 21), (14, 4, 56, 46)),  # (35.5, 25.5) and 21.75 are rounded down
        ((2, 3, 77, 55), (0, 0, 80, 60)),  # as far as the image goes
        ((60, 40, 19, 19), (55, 35, 80, 60)),
        ((-2, 0, 84, 62), (0, 0, 80, 60)),  # drawn a little too wide
        ((0, 0, 2, 2), (0, 0, 2, 2)),
    ],
)
def test_image_is_cropped_around_its_box(tmp_path, box, crop):
    picture(80, 60).save(tmp_path / "a.png")
    expected = picture(80, 60).crop(crop)
    size = tuple(round(side * 16 / min(expected.size)) for side in expected.size)
    if min(expected.size) > 16:
        size = tuple(round(side * 19 / min(expected.size)) for side in expected.size)
    expected = expected.resize(size, Image.Resampling.BILINEAR)
    result = decoded(encode_image(tmp_path / "a.png", 16, "upscale", box))
    assert result.shape[:2] == size[::-1]
    assert np.abs(result - np.asarray(expected, np.float32)).mean() < 2


def test_a_jpeg_that_is_cropped_is_not_kept_but_one_that_is_not_is(tmp_path):
    picture(76, 76).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    assert encode_image(tmp_path / "a.jpg", 64, "error", (10, 10, 60, 60)) == content
    cropped = encode_image(tmp_path / "a.jpg", 32, "error", (20, 20, 24, 24))
    assert cropped != content and decoded(cropped).shape == (36, 36, 3)


def test_the_crop_and_not_the_image_may_be_too_small(tmp_path):
    picture(80, 60).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="40 pixels or more. Received: .*a.png of 30x30"):
        encode_image(tmp_path / "a.png", 40, "error", (20, 20, 20, 20))


@pytest.mark.parametrize(
    "box",
    [
        (80, 10, 20, 20),
        (10, 60, 20, 20),
        (60, 10, 30, 20),
        (10, -30, 20, 40),
        (10, 10, 0, 20),
        (10, 10, 20, -5),
        (10, 10, 1, 1),  # nothing is left of it
        (-2, 10, 1, 2),
    ],
)
def test_a_box_outside_of_its_image_is_named(tmp_path, box):
    picture(80, 60).save(tmp_path / "a.png")
    sides = "left {}, top {}, width {}, height {}".format(*box)
    with pytest.raises(InputError, match=f"a.png of 80x60 pixels. Received: {sides}") as caught:
        encode_image(tmp_path / "a.png", 16, "upscale", box)
    assert "\n" not in str(caught.value) and str(caught.value).endswith("with --overwrite.")


@pytest.mark.parametrize("size", [(9, 60_000), (60_000, 1)])
def test_an_image_too_long_for_a_jpeg_of_its_width(tmp_path, size):
    Image.new("L", size).save(tmp_path / "a.png")
    assert encode_image(tmp_path / "a.png", 64, "upscale").reason == "too long and narrow"


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for path in (tmp_path / "a.png", tmp_path):
        assert encode_image(path, 64).detail == "not a file"


def test_a_file_too_large_for_an_image_is_not_read(tmp_path, monkeypatch):
    picture(64, 64).save(tmp_path / "a.png")
    monkeypatch.setattr(source, "_MOST_BYTES", 100)
    assert encode_image(tmp_path / "a.png", 64).reason == "too large a file"


def test_no_program_is_run_on_an_image(tmp_path, monkeypatch):
    picture(64, 64).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("Ghostscript was asked"))
    assert encode_image(tmp_path / "a.jpg", 64).reason == "broken image"


def test_images_of_many_pixels_are_read_one_by_one(tmp_path, monkeypatch):
    picture(64, 64).save(tmp_path / "a.png")
    monkeypatch.setattr(stored_image, "_MANY_PIXELS", 64 * 64 - 1)
    held, load = [], Image.Image.load

    def noting(self):
        held.append(stored_image._one_large_image.locked())
        return load(self)

    monkeypatch.setattr(Image.Image, "load", noting)
    assert isinstance(encode_image(tmp_path / "a.png", 64), bytes)
    assert held and held[0] and not stored_image._one_large_image.locked()


def test_a_format_that_is_not_read_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    result = encode_image(tmp_path / "a.jpg", 64)
    assert result.reason == "unsupported format"
    assert result.detail == "HEIC, which is not read: convert it to JPEG or PNG"


@pytest.mark.skipif(not AVIF_IS_READ, reason="this Pillow does not read AVIF")
def test_avif_under_another_name(tmp_path):
    picture(70, 70).save(tmp_path / "a.jpg", "AVIF", quality=95)
    result = decoded(encode_image(tmp_path / "a.jpg", 64))
    assert np.abs(result - np.asarray(picture(70, 70), np.float32)).mean() < 8


def test_a_bad_exif_block_turns_the_image_all_the_same(tmp_path):
    image = picture(64, 76)
    block = (
        b"Exif\0\0II*\0\x08\0\0\0\2\0\x12\1\3\0\1\0\0\0\6\0\0\0\x0f\1\3\0\1\0\0\0\7\0\0\0\0\0\0\0"
    )
    image.save(tmp_path / "a.jpg", exif=block, quality=95)
    result = encode_image(tmp_path / "a.jpg", 64)
    assert decoded(result).shape == (64, 76, 3) and b"Exif" not in result
