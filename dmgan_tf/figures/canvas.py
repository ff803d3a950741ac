"""A page of a fixed size in pixels: pictures, text in any script, and charts, by Matplotlib."""

import functools
import math
import unicodedata

import numpy as np
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.figures.contact_sheet import wrap_text

INK = "#1e1e1e"
PALE_INK = "#6e6e6e"
RULE = "#c8c8c8"
MARGIN = 20  # around a page, in pixels, as are all lengths here
GAP = 10  # between pictures that belong together
TITLE, BODY, SMALL = 17, 15, 13  # sizes of type
_LARGEST_PAGE = 40_000_000  # pixels; four bytes each while it is drawn
_MISSING = "\N{WHITE SQUARE}"
# Matplotlib's own font has Latin, Greek, Cyrillic, Hebrew and Arabic; these, where the system has
# them, add others. They are asked glyph by glyph.
_FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Devanagari",
    "Noto Sans",
    "Arial Unicode MS",
)


def import_matplotlib():
    """Matplotlib, imported when it is needed, with those of its modules that are used here.

    None of them needs a window or global state (there is no pyplot), so figures can be drawn by
    several threads of a server at once.

    Returns:
        The module `matplotlib`.

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
        import matplotlib.patches
        import matplotlib.textpath
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise InputError(
            "Expected Matplotlib, which draws these figures. Received: it is not installed. Add it "
            "with `pip install matplotlib`."
        ) from error
    return matplotlib


def line_height(size):
    """Pixels from one line of type to the next."""
    return round(1.35 * size)


@functools.cache
def _fonts():
    """The families that are there, in order of preference, and all characters that they have."""
    manager = import_matplotlib().font_manager
    there = {font.name for font in manager.fontManager.ttflist}
    families = [name for name in _FAMILIES if name in there]
    characters = set()
    for name in families:
        path = manager.findfont(manager.FontProperties(family=name))
        characters.update(import_matplotlib().ft2font.FT2Font(path).get_charmap())
    return families, frozenset(characters)


def drawable(text):
    """`text` with a square for each character that no font here has, and without invisible ones."""
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

    def __init__(self, size, bold):
        self.properties = import_matplotlib().font_manager.FontProperties(
            family=_fonts()[0], size=size, weight="bold" if bold else "normal"
        )

    def getlength(self, text):
        measure = import_matplotlib().textpath.text_to_path.get_text_width_height_descent
        return measure(text, self.properties, False)[0] if text else 0


def text_lines(text, width, size=BODY, bold=False):
    """Breaks text into lines no wider than `width`; see `wrap_text`."""
    return wrap_text(drawable(text), _Type(size, bold), width) if text else []


def text_width(text, size=BODY, bold=False):
    """How wide one line of text is."""
    return _Type(size, bold).getlength(drawable(text))


def fitting(text, width, size=BODY, bold=False):
    """`text` on one line no wider than `width`, cut with an ellipsis if it is longer."""
    face, text = _Type(size, bold), " ".join(drawable(text).split())
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def rounded(value, spread, fewest):
    """`value` with as many decimals, from `fewest` to five, as tell it from others so far apart."""
    needed = 1 - math.floor(math.log10(spread)) if spread > 0 else fewest
    return f"{value:.{min(max(needed, fewest), 5)}f}"


def colours(values):
    """Values from 0 to 1 as uint8 RGB of viridis, whose steps look equal and which prints in grey.

    Args:
        values: Float array of any shape; what lies outside takes the colour of the end.

    Returns:
        uint8 array of that shape and 3 more.
    """
    return import_matplotlib().cm.viridis(np.clip(values, 0, 1), bytes=True)[..., :3]


class Canvas:
    """A white page that is drawn on from its upper left corner, and read as a picture.

    Args:
        width: In pixels.
        height: In pixels.

    Raises:
        InputError: If the page would be too large, or Matplotlib is not installed.
    """

    def __init__(self, width, height):
        if width * height > _LARGEST_PAGE:
            raise InputError(
                f"Expected a figure of at most {_LARGEST_PAGE // 10**6} megapixels. Received: one "
                f"of {width} x {height} pixels. Ask for fewer captions, samples or frames."
            )
        self.width, self.height = width, height
        # At 72 dots an inch a point is a pixel. The hundredth is for the rounding of the division.
        self._figure = import_matplotlib().figure.Figure(
            figsize=((width + 0.01) / 72, (height + 0.01) / 72), dpi=72, facecolor="white"
        )
        self._agg = import_matplotlib().backends.backend_agg.FigureCanvasAgg(self._figure)

    def picture(self, pixels, left, top, framed=True):
        """Puts uint8 (height,width,3) on the page, pixel for pixel, with a thin line around it."""
        pixels = np.asarray(pixels)
        if framed:  # white pictures on white paper have no edge
            framed_pixels = np.full((pixels.shape[0] + 2, pixels.shape[1] + 2, 3), 200, np.uint8)
            framed_pixels[1:-1, 1:-1] = pixels
            pixels, left, top = framed_pixels, left - 1, top - 1
        bottom = self.height - top - pixels.shape[0]
        self._figure.figimage(pixels, xo=left, yo=bottom, origin="upper")

    def write(self, text, left, top, size=BODY, colour=INK, bold=False, align="left"):
        """Writes one line of type below `top`; `align` says which part of it `left` is."""
        self._figure.text(
            left / self.width,
            1 - (top + size) / self.height,
            drawable(text),
            fontsize=size,
            color=colour,
            weight="bold" if bold else "normal",
            family=_fonts()[0],
            horizontalalignment=align,
            verticalalignment="baseline",
            parse_math=False,  # captions may hold dollar signs
        )

    def write_lines(self, lines, left, top, size=BODY, colour=INK, bold=False, align="left"):
        """Writes lines below each other, and returns the y below them."""
        for number, line in enumerate(lines):
            self.write(line, left, top + number * line_height(size), size, colour, bold, align)
        return top + len(lines) * line_height(size)

    def rule(self, top):
        """Draws a thin line across the page."""
        line = np.full((1, self.width - 2 * MARGIN, 3), 200, np.uint8)
        self.picture(line, MARGIN, top, framed=False)

    def axes(self, left, top, width, height):
        """Matplotlib axes that fill a rectangle of the page, without frame and ticks."""
        axes = self._figure.add_axes(
            (
                left / self.width,
                1 - (top + height) / self.height,
                width / self.width,
                height / self.height,
            )
        )
        axes.set_axis_off()
        return axes

    @functools.cached_property
    def _page(self):
        """Axes of the whole page, in pixels from its upper left corner."""
        axes = self.axes(0, 0, self.width, self.height)
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        return axes

    def rounded(self, left, top, width, height, radius, edge, fill, depth=2):
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
        )
        self._page.add_patch(patch)

    def arrow(self, start, end):
        """Draws an arrow from one point to another, `(x, y)` each."""
        arrow = import_matplotlib().patches.FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>,head_length=8,head_width=4",
            color=PALE_INK,
            linewidth=2.6,
            shrinkA=0,
            shrinkB=0,
            mutation_scale=2,
            zorder=1,
        )
        self._page.add_patch(arrow)

    def colour_scale(self, left, top, width, low, high, marks=()):
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

    def image(self):
        """The page as an RGB `PIL.Image.Image`."""
        self._agg.draw()
        return Image.fromarray(np.asarray(self._agg.buffer_rgba())[..., :3].copy())
