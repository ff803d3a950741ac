"""Decodes a picture's file, of any supported format: upright, on white, 8 bits per channel.

Preparation and evaluation both use it, so that they see the same pixels.
"""

import io
import pathlib
import re
import warnings

from PIL import Image, UnidentifiedImageError

try:
    from PIL.AvifImagePlugin import SUPPORTED as AVIF_IS_READ
except ImportError:  # Pillow before 11.3
    AVIF_IS_READ = False

# Warnings of bad values in EXIF and TIFF tags, none of which is used, with a local path.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Other formats of Pillow run a program on the file (EPS), or are not pictures.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP", *(("AVIF",) if AVIF_IS_READ else ()))

_MOST_BYTES = 2**29  # of a file; the most pixels accepted, uncompressed, need less
_EXIF_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPING = (5, 6, 7, 8)  # those that swap width and height

_CONVERT = "convert it to JPEG or PNG"
_ISO_MEDIA = re.compile(rb".{4}ftyp(.{4})", re.DOTALL)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MOST_BRAND_BYTES = 256
_BEGINNINGS = {
    rb"\xff\x0a|\0\0\0\x0cJXL ": f"JPEG XL, which is not read: {_CONVERT}",
    rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51": f"JPEG 2000, which is not read: {_CONVERT}",
    rb"8BPS": f"a Photoshop file, which is not read: {_CONVERT}",
    rb"%PDF": f"a PDF, which is not read: {_CONVERT}",
    rb"\s*(<\?xml[^>]*>\s*)?<svg": f"an SVG drawing, which is not read: {_CONVERT}",
    rb"(?i:\s*<(!doctype html|html))": "a web page: get the picture again",
    rb"version https://git-lfs": "a Git LFS pointer, not the file itself: run `git lfs pull`",
}

# The segments of a JPEG between its first two bytes and its pixels: a marker, a length, content.
_JPEG_START = b"\xff\xd8"
_PART = re.compile(rb"\xff[^\xda]..", re.DOTALL)  # not the pixels' own beginning
_METADATA = {*range(0xE1, 0xEE), 0xFE}  # EXIF, colour profile and comments; not part of the pixels
_EXIF = b"Exif\0\0"


class UnsupportedFormatError(ValueError):
    """A file has a format not in `FORMATS`; the message names it, and what to do."""


def open_picture(source: bytes | pathlib.Path) -> Image.Image:
    """Opens a picture by its header; `load`, and what needs the pixels, decodes it.

    Args:
        source: The bytes of a file, or its path.

    Raises:
        UnsupportedFormatError: If its format is recognised, but not supported.
        Exception: Any exception of Pillow's readers for a broken file.
    """
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, "r", FORMATS)
    except UnidentifiedImageError as error:
        content = source if isinstance(source, bytes) else _beginning(source)
        plain, exif = _without_metadata(content)
        try:
            picture = Image.open(io.BytesIO(plain), "r", FORMATS)
        except UnidentifiedImageError:
            raise _no_picture(content) from error
        if exif:
            picture.info["exif"] = exif
        return picture


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Returns (width, height) of a picture after its EXIF rotation."""
    width, height = picture.size
    return (height, width) if _orientation(picture) in _SWAPPING else (width, height)


def is_upright(picture: Image.Image) -> bool:
    """Returns whether a picture can be used as stored."""
    return _orientation(picture) not in _TURNS


def upright_rgb(picture: Image.Image) -> Image.Image:
    """Returns a picture of 8 bits per channel in RGB, after its EXIF rotation, on white.

    Pillow's `exif_transpose` also writes the block's other tags, and fails on a bad one.
    """
    picture.load()  # which may find the block of a PNG
    turn = _TURNS.get(_orientation(picture))
    if turn is not None:
        picture = picture.transpose(turn)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def has_more_than_8_bits(picture: Image.Image) -> bool:
    """Returns whether a conversion to RGB would clip the values of a picture at 255."""
    return picture.mode.startswith(("I", "F"))


def _beginning(path):
    with open(path, "rb") as file:
        return file.read(_MOST_BYTES)


def _orientation(picture):
    if picture.format == "TIFF":
        return None  # which Pillow rotates itself
    try:
        # Not PngImageFile's own, which decodes the picture to find a block after its pixels.
        return Image.Image.getexif(picture).get(_EXIF_ORIENTATION)
    except Exception:  # Pillow raises many exception types, from SyntaxError to struct.error
        return None


def _without_metadata(content):
    """A JPEG without its metadata, and its EXIF block; other files unchanged.

    Pillow rejects a JPEG with truncated metadata.
    """
    if not content.startswith(_JPEG_START):
        return content, None
    kept, exif, position = [_JPEG_START], None, len(_JPEG_START)
    while _PART.match(content, position):
        length = 2 + int.from_bytes(content[position + 2 : position + 4])
        part = content[position : position + length]
        if part[1] not in _METADATA:
            kept.append(part)
        elif part[4:].startswith(_EXIF):
            exif = part[4:]
        position += length
    return b"".join([*kept, content[position:]]), exif


def _no_picture(content):
    """The exception that names a file's format, found from its first bytes."""
    media = _ISO_MEDIA.match(content)
    if media:
        brands = content[8 : min(int.from_bytes(content[:4]), _MOST_BRAND_BYTES)]
        if b"avif" in brands or b"avis" in brands:
            if AVIF_IS_READ:
                return ValueError("a broken AVIF")
            return UnsupportedFormatError(f"AVIF, which needs Pillow 11.3 or newer: {_CONVERT}")
        if any(brand in brands for brand in _HEIC_BRANDS):
            return UnsupportedFormatError(f"HEIC, which is not read: {_CONVERT}")
        return UnsupportedFormatError(f"a video, of brand {media[1]!r}: extract its frames")
    for beginning, name in _BEGINNINGS.items():
        if re.match(beginning, content[:1024], re.DOTALL):
            return UnsupportedFormatError(name)
    return ValueError(f"no picture; it begins with {content[:8]!r}" if content else "an empty file")
