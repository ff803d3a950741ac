"""An image file to the JPEG bytes that a record holds."""

import contextlib
import dataclasses
import io
import pathlib
import stat
import threading

import tensorflow as tf
from PIL import Image, ImageOps

from dmgan_tf.data import records
from dmgan_tf.errors import InputError

_JPEG_QUALITY = 95
_UPRIGHT = 1
_EXIF_ORIENTATION = 0x0112
_CROP_MARGIN = 0.75  # half the side of a crop, by the longer side of its bounding box
# Others that Pillow knows run a program on the file (EPS), or are no pictures.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_MOST_BYTES = 2**29  # of a file; as many pixels as are taken, uncompressed, have less
_MANY_PIXELS = 2**24  # images of more, up to 2 GB while they are converted, are read one by one
_LONGEST_SIDE = 65_500  # that JPEG can store
_BOX_TOLERANCE = 0.05  # of the image's side: boxes drawn by hand stick out a little

_one_large_image = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Unusable:
    """Why an image cannot be stored.

    Args:
        reason: One of a few words, to count by.
        detail: What exactly is wrong.
    """

    reason: str
    detail: str


def encode_image(
    path: pathlib.Path,
    image_size: int,
    small_images: str = "error",
    box: tuple[int, int, int, int] | None = None,
) -> bytes | Unusable:
    """Reads an image, whole, and returns it as JPEG of the size to store.

    Larger images are scaled down to a shorter side of 76/64 of `image_size`, by antialiased
    bilinear filtering. A JPEG that needs no change is kept byte for byte. Transparency becomes
    white, and a camera's orientation is applied.

    Args:
        path: The image file.
        image_size: The size, in pixels, that crops of it are to have.
        small_images: What becomes of an image whose shorter side is below `image_size`: `error`,
            `skip`, or `upscale` (to `image_size`, bilinearly).
        box: Left, top, width and height, in pixels, of what to crop the image around, as the
            authors' release does: a square of 1.5 times the longer side about the middle, as far
            as the image goes. None to keep all of it.

    Returns:
        JPEG bytes, or why there are none.

    Raises:
        InputError: If the image is too small and `small_images` is `error`, or if the box lies
            outside of the image.
    """
    content = _read_file(path)
    if isinstance(content, Unusable):
        return content
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        width, height = image.size
        if width * height > records.MAX_PIXELS:
            raise Image.DecompressionBombError(f"{width}x{height} pixels")
        crop = (0, 0, width, height) if box is None else _crop_around(box, image.size, path)
        size = (crop[2] - crop[0], crop[3] - crop[1])
        if min(size) < image_size and small_images != "upscale":
            return _small_image(path, size, image_size, small_images)
        if not _can_be_stored(size, image_size):
            return Unusable("too long and narrow", f"{size[0]}x{size[1]} pixels")
        large = width * height > _MANY_PIXELS
        with _one_large_image if large else contextlib.nullcontext():
            return _stored(image, content, crop, image_size)
    except Image.DecompressionBombError as error:
        return Unusable("too many pixels", str(error))
    except InputError:
        raise
    except Exception as error:  # Decoders raise anything, from zlib.error to struct.error.
        return Unusable("broken image", str(error).partition("\n")[0] or type(error).__name__)


def _read_file(path: pathlib.Path) -> bytes | Unusable:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # of a pipe, one would wait for ever
            return Unusable("broken image", "not a file")
        if status.st_size > _MOST_BYTES:
            return Unusable("too large a file", f"{status.st_size} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        return Unusable("missing image", "no such file")
    except OSError as error:
        return Unusable("broken image", str(error))


def _stored(image: Image.Image, content: bytes, crop, image_size: int) -> bytes | Unusable:
    """Decodes an image and returns its JPEG."""
    size = (crop[2] - crop[0], crop[3] - crop[1])
    image.load()
    fits = image_size <= min(size) <= records.stored_size(image_size)
    if fits and size == image.size and _is_plain_jpeg(image):
        # TensorFlow reads it in training, so it is TensorFlow that must be able to.
        tf.io.decode_jpeg(content, channels=3)
        return content
    image = _upright_rgb(image if size == image.size else image.crop(crop))
    return image if isinstance(image, Unusable) else _to_jpeg(_resized(image, image_size))


def _crop_around(box, size, path: pathlib.Path) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom; in whole numbers as the release rounds them."""
    left, top, width, height = box
    tolerance = max(_BOX_TOLERANCE * max(size), 2)
    half = int(max(width, height) * _CROP_MARGIN)
    middle_x, middle_y = int((2 * left + width) / 2), int((2 * top + height) / 2)
    right, bottom = min(size[0], middle_x + half), min(size[1], middle_y + half)
    crop = (max(0, middle_x - half), max(0, middle_y - half), right, bottom)
    if (
        min(width, height) < 1
        or right <= crop[0]
        or bottom <= crop[1]
        or min(left, top) < -tolerance
        or left + width > size[0] + tolerance
        or top + height > size[1] + tolerance
    ):
        raise InputError(
            f"Expected a bounding box inside of the image {path} of {size[0]}x{size[1]} pixels. "
            f"Received: left {left}, top {top}, width {width}, height {height}. Take images and "
            "bounding boxes from one archive, and begin anew with --overwrite."
        )
    return crop


def _small_image(path, size, image_size, small_images) -> Unusable:
    width, height = size
    if small_images == "skip":
        return Unusable("small image", f"{width}x{height} pixels")
    raise InputError(
        f"Expected images of {image_size} pixels or more. Received: {path} of {width}x{height}. "
        f"Choose --image_size={min(size)} or less, or --small_images=skip or upscale."
    )


def _is_plain_jpeg(image: Image.Image) -> bool:
    return image.format == "JPEG" and image.mode in ("RGB", "L") and _is_upright(image)


def _is_upright(image: Image.Image) -> bool:
    return image.getexif().get(_EXIF_ORIENTATION, _UPRIGHT) == _UPRIGHT


def _upright_rgb(image: Image.Image) -> Image.Image | Unusable:
    if not _is_upright(image):
        image = ImageOps.exif_transpose(image)  # which copies even those that are
    if image.mode.startswith(("I", "F")):
        return Unusable("unsupported pixels", f"more than 8 bits a channel (mode {image.mode})")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _target(shorter: int, image_size: int) -> int:
    """Returns the shorter side of what is stored."""
    return min(max(shorter, image_size), records.stored_size(image_size))


def _can_be_stored(size: tuple[int, int], image_size: int) -> bool:
    target = _target(min(size), image_size)
    longer = max(size) * target / min(size)
    return longer <= _LONGEST_SIDE and longer * target <= records.MAX_PIXELS


def _resized(image: Image.Image, image_size: int) -> Image.Image:
    shorter = min(image.size)
    target = _target(shorter, image_size)
    if target == shorter:
        return image
    width, height = (round(side * target / shorter) for side in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _to_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
