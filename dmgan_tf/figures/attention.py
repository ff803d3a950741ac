"""Attention maps of each word, at each refinement."""

import numpy as np
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.figures.canvas import (
    BODY,
    GAP,
    MARGIN,
    PALE_INK,
    SMALL,
    Canvas,
    colours,
    fitting,
    line_height,
)
from dmgan_tf.figures.contact_sheet import resized
from dmgan_tf.figures.drawing import Drawing
from dmgan_tf.figures.relevance import attention_mean

_CELL = 128
_COLUMNS = 7  # maps per line, beside the refined image
_HEADING = 64  # pixels from a refinement's line to its maps
_SCALE_WIDTH = 250
_NARROWEST = 700  # or a heading would meet its scale
_OPACITY = 0.75  # of the map over the picture
_CONTRAST = 0.6  # of the picture under it, to tell it from the map's colours


def attention_figure(drawing: Drawing, title: str | None = None) -> Image.Image:
    """Draws each word's attention map over the picture, one block of maps per refinement.

    The colours of a block have one scale, so that its words can be compared; the mark "1/7" on the
    scale of a caption of seven words is the weight of equal attention to all words. A map has the
    size of a refinement's input and is drawn over the output.

    Reference:
        Eq. 4, and AttnGAN's Figure 4.

    Args:
        drawing: A `Drawing` with a refinement or more.
        title: A line at the top, such as the model and the seed.

    Raises:
        InputError: If the model has one stage only.
    """
    check_refined(drawing)
    columns = min(len(drawing.words), _COLUMNS)
    canvas = Canvas(max((1 + columns) * (_CELL + GAP) - GAP, _NARROWEST) + 2 * MARGIN)
    top = canvas.write_title(title, drawing.caption)
    for number in range(len(drawing.attention_scores)):
        top = _draw_block(canvas, drawing, number, top, columns)
    return canvas.image(top)


def check_refined(drawing: Drawing) -> None:
    """Raises an `InputError` if no refinement followed the initial image."""
    if not drawing.attention_scores:
        raise InputError(
            "Expected a model with a refinement or more, which read words. Received: a model of "
            "one stage. Ask for the figures stages, diversity and interpolation."
        )


def attention_overlay(
    picture: np.ndarray, scores: np.ndarray, low: float, high: float, cell: int = _CELL
) -> np.ndarray:
    """Draws one map in colours over a picture in grey.

    Args:
        picture: uint8 `(size, size, 3)`.
        scores: Float `(height, width)`.
        low: The score of the scale's first colour.
        high: The score of its last colour, more than `low`.
        cell: Side of the result in pixels.

    Returns:
        uint8 `(cell, cell, 3)`.
    """
    grey = np.asarray(resized(picture, cell).convert("L").convert("RGB"), np.float32)
    pale = 127.5 + _CONTRAST * (grey - 127.5)
    heat = map_colours(scores, low, high, cell)
    return np.uint8(np.rint((1 - _OPACITY) * pale + _OPACITY * heat))


def map_colours(values: np.ndarray, low: float, high: float, cell: int) -> np.ndarray:
    """Returns a map in colours, each of its pixels a square: uint8 `(cell, cell, 3)`."""
    side = values.shape[0]
    values = (np.float32(values) - low) / (high - low)
    if side > cell:  # the mean of those in one cell
        values = np.asarray(Image.fromarray(values).resize((cell, cell), Image.Resampling.BOX))
    return np.asarray(resized(colours(values), cell))


def _draw_block(canvas, drawing, number, top, columns):
    """Draws one refinement, a map for each word, and returns the y below it."""
    scores = drawing.attention_scores[number]
    picture = drawing.stages[number + 1]
    low, high = float(scores.min()), float(scores.max())
    if high - low < 1e-6:  # a single word, or one that is repeated
        low, high = 0.0, max(high, 1e-6)
    name = "key addressing" if drawing.refinement == "memory" else "word attention"
    canvas.rule(top)
    top += GAP
    canvas.write(f"refinement {number + 1}: {name} at {scores.shape[0]} px", MARGIN, top)
    legend = "colours: a word's share in what a pixel reads; numbers: its mean"
    canvas.write(legend, MARGIN, top + line_height(BODY), SMALL, PALE_INK)
    _draw_scale(canvas, low, high, len(drawing.words), top)
    top += _HEADING - GAP
    canvas.picture(resized(picture, _CELL), MARGIN, top)
    canvas.write(f"result, {picture.shape[0]} px", MARGIN, top + _CELL + 2, SMALL, PALE_INK)
    for i, mean in enumerate(attention_mean(scores)):
        left = MARGIN + (1 + i % columns) * (_CELL + GAP)
        y = top + i // columns * (_CELL + line_height(SMALL) + GAP)
        canvas.picture(attention_overlay(picture, scores[..., i], low, high), left, y)
        y += _CELL + 2
        canvas.write(
            fitting(drawing.word_labels[i], _CELL - 48, SMALL, True), left, y, SMALL, bold=True
        )
        canvas.write(f"{mean:.3f}", left + _CELL, y, SMALL, PALE_INK, align="right")
    lines = -(-len(drawing.words) // columns)
    return top + lines * (_CELL + line_height(SMALL) + GAP) + GAP


def _draw_scale(canvas, low, high, words, top):
    """The colour scale, with a mark at the weight of equal attention."""
    between = 0.2 < (1 / words - low) / (high - low) < 0.8  # else its label would cover another
    marks = [(1 / words, f"1/{words}")] if between else []
    left = canvas.width - MARGIN - _SCALE_WIDTH
    canvas.colour_scale(left, top, _SCALE_WIDTH, low, high, marks)
