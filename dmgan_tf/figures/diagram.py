"""Boxes, arrows and labels on a page, in sharp type."""

import dataclasses
import functools

from dmgan_tf.figures.canvas import INK, PALE_INK, Canvas, import_matplotlib, text_lines, text_width

_SCALE = 2  # pixels a unit, so that a diagram stays sharp where a page shows it smaller
_PADDING = 10
_TITLE, _TEXT, LABEL = 14, 11.5, 11.5
_LINE = 1.35  # lines from one to the next, of the size of the type


@dataclasses.dataclass(frozen=True)
class Box:
    """A rounded box with a title and text below it.

    Attributes:
        title: On one line; its type is made smaller where it would not fit.
        colour: Of its edge.
        fill: Of its ground.
        text: Paragraphs, each with its colour.
        footer: One line at the bottom, in pale ink.
    """

    title: str
    colour: str
    fill: str
    text: tuple[tuple[str, str], ...] = ()
    footer: str = ""

    def height(self, width: float) -> float:
        """How high it is when it is so wide."""
        return _lines(self, width)[1]


@functools.lru_cache(64)  # a row asks for the heights of its boxes before it draws them
def _lines(box, width):
    """Text, place below the top, size, colour and weight of each line; then the height."""
    inner, y = width - 2 * _PADDING, _PADDING - 2
    size = _TITLE
    while size > 6 and _width(box.title, size, bold=True) > inner:
        size -= 0.5
    lines = [(box.title, y + (_TITLE - size) / 2, size, INK, True)]
    y += _LINE * _TITLE + 1
    for paragraph, colour in box.text:
        for line in _wrapped(paragraph, inner, _TEXT):
            lines.append((line, y, _TEXT, colour, False))
            y += _LINE * _TEXT
        y += 2.5
    return lines, y + _PADDING - 5 + (_LINE * _TEXT if box.footer else 0)


def _wrapped(text, width, size):
    return text_lines(text, _SCALE * width, _SCALE * size)


def _width(text, size, bold=False):
    return text_width(text, _SCALE * size, bold) / _SCALE


class Diagram:
    """A page that is laid out from the top down, and whose height is known at the end only.

    All lengths are in units of two pixels.

    Args:
        width: Of the page.
    """

    def __init__(self, width: float):
        self.width = width
        self._drawn = []

    def panel(self, left, top, right, bottom, fill, depth=0):
        """Lays a rounded ground under what is drawn on it, over panels of a lower depth below 1."""
        self._patch(left, top, right - left, bottom - top, 14, fill, "none", order=depth)

    def box(self, box: Box, left, top, width, height=None):
        """Draws a box, and returns the y below it."""
        lines, least = _lines(box, width)
        height = max(least, height or 0)
        self._patch(left, top, width, height, 8, box.fill, box.colour, order=2)
        for text, y, size, colour, bold in lines:
            self.label(text, left + width / 2, top + y, size, colour, bold)
        if box.footer:
            self.label(box.footer, left + width / 2, top + height - 9 - _TEXT, colour=PALE_INK)
        return top + height

    def pill(self, text, centre, top, colour, fill, height=24):
        """Draws a word on a rounded ground around a centre, and returns the y below it."""
        width = _width(text, LABEL) + 22
        self._patch(centre - width / 2, top, width, height, height / 2, fill, colour, order=2)
        self.label(text, centre, top + (height - _LINE * LABEL) / 2 + 0.5)
        return top + height

    def tag(self, text, left, top, colour, fill):
        """Draws a word as `pill` does, from a left edge on, and returns the x behind it."""
        width = _width(text, LABEL) + 22
        self.pill(text, left + width / 2, top, colour, fill)
        return left + width

    def square(self, text, centre, top, side, colour, fill):
        """Draws a picture's place with text below, and returns the y below that."""
        self._patch(centre - side / 2, top, side, side, 3, fill, colour, order=2)
        self.label(text, centre, top + side + 4)
        return top + side + 4 + _LINE * LABEL

    def label(self, text, x, top, size=LABEL, colour=INK, bold=False, align="center"):
        """Writes one line."""

        def draw(canvas, axes):
            canvas.write(text, _SCALE * x, _SCALE * top, _SCALE * size, colour, bold, align)

        self._drawn.append(draw)

    def arrow(self, *points, colour=PALE_INK, head=True):
        """Draws a line through points, `(x, y)` each, with a head at the last."""

        def draw(canvas, axes):
            xs, ys = zip(*points, strict=True)
            (x0, y0), (x, y) = points[-2:]
            length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
            dx, dy = (x - x0) / length, (y - y0) / length
            if head:
                xs, ys = (*xs[:-1], x - 5 * dx), (*ys[:-1], y - 5 * dy)
                back = (x - 8 * dx, y - 8 * dy)
                corners = [
                    (x, y),
                    (back[0] - 4 * dy, back[1] + 4 * dx),
                    (back[0] + 4 * dy, back[1] - 4 * dx),
                ]
                axes.add_patch(
                    import_matplotlib().patches.Polygon(
                        corners, closed=True, facecolor=colour, edgecolor="none", zorder=3
                    )
                )
            axes.plot(xs, ys, color=colour, linewidth=1.3 * _SCALE, zorder=1)

        self._drawn.append(draw)

    def image(self, height: float):
        """The page as an RGB `PIL.Image.Image`.

        Args:
            height: Of the page.
        """
        canvas = Canvas(round(_SCALE * self.width), round(_SCALE * height))
        axes = canvas.axes(0, 0, canvas.width, canvas.height)
        axes.set_xlim(0, self.width)
        axes.set_ylim(height, 0)
        for draw in self._drawn:
            draw(canvas, axes)
        return canvas.image()

    def _patch(self, left, top, width, height, radius, fill, edge, order):
        def draw(canvas, axes):
            axes.add_patch(
                import_matplotlib().patches.FancyBboxPatch(
                    (left, top),
                    width,
                    height,
                    boxstyle=f"round,pad=0,rounding_size={radius}",
                    facecolor=fill,
                    edgecolor=edge,
                    linewidth=1.3 * _SCALE,
                    zorder=order,
                )
            )

        self._drawn.append(draw)
