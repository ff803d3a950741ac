"""Blocks of labelled pictures below each other, each under its caption."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmgan_tf.figures.canvas import (
    BODY,
    GAP,
    MARGIN,
    PALE_INK,
    SMALL,
    Canvas,
    fitting,
    line_height,
    text_lines,
)
from dmgan_tf.figures.contact_sheet import resized

_PAGE_WIDTH = 1140  # pixels, as long as a cell is no wider
_NARROWEST_PAGE = 600  # or no caption would fit


@dataclasses.dataclass(frozen=True)
class Block:
    """Pictures that belong together.

    Attributes:
        caption: Written above them.
        pictures: uint8 `(size, size, 3)`, of any sizes.
        labels: Written under each.
    """

    caption: str
    pictures: Sequence[np.ndarray]
    labels: Sequence[str]


def cell_size(pictures: Sequence[np.ndarray], smallest: int) -> int:
    """Returns a multiple of the largest picture's side that is large enough."""
    largest = max(picture.shape[0] for picture in pictures)
    return largest * -(-smallest // largest)


def picture_grid(blocks: Sequence[Block], cell: int, title: str | None = None) -> Image.Image:
    """Draws blocks below each other, the pictures of each from left to right.

    Args:
        blocks: One or more; a block may take several lines.
        cell: Side at which every picture is drawn, in pixels.
        title: A line at the top.
    """
    longest = max(len(block.pictures) for block in blocks)
    columns = max(1, min(longest, (_PAGE_WIDTH - 2 * MARGIN + GAP) // (cell + GAP)))
    columns = -(-longest // -(-longest // columns))  # eight in two lines are four and four
    canvas = Canvas(max(columns * (cell + GAP) - GAP + 2 * MARGIN, _NARROWEST_PAGE))
    top = canvas.write_title(title)
    line = cell + line_height(SMALL) + GAP
    for block in blocks:
        caption = text_lines(block.caption, canvas.width - 2 * MARGIN, BODY, bold=True)
        top = canvas.write_lines(caption, MARGIN, top, BODY, bold=True) + GAP // 2
        for i, (picture, label) in enumerate(zip(block.pictures, block.labels, strict=True)):
            left = MARGIN + i % columns * (cell + GAP)
            y = top + i // columns * line
            canvas.picture(resized(picture, cell), left, y)
            canvas.write(fitting(label, cell, SMALL), left, y + cell + 2, SMALL, PALE_INK)
        top += -(-len(block.pictures) // columns) * line + GAP
    return canvas.image(top - GAP + MARGIN // 2)
