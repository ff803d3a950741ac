import contextlib
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.data.stored_image import Unusable, encode_image
from dmgan_tf.errors import InputError


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
    assert encode_image(tmp_path / "a.png", 64, "skip") == Unusable("small image", "80x50 pixels")
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
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with (
        pytest.warns(Image.DecompressionBombWarning) if limit == 3000 else contextlib.nullcontext()
    ):
        assert encode_image(tmp_path / "a.png", 64).reason == "too many pixels"
