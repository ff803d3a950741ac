"""Drawings of known numbers, and where a picture stands on a page."""

import numpy as np

from dmgan_tf.figures.drawing import Drawing

WORDS = ("a", "red", "apple", "on", "a", "leaf")


def make_drawing(words=WORDS, refinements=2, refinement="memory", gates=True, caption=None):
    """A drawing of noise: 16 px, and twice the size a refinement."""
    random = np.random.default_rng(5)
    sides = [16 * 2**i for i in range(refinements + 1)]
    scores = [random.dirichlet(np.ones(len(words)), (side, side)) for side in sides[:-1]]
    return Drawing(
        caption=caption or " ".join(words),
        words=tuple(words),
        row=0,
        stages=[random.integers(0, 256, (side, side, 3), "uint8") for side in sides],
        attention_scores=[np.float32(maps) for maps in scores],
        word_gates=[np.float32(random.uniform(size=len(words))) for _ in scores] * gates,
        response_gates=[np.float32(random.uniform(size=maps.shape[:2])) for maps in scores] * gates,
        refinement=refinement,
    )


def enlarged(pixels, size):
    """A picture in whole steps, each pixel a square."""
    steps = size // pixels.shape[0]
    return pixels.repeat(steps, axis=0).repeat(steps, axis=1)


def position_of(page, pixels):
    """Where `pixels` stand on a page, `(left, top)`; None if they do not."""
    page = np.asarray(page)
    height, width = pixels.shape[:2]
    rows, columns = page.shape[0] - height + 1, page.shape[1] - width + 1
    if rows < 1 or columns < 1:
        return None
    places = np.argwhere((page[:rows, :columns] == pixels[0, 0]).all(axis=-1))
    for i in range(1, min(height, width)):  # few places are left after some pixels of the diagonal
        same = page[places[:, 0] + i, places[:, 1] + i] == pixels[i, i]
        places = places[same.all(axis=-1)]
    for top, left in places:
        if np.array_equal(page[top : top + height, left : left + width], pixels):
            return int(left), int(top)
    return None
