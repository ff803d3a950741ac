"""The size of stored images, larger than training uses."""

# The ratio of the authors' release, which crops from larger images.
CROP_MARGIN = 76 / 64


def stored_size(image_size: int) -> int:
    """Returns the shorter side, in pixels, at which images for `image_size` are stored."""
    return round(image_size * CROP_MARGIN)
