"""Blocks of labelled pictures below each other, each under its caption."""

import dataclasses
from collections.abc import Sequence

import numpy as np

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


def cell_size(pictures, smallest):
    """The side of the largest picture, in whole steps so often that it is `smallest` or more."""
    largest = max(picture.shape[0] for picture in pictures)
    return largest * -(-smallest // largest)


def picture_grid(blocks: Sequence[Block], cell: int, title: str | None = None):
    """Lays blocks out below each other, the pictures of each from left to right.

    Args:
        blocks: One or more; a block may take several lines.
        cell: Side at which every picture is drawn, in pixels.
        title: A line at the top.

    Returns:
        A `PIL.Image.Image`.
    """
    longest = max(len(block.pictures) for block in blocks)
    columns = max(1, min(longest, (_PAGE_WIDTH - 2 * MARGIN + GAP) // (cell + GAP)))
    columns = -(-longest // -(-longest // columns))  # eight in two lines are four and four
    width = max(columns * (cell + GAP) - GAP + 2 * MARGIN, _NARROWEST_PAGE)
    text_width = width - 2 * MARGIN
    captions = [text_lines(block.caption, text_width, BODY, bold=True) for block in blocks]
    title_lines = text_lines(title, text_width, SMALL)
    line = cell + line_height(SMALL) + GAP
    heights = [
        len(caption) * line_height(BODY) + GAP // 2 + -(-len(block.pictures) // columns) * line
        for block, caption in zip(blocks, captions, strict=True)
    ]
    head = len(title_lines) * line_height(SMALL) + (GAP if title_lines else 0)
    canvas = Canvas(width, MARGIN + head + sum(heights) + (len(blocks) - 1) * GAP + MARGIN // 2)
    canvas.write_lines(title_lines, MARGIN, MARGIN, SMALL, PALE_INK)
    top = MARGIN + head
    for block, caption, height in zip(blocks, captions, heights, strict=True):
        below = canvas.write_lines(caption, MARGIN, top, BODY, bold=True) + GAP // 2
        for i, (picture, label) in enumerate(zip(block.pictures, block.labels, strict=True)):
            left = MARGIN + i % columns * (cell + GAP)
            y = below + i // columns * line
            canvas.picture(resized(picture, cell), left, y)
            canvas.write(fitting(label, cell, SMALL), left, y + cell + 2, SMALL, PALE_INK)
        top += height + GAP
    return canvas.image()
