"""Converts an image of a source to the JPEG bytes of a record."""

import contextlib
import io
import threading

import tensorflow as tf
from PIL import Image

from dmgan_tf.data import records
from dmgan_tf.data.image_sizes import stored_size
from dmgan_tf.data.picture_file import (
    UnsupportedFormatError,
    has_more_than_8_bits,
    is_upright,
    open_picture,
    upright_rgb,
)
from dmgan_tf.data.sources.source import CaptionedImage, Unusable
from dmgan_tf.errors import InputError, first_line

_JPEG_QUALITY = 95
_CROP_MARGIN = 0.75  # half the side of a crop, by the longer side of its bounding box
_MANY_PIXELS = 2**24  # images of more, up to 2 GB while they are converted, are read one by one
_LONGEST_SIDE = 65_500  # that JPEG can store
_BOX_TOLERANCE = 0.05  # of the image's side: boxes drawn by hand extend a little beyond it

_one_large_image = threading.Lock()


def encode_image(image: CaptionedImage, image_size: int, small_images: str = "error") -> bytes:
    """Reads an image completely, and returns it as JPEG of the size to store.

    Larger images are scaled down to a shorter side of 76/64 of `image_size`, by antialiased
    bilinear filtering. A JPEG that needs no change is kept byte for byte. Transparency becomes
    white, and a camera's orientation is applied. Around the image's box, if it has one, it is
    cropped as by the authors' release: to a square of 1.5 times the longer side about the middle,
    as far as the image goes.

    Args:
        image: The image.
        image_size: The size of its crops, in pixels.
        small_images: How to treat an image whose shorter side is below `image_size`: `error`,
            `skip`, or `upscale` (to `image_size`, bilinearly).

    Raises:
        Unusable: If it cannot be stored.
        InputError: If the image is too small and `small_images` is `error`, or if the box lies
            outside the image.
    """
    content = image.read()
    try:
        picture = open_picture(content)
        width, height = picture.size
        if width * height > records.MAX_PIXELS:
            raise Image.DecompressionBombError(f"{width}x{height} pixels")
        crop = (0, 0, width, height)
        if image.box is not None:
            crop = _crop_around(image.box, picture.size, image)
        size = (crop[2] - crop[0], crop[3] - crop[1])
        if min(size) < image_size and small_images != "upscale":
            raise _small_image(image, size, image_size, small_images)
        if not _can_be_stored(size, image_size):
            raise Unusable("too long and narrow", f"{size[0]}x{size[1]} pixels")
        large = width * height > _MANY_PIXELS
        with _one_large_image if large else contextlib.nullcontext():
            return _stored(picture, content, crop, image_size)
    except Image.DecompressionBombError as error:
        raise Unusable("too many pixels", str(error)) from error
    except (InputError, Unusable):
        raise
    except UnsupportedFormatError as error:
        raise Unusable("unsupported format", str(error)) from error
    except Exception as error:  # Decoders raise any exception, from zlib.error to struct.error.
        raise Unusable("broken image", first_line(error)) from error


def _stored(image: Image.Image, content: bytes, crop, image_size: int) -> bytes:
    """Decodes an image and returns its JPEG."""
    size = (crop[2] - crop[0], crop[3] - crop[1])
    image.load()
    fits = image_size <= min(size) <= stored_size(image_size)
    if fits and size == image.size and _is_plain_jpeg(image):
        # TensorFlow reads it in training, so TensorFlow must be able to decode it.
        tf.io.decode_jpeg(content, channels=3)
        return content
    if has_more_than_8_bits(image):
        raise Unusable("unsupported pixels", f"more than 8 bits per channel (mode {image.mode})")
    image = _resized(upright_rgb(image if size == image.size else image.crop(crop)), image_size)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def _crop_around(box, size, image: CaptionedImage) -> tuple[int, int, int, int]:
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
            f"Expected a bounding box inside the image {image} of {size[0]}x{size[1]} pixels. "
            f"Received: left {left}, top {top}, width {width}, height {height}. Take images and "
            "bounding boxes from one archive, and start again with --overwrite."
        )
    return crop


def _small_image(image, size, image_size, small_images) -> Exception:
    width, height = size
    if small_images == "skip":
        return Unusable("small image", f"{width}x{height} pixels")
    return InputError(
        f"Expected images of {image_size} pixels or more. Received: {image} of {width}x{height}. "
        f"Choose --image_size={min(size)} or less, or --small_images=skip or upscale."
    )


def _is_plain_jpeg(image: Image.Image) -> bool:
    return image.format == "JPEG" and image.mode in ("RGB", "L") and is_upright(image)


def _target(shorter: int, image_size: int) -> int:
    """Returns the shorter side of the stored image."""
    return min(max(shorter, image_size), stored_size(image_size))


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
