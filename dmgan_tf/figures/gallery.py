"""A page of pictures: one per caption, with the captions centred under them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmgan_tf.figures.canvas import (
    BODY,
    INK,
    MARGIN,
    PALE_INK,
    SMALL,
    Canvas,
    line_height,
    text_lines,
)
from dmgan_tf.figures.contact_sheet import resized
from dmgan_tf.figures.picture_grid import cell_size

_PAGE_WIDTH = 1000  # about the width of a README on GitHub
_SMALLEST_CELL = 120
_NARROWEST_GAP = 20
_LINE_GAP = 26  # from a caption to the pictures below it


def gallery_figure(
    pictures: Sequence[np.ndarray],
    captions: Sequence[str],
    *,
    columns: int = 6,
    stages: Sequence[np.ndarray] = (),
    stages_caption: str = "",
) -> Image.Image:
    """Draws pictures in lines across the page, and the stages of one more below them.

    Args:
        pictures: uint8 `(size, size, 3)`, one or more.
        captions: One per picture.
        columns: Pictures side by side.
        stages: If given, the stages of a picture, smallest first, all drawn at one size: that of
            the pictures, or half of it and so on, until they fit.
        stages_caption: Its caption.
    """
    cell = cell_size([*pictures, *stages], _SMALLEST_CELL)
    columns = max(1, min(columns, len(pictures)))
    gap = _NARROWEST_GAP
    if columns > 1:
        gap = max(gap, (_PAGE_WIDTH - 2 * MARGIN - columns * cell) // (columns - 1))
    canvas = Canvas(max(_PAGE_WIDTH, columns * (cell + gap) - gap + 2 * MARGIN))
    top = MARGIN
    for i in range(0, len(pictures), columns):
        line = pictures[i : i + columns]
        texts = [text_lines(text, cell + gap - 24, BODY) for text in captions[i : i + columns]]
        centres = _centres(canvas.width, line, cell, gap)
        for picture, text, centre in zip(line, texts, centres, strict=True):
            canvas.picture(resized(picture, cell), centre - cell // 2, top)
            canvas.write_lines(text, centre, top + cell + 8, BODY, align="center")
        top += cell + 8 + max(map(len, texts)) * line_height(BODY) + _LINE_GAP
    if len(stages):
        top = _draw_stages(canvas, stages, stages_caption, cell, top)
    return canvas.image(top - _LINE_GAP + MARGIN)


def _draw_stages(canvas, stages, caption, cell, top):
    """The stages of a picture in a line, an arrow from each to the next, the caption above.

    Returns the top of what may follow.
    """
    canvas.write(caption, canvas.width // 2, top, BODY, INK, align="center")
    top += line_height(BODY) + 6
    while len(stages) * (cell + _stage_gap(cell)) > canvas.width:
        cell //= 2
    gap = _stage_gap(cell)
    centres = _centres(canvas.width, stages, cell, gap)
    for i, (stage, centre) in enumerate(zip(stages, centres, strict=True)):
        canvas.picture(resized(stage, cell), centre - cell // 2, top)
        label = f"{stage.shape[0]}×{stage.shape[0]}"
        canvas.write(label, centre, top + cell + 6, SMALL, PALE_INK, align="center")
        if i:
            middle = (centre + centres[i - 1]) // 2
            canvas.write("→", middle, top + cell // 2 - 12, 22, PALE_INK, align="center")
    return top + cell + 2 * line_height(BODY) + _LINE_GAP


def _stage_gap(cell):
    return max(_NARROWEST_GAP + 20, cell // 3)


def _centres(width, line, cell, gap):
    """The centres of the pictures of a line that is centred on the page."""
    left = (width - len(line) * (cell + gap) + gap) // 2
    return [left + i * (cell + gap) + cell // 2 for i in range(len(line))]
