"""Every stage of a picture side by side, as in the paper's Figure 4."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmgan_tf.figures.drawing import Drawing
from dmgan_tf.figures.picture_grid import Block, cell_size, picture_grid

_SMALLEST_CELL = 192


def stages_figure(drawings: Sequence[Drawing], title: str | None = None) -> Image.Image:
    """Draws the stages of each picture side by side, all at one size, one caption below another.

    Reference:
        Figure 4, with captions in rows.

    Args:
        drawings: One or more, of one model.
        title: A line at the top, such as the model and the seed.
    """
    blocks = [
        Block(drawing.caption, drawing.stages, _stage_labels(drawing.stages))
        for drawing in drawings
    ]
    return picture_grid(blocks, cell_size(drawings[0].stages, _SMALLEST_CELL), title)


def stages_table(drawings: Sequence[Drawing]) -> list[dict]:
    """Measures how much each refinement changed a picture.

    Args:
        drawings: One or more.

    Returns:
        One dict per stage of each: `caption`, `row` of the noise, `stage`, `size` in pixels, and
        `change`, the mean absolute difference from the previous stage, upsampled by nearest
        neighbour, in levels of 255; `None` for the first stage.
    """
    rows = []
    for drawing in drawings:
        before = None
        for number, stage in enumerate(drawing.stages):
            change = None
            if before is not None:
                enlarged = before.repeat(2, axis=0).repeat(2, axis=1)
                change = float(np.mean(np.abs(np.int16(stage) - np.int16(enlarged))))
            rows.append(
                {
                    "caption": drawing.caption,
                    "row": drawing.row,
                    "stage": number,
                    "size": stage.shape[0],
                    "change": change,
                }
            )
            before = stage
    return rows


def _stage_labels(stages):
    return [
        f"{f'refinement {number}' if number else 'initial image'}, {stage.shape[0]} px"
        for number, stage in enumerate(stages)
    ]
