"""A page of a fixed size in pixels: pictures, text in any script, and charts, by Matplotlib."""

import functools
import math
import types
import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.figures.contact_sheet import wrap_text

Point = tuple[float, float]
INK = "#1e1e1e"
PALE_INK = "#6e6e6e"
RULE = "#c8c8c8"
MARGIN = 20  # around a page, in pixels, as are all lengths here
GAP = 10  # between pictures that belong together
TITLE, BODY, SMALL = 17, 15, 13  # sizes of type
_LARGEST_PAGE = 40_000_000  # pixels; four bytes each while it is drawn
_MISSING = "\N{WHITE SQUARE}"
# Matplotlib's own font has Latin, Greek, Cyrillic, Hebrew and Arabic; these fonts, where installed,
# add others, glyph by glyph.
_FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Devanagari",
    "Noto Sans",
    "Arial Unicode MS",
)


def import_matplotlib() -> types.ModuleType:
    """Returns Matplotlib, imported when it is needed, with the modules used here.

    None of them needs a window or global state (there is no pyplot), so figures can be drawn by
    several threads of a server at once.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import matplotlib
        import matplotlib.backends.backend_agg
        import matplotlib.cm
        import matplotlib.figure
        import matplotlib.font_manager
        import matplotlib.ft2font
        import matplotlib.lines
        import matplotlib.patches
        import matplotlib.textpath
        import matplotlib.transforms
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise InputError(
            "Expected Matplotlib, which draws these figures. Received: it is not installed. Add it "
            "with `pip install matplotlib`."
        ) from error
    return matplotlib


def line_height(size: float) -> int:
    """Returns the pixels from one line of type to the next."""
    return round(1.35 * size)


@functools.cache
def _fonts():
    """The installed families, in order of preference, and all their characters."""
    manager = import_matplotlib().font_manager
    there = {font.name for font in manager.fontManager.ttflist}
    families = [name for name in _FAMILIES if name in there]
    characters = set()
    for name in families:
        path = manager.findfont(manager.FontProperties(family=name))
        characters.update(import_matplotlib().ft2font.FT2Font(path).get_charmap())
    return families, frozenset(characters)


def drawable(text: str) -> str:
    """Returns text with a square for each character that no font has, without invisible ones."""
    _, known = _fonts()
    text = text.encode("utf-8", "replace").decode("utf-8")
    characters = []
    for character in text:
        if ord(character) in known or character.isspace():
            characters.append(character)
        elif unicodedata.category(character) not in ("Cf", "Mn"):  # joiners, marks
            characters.append(_MISSING)
    return "".join(characters)


class _Type:
    """Type of one size and weight, measured as `wrap_text` asks for it."""

    def __init__(self, size: float, bold: bool):
        self.properties = import_matplotlib().font_manager.FontProperties(
            family=_fonts()[0], size=size, weight="bold" if bold else "normal"
        )

    def getlength(self, text: str) -> float:
        measure = import_matplotlib().textpath.text_to_path.get_text_width_height_descent
        return measure(text, self.properties, False)[0] if text else 0


def text_lines(text: str | None, width: float, size: float = BODY, bold: bool = False) -> list[str]:
    """Breaks text into lines no wider than `width`; see `wrap_text`."""
    return wrap_text(drawable(text), _Type(size, bold), width) if text else []


def text_width(text: str, size: float = BODY, bold: bool = False) -> float:
    """Returns how wide one line of text is."""
    return _Type(size, bold).getlength(drawable(text))


def fitting(text: str, width: float, size: float = BODY, bold: bool = False) -> str:
    """Returns text on one line no wider than `width`, cut with an ellipsis if it is longer."""
    face, text = _Type(size, bold), " ".join(drawable(text).split())
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def rounded(value: float, spread: float, fewest: int) -> str:
    """Returns a value with as many decimals, `fewest` to 5, as distinguish values so far apart."""
    needed = 1 - math.floor(math.log10(spread)) if spread > 0 else fewest
    return f"{value:.{min(max(needed, fewest), 5)}f}"


def colours(values: np.ndarray) -> np.ndarray:
    """Returns values as the colours of viridis, whose steps look equal and which prints in grey.

    Args:
        values: Float array of any shape, in [0, 1]; others are clipped.

    Returns:
        uint8 array of that shape and 3 more, RGB.
    """
    return import_matplotlib().cm.viridis(np.clip(values, 0, 1), bytes=True)[..., :3]


class Canvas:
    """A white page, drawn from its upper left corner down, and returned as a picture.

    Args:
        width: In pixels, as are all lengths.

    Raises:
        InputError: If Matplotlib is not installed.
    """

    def __init__(self, width: float):
        self.width = round(width)
        matplotlib = import_matplotlib()
        self._figure = matplotlib.figure.Figure(dpi=72, facecolor="white")  # a point is a pixel
        self._agg = matplotlib.backends.backend_agg.FigureCanvasAgg(self._figure)
        # Inverts y; the height is known once everything is drawn.
        self._down = matplotlib.transforms.Affine2D().scale(1, -1)
        self._pictures = []

    def picture(self, pixels: np.ndarray, left: int, top: int, framed: bool = True) -> None:
        """Draws uint8 `(height, width, 3)` on the page, pixel for pixel, with a thin border."""
        pixels = np.asarray(pixels)
        if framed:  # white pictures on white paper have no edge
            pixels = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), constant_values=200)
            left, top = left - 1, top - 1
        image = self._figure.figimage(pixels, xo=left, origin="upper")
        self._pictures.append((image, top + pixels.shape[0]))

    def write(
        self,
        text: str,
        left: float,
        top: float,
        size: float = BODY,
        colour: str = INK,
        bold: bool = False,
        align: str = "left",
    ) -> None:
        """Writes one line of type below `top`; `align` says which part of it `left` is."""
        self._figure.text(
            left,
            top + size,
            drawable(text),
            transform=self._down,
            fontsize=size,
            color=colour,
            weight="bold" if bold else "normal",
            family=_fonts()[0],
            horizontalalignment=align,
            verticalalignment="baseline",
            parse_math=False,  # captions may hold dollar signs
        )

    def write_lines(
        self, lines: Sequence[str], left: float, top: float, size: float = BODY, **how
    ) -> float:
        """Writes lines below each other as `write` does, and returns the y below them."""
        for line in lines:
            self.write(line, left, top, size, **how)
            top += line_height(size)
        return top

    def write_title(self, title: str | None, caption: str = "") -> int:
        """Writes the title of a page, if any, and returns the y below it."""
        width = self.width - 2 * MARGIN
        titles = text_lines(title, width, SMALL)
        captions = text_lines(caption, width, TITLE, bold=True)
        top = self.write_lines(titles, MARGIN, MARGIN, SMALL, colour=PALE_INK)
        top = self.write_lines(captions, MARGIN, top, TITLE, bold=True)
        return top + (GAP if titles or captions else 0)

    def line(self, start: Point, end: Point, colour: str = RULE, width: float = 1.5) -> None:
        """Draws a line from one point to another, `(x, y)` each."""
        self._add_line(zip(start, end, strict=True), color=colour, linewidth=width)

    def dot(self, x: float, y: float, size: float) -> None:
        """Draws a disc around a point."""
        self._add_line(([x], [y]), marker="o", color=INK, markersize=size)

    def _add_line(self, points, **how):
        lines = import_matplotlib().lines
        how = {"solid_capstyle": "butt", "transform": self._down, **how}
        self._figure.add_artist(lines.Line2D(*map(list, points), **how))

    def rule(self, top: int) -> None:
        """Draws a thin line across the page."""
        line = np.full((1, self.width - 2 * MARGIN, 3), 200, np.uint8)
        self.picture(line, MARGIN, top, framed=False)

    def rounded(
        self,
        left: float,
        top: float,
        width: float,
        height: float,
        radius: float,
        edge: str,
        fill: str,
        depth: float = 0.9,
    ) -> None:
        """Draws a rectangle with rounded corners, over those of a lower depth and under type."""
        patch = import_matplotlib().patches.FancyBboxPatch(
            (left, top),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={radius}",
            facecolor=fill,
            edgecolor=edge,
            linewidth=2.6,
            zorder=depth,
            transform=self._down,
        )
        self._figure.add_artist(patch)

    def arrow(self, start: Point, end: Point) -> None:
        """Draws an arrow from one point to another, `(x, y)` each, under boxes."""
        how = {"color": PALE_INK, "linewidth": 2.6, "shrinkA": 0, "shrinkB": 0, "zorder": 0.8}
        style = {"arrowstyle": "-|>,head_length=8,head_width=4", "mutation_scale": 2}
        arrow = import_matplotlib().patches.FancyArrowPatch
        self._figure.add_artist(arrow(start, end, transform=self._down, **how, **style))

    def colour_scale(
        self, left: int, top: int, width: int, low: float, high: float, marks: Sequence = ()
    ) -> None:
        """Draws all colours side by side, with the values of the ends written below.

        Args:
            left: In pixels.
            top: In pixels.
            width: In pixels.
            low: The value of the first colour.
            high: The value of the last one, more than `low`.
            marks: Pairs of a value between and what to write under its place.
        """
        ends = [(value, rounded(value, high - low, 2)) for value in (low, high)]
        self.picture(np.tile(colours(np.linspace(0, 1, width)), (12, 1, 1)), left, top)
        for value, label in [*ends, *marks]:
            x = left + round((value - low) / (high - low) * (width - 1))
            self.picture(np.full((5, 1, 3), 110, np.uint8), x, top + 13, framed=False)
            # The labels of the ends stay within the scale.
            align = {low: "left", high: "right"}.get(value, "center")
            self.write(label, x, top + 17, SMALL - 1, PALE_INK, align=align)

    def image(self, height: float) -> Image.Image:
        """Returns the page, RGB, down to a height.

        Raises:
            InputError: If it is too large.
        """
        height = round(height)
        if self.width * height > _LARGEST_PAGE:
            raise InputError(
                f"Expected a figure of at most {_LARGEST_PAGE // 10**6} megapixels. Received: one "
                f"of {self.width} x {height} pixels. Ask for fewer captions, samples or frames."
            )
        # The hundredth is for the rounding of the division.
        self._figure.set_size_inches((self.width + 0.01) / 72, (height + 0.01) / 72)
        self._down.translate(0, height)
        for image, bottom in self._pictures:
            image.oy = height - bottom
        self._agg.draw()
        return Image.fromarray(np.asarray(self._agg.buffer_rgba())[..., :3].copy())
