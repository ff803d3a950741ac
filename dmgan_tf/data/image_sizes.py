"""How much larger than they are used images are stored."""

# The ratio that the authors' release crops from.
CROP_MARGIN = 76 / 64


def stored_size(image_size: int) -> int:
    """Returns the shorter side, in pixels, at which images for `image_size` are stored."""
    return round(image_size * CROP_MARGIN)
