"""Interpolations from one picture to another, frame by frame."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmgan_tf.figures.picture_grid import Block, cell_size, picture_grid

_SMALLEST_CELL = 128


def interpolation_figure(
    walks: Sequence[tuple[str, dict]], title: str | None = None
) -> Image.Image:
    """Draws the frames of interpolations from left to right, one below another.

    Args:
        walks: Pairs of a heading and an interpolation, as `interpolate_noise` and
            `interpolate_captions` return it.
        title: A line at the top, such as the model and the seed.
    """
    blocks = [
        Block(caption, walk["images"], [f"{position:.2f}" for position in walk["positions"]])
        for caption, walk in walks
    ]
    return picture_grid(blocks, cell_size(walks[0][1]["images"], _SMALLEST_CELL), title)


def interpolation_table(walks: Sequence[tuple[str, dict]]) -> list[dict]:
    """Measures the difference between successive frames.

    Args:
        walks: As of `interpolation_figure`.

    Returns:
        One dict per frame: `walk`, its heading, `frame` from 0, `position` from 0 to 1, and `step`,
        the mean absolute difference from the previous frame in levels of 255; `None` for the first
        frame.
    """
    rows = []
    for caption, walk in walks:
        images = np.int16(walk["images"])
        steps = [None, *np.abs(np.diff(images, axis=0)).mean(axis=(1, 2, 3)).tolist()]
        for frame, (position, step) in enumerate(zip(walk["positions"], steps, strict=True)):
            rows.append(
                {"walk": caption, "frame": frame, "position": float(position), "step": step}
            )
    return rows
