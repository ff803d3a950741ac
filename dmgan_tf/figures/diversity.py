"""One caption with different noise, as in the paper's Figure 5."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmgan_tf.figures.picture_grid import Block, cell_size, picture_grid

_SMALLEST_CELL = 128


def diversity_figure(
    images: np.ndarray, captions: Sequence[str], *, first_row: int = 0, title: str | None = None
) -> Image.Image:
    """Draws the pictures of each caption, which differ only in their noise.

    Reference:
        Figure 5.

    Args:
        images: uint8 `(captions * samples, size, size, 3)`, a caption's samples next to each other.
        captions: One or more.
        first_row: Row of the first picture's noise.
        title: A line at the top, such as the model and the seed.
    """
    blocks, row = [], first_row
    for caption, pictures in zip(captions, _samples(images, captions), strict=True):
        rows = range(row, row + len(pictures))
        blocks.append(Block(caption, pictures, [f"noise {place}" for place in rows]))
        row = rows.stop
    return picture_grid(blocks, cell_size(images, _SMALLEST_CELL), title)


def diversity_table(
    images: np.ndarray, captions: Sequence[str], *, first_row: int = 0
) -> list[dict]:
    """Measures the difference of each picture from the others of its caption.

    Args:
        images: As of `diversity_figure`.
        captions: Likewise.
        first_row: Likewise.

    Returns:
        One dict per picture: `caption`, `row` of the noise, and the mean absolute difference, in
        levels of 255, from the other pictures of the caption: `nearest`, the minimum, about 0 for a
        picture that was drawn twice, and `mean`; `None` if there is no other.
    """
    rows = []
    for i, (caption, pictures) in enumerate(zip(captions, _samples(images, captions), strict=True)):
        for j, picture in enumerate(pictures):
            others = np.delete(pictures, j, axis=0)
            distances = [float(np.mean(np.abs(np.int16(picture) - other))) for other in others]
            rows.append(
                {
                    "caption": caption,
                    "row": first_row + i * len(pictures) + j,
                    "nearest": min(distances, default=None),
                    "mean": float(np.mean(distances)) if distances else None,
                }
            )
    return rows


def _samples(images, captions):
    """The pictures by caption, `(captions, samples, size, size, 3)`."""
    images = np.asarray(images)
    return images.reshape(len(captions), -1, *images.shape[1:])
