"""A chart of shares: one horizontal bar each."""

import dataclasses
from collections.abc import Sequence

from PIL import Image, ImageDraw

from dmgan_tf.figures.contact_sheet import caption_font, wrap_text

_WIDTH, _LABELS, _NUMBERS = 900, 170, 130  # pixels
_ROW, _MARGIN, _LINE, _FONT = 28, 16, 20, 15
_INK, _PAPER, _GRID = (30, 30, 30), (255, 255, 255), (225, 225, 225)
_FILL, _MARKS = (76, 120, 168), ((200, 60, 50), (40, 130, 60))


@dataclasses.dataclass(frozen=True)
class Bar:
    """One share.

    Args:
        label: Its name.
        value: In [0, 1].
        error: Its standard error.
        marks: Up to two other values to compare with, drawn as lines.
    """

    label: str
    value: float
    error: float
    marks: tuple[float, ...] = ()


def draw_bars(bars: Sequence[Bar], title: str) -> Image.Image:
    """Draws the bars from top to bottom, under a title.

    Args:
        bars: What to draw.
        title: Any text; it is broken into lines.
    """
    font = caption_font([title, *(bar.label for bar in bars)], _FONT)
    lines = wrap_text(title, font, _WIDTH - 2 * _MARGIN)
    top = _MARGIN + _LINE * len(lines) + _MARGIN
    image = Image.new("RGB", (_WIDTH, top + _ROW * len(bars) + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + _LINE * number), line, _INK, font)
    left, width = _MARGIN + _LABELS, _WIDTH - 2 * _MARGIN - _LABELS - _NUMBERS

    def x_of(share):
        return left + round(width * share)

    for quarter in range(5):
        x = x_of(quarter / 4)
        draw.line((x, top, x, top + _ROW * len(bars)), _GRID)
    for number, bar in enumerate(bars):
        y = top + _ROW * number
        draw.text((_MARGIN, y + 5), bar.label, _INK, font)
        draw.rectangle((left, y + 6, x_of(bar.value), y + _ROW - 6), _FILL)
        for mark, color in zip(bar.marks, _MARKS, strict=False):
            draw.line((x_of(mark), y + 3, x_of(mark), y + _ROW - 3), color, 3)
        text = f"{100 * bar.value:.1f} % ± {100 * bar.error:.1f}"
        draw.text((left + width + 12, y + 5), text, _INK, font)
    return image
