"""Pictures of every format that is read, upright whatever their EXIF block says."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dmgan_tf.data import picture_file
from dmgan_tf.data.picture_file import (
    UnsupportedFormatError,
    is_upright,
    open_picture,
    upright_rgb,
    upright_size,
)

TURNED = 6  # by 90 degrees clockwise to be upright


def drawing(width=24, height=16):
    """Red above left, green elsewhere."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 1] = 200
    pixels[: height // 2, : width // 2] = (200, 0, 0)
    return Image.fromarray(pixels)


def jpeg(*parts):
    """A JPEG with further parts: (marker, content) each."""
    buffer = io.BytesIO()
    drawing().save(buffer, "JPEG", quality=95)
    content = buffer.getvalue()
    inserted = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", len(part) + 2) + part for marker, part in parts
    )
    return content[:2] + inserted + content[2:]


def exif(*entries, order="<", orientation=TURNED, behind=b""):
    """An EXIF block of (tag, type, count, value of 4 bytes) each."""
    value = struct.pack(order + "HH", orientation, 0)
    entries = [(0x0112, 3, 1, value), *entries]
    rows = b"".join(struct.pack(order + "HHI", *entry[:3]) + entry[3] for entry in entries)
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return b"Exif\0\0" + head + struct.pack(order + "H", len(entries)) + rows + bytes(4) + behind


BAD_BLOCKS = {
    "a number too large": exif((0x011A, 10, 1, struct.pack("<I", 38)), behind=b"\xff" * 8),
    "a text that is a number": exif((0x010F, 3, 1, b"\7\0\0\0")),
    "a pointer to nowhere": exif((0x8769, 4, 1, struct.pack("<I", 9999))),
    "a type that is none": exif((0x010F, 99, 1, b"abcd")),
    "half a block": exif((0x010F, 2, 2000, struct.pack("<I", 38)))[:-10],
}


def is_turned(picture):
    """Whether red is above right, as it is after a turn clockwise."""
    pixels = np.asarray(picture).astype(int)
    assert pixels.shape[2] == 3
    height, width = pixels.shape[:2]
    return pixels[height // 4, 3 * width // 4, 0] > 150 and pixels[height // 4, width // 4, 0] < 50


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_a_bad_exif_block_still_turns_the_picture(name):
    picture = open_picture(jpeg((0xE1, BAD_BLOCKS[name])))
    assert upright_size(picture) == (16, 24) and not is_upright(picture)
    result = upright_rgb(picture)
    assert result.size == (16, 24) and is_turned(result)


@pytest.mark.parametrize("block", [b"Exif\0\0", b"Exif\0\0MM", b"Exif\0\0\1\2rubbish"])
def test_a_block_that_is_none_leaves_the_picture_as_it_is(block):
    result = upright_rgb(open_picture(jpeg((0xE1, block))))
    assert result.size == (24, 16) and not is_turned(result)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_pillows(orientation):
    content = jpeg((0xE1, exif(orientation=orientation)))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    picture = open_picture(content)
    assert upright_size(picture) == expected.size
    np.testing.assert_array_equal(np.asarray(upright_rgb(picture)), np.asarray(expected))


def test_the_exif_block_counts_where_other_metadata_are_cut_off():
    content = jpeg((0xE2, b"ICC_PROFILE\0"), (0xE1, exif()))
    with pytest.raises(OSError):  # what it is about
        Image.open(io.BytesIO(content))
    assert is_turned(upright_rgb(open_picture(content)))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=100, deadline=None)
@given(
    entries=st.lists(
        st.tuples(
            st.sampled_from([0x0100, 0x010F, 0x011A, 0x0128, 0x8769, 0x8825, 0x927C, 0xA005]),
            st.integers(0, 16),
            st.sampled_from([0, 1, 2, 5, 2**16, 2**31]),
            st.binary(min_size=4, max_size=4),
        ),
        max_size=4,
    ),
    order=st.sampled_from("<>"),
    behind=st.binary(max_size=40),
)
def test_no_tag_makes_a_photograph_unreadable(entries, order, behind):
    block = exif(*entries, order=order, behind=behind)
    assert is_turned(upright_rgb(open_picture(jpeg((0xE1, block)))))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_other_formats_are_turned_too(kind):
    if kind not in picture_file.FORMATS:
        pytest.skip("this Pillow does not read it")
    buffer, tags = io.BytesIO(), Image.Exif()
    tags[0x0112] = TURNED
    options = {} if kind in ("PNG", "TIFF") else {"quality": 95}
    drawing().save(buffer, kind, exif=tags, **options)
    picture = open_picture(buffer.getvalue())
    assert upright_size(picture) == (16, 24)
    assert is_turned(upright_rgb(open_picture(buffer.getvalue())))


def media(brand, *others):
    """The beginning of a file of ISO media."""
    content = b"ftyp" + brand + bytes(4) + b"".join(others)
    return struct.pack(">I", len(content) + 4) + content + bytes(100)


@pytest.mark.parametrize(
    "content, name",
    [
        (media(b"heic", b"mif1"), "HEIC.* convert it to JPEG or PNG"),
        (media(b"mif1", b"heic"), "HEIC"),
        (media(b"mp42"), "a video"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.4", "PDF"),
        (b'<?xml version="1.0"?>\n<svg xmlns=""/>', "SVG"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    ],
)
def test_what_is_not_read_is_named(content, name):
    with pytest.raises(UnsupportedFormatError, match=name):
        open_picture(content)


@pytest.mark.parametrize(
    "content, name",
    [
        (b"", "an empty file"),
        (b"not a picture", "no picture; it begins with b'not a pi'"),
        (b"\xff\xd8\xff", "no picture"),
        (b"\xff\xd8\xff\xe1\0\0" + bytes(20), "no picture"),
    ],
)
def test_what_is_no_picture_is_told_without_an_address(content, name, tmp_path):
    (tmp_path / "a.jpg").write_bytes(content)
    for source in (content, tmp_path / "a.jpg"):
        with pytest.raises(ValueError, match=name) as caught:
            open_picture(source)
        assert "0x" not in str(caught.value) and "object" not in str(caught.value)


def test_avif_without_a_pillow_that_reads_it(monkeypatch):
    monkeypatch.setattr(picture_file, "AVIF_IS_READ", False)
    monkeypatch.setattr(picture_file, "FORMATS", ("JPEG", "PNG"))
    with pytest.raises(UnsupportedFormatError, match="AVIF, which needs Pillow 11.3 or newer"):
        open_picture(media(b"avif", b"mif1"))


def test_a_broken_avif():
    if not picture_file.AVIF_IS_READ:
        pytest.skip("this Pillow does not read it")
    with pytest.raises(ValueError, match="."):
        open_picture(media(b"avif", b"mif1"))
