"""Pages: of the size asked for, pixel for pixel, and with any text on them."""

import sys

import numpy as np
import pytest
from tiny_drawings import position_of

from dmgan_tf.errors import InputError
from dmgan_tf.figures import canvas
from dmgan_tf.figures.canvas import Canvas, colours, drawable, fitting, rounded, text_lines

ANY_SCRIPT = "中文 हिन्दी עברית عربي 😀 \x07 \ud800 a\u200db"


@pytest.mark.parametrize("size", [(1, 1), (333, 777), (1136, 613)])
def test_a_page_has_exactly_the_size_asked_for(size):
    page = Canvas(size[0]).image(size[1])
    assert page.mode == "RGB" and page.size == size
    assert (np.asarray(page) == 255).all()


def test_pictures_stand_pixel_for_pixel_where_they_were_put():
    pixels = np.random.default_rng(0).integers(0, 256, (31, 17, 3), "uint8")
    page = Canvas(90)
    page.picture(pixels, 40, 25)
    image = np.asarray(page.image(70))
    assert position_of(image, pixels) == (40, 25)
    image = image.copy()
    image[24:57, 39:58] = 255  # the picture with its thin frame
    assert (image == 255).all()


@pytest.mark.parametrize(
    ("align", "columns"), [("left", (50, 100)), ("center", (30, 70)), ("right", (0, 51))]
)
def test_type_stands_below_its_top_and_beside_its_place(align, columns):
    page = Canvas(100)
    page.write("Hgjp", 50, 20, size=14, align=align)
    inked_rows, inked_columns = np.nonzero((np.asarray(page.image(60)) < 250).any(axis=-1))
    assert 20 <= inked_rows.min() and inked_rows.max() < 20 + canvas.line_height(14)
    assert columns[0] <= inked_columns.min() and inked_columns.max() <= columns[1]


def test_dollar_signs_are_no_formulas():
    page = Canvas(200)
    page.write(r"$\frac{$ costs $5_", 5, 5)
    assert (np.asarray(page.image(40)) < 100).any()


@pytest.mark.filterwarnings("error")  # Matplotlib warns of each glyph that a font lacks
def test_text_of_any_script_is_drawn():
    page = Canvas(400)
    page.write_lines(text_lines(ANY_SCRIPT, 390), 5, 5)
    assert (np.asarray(page.image(60)) < 100).any()


def test_characters_that_no_font_has_become_squares(monkeypatch):
    monkeypatch.setattr(canvas, "_fonts", lambda: (["DejaVu Sans"], frozenset(map(ord, "ab□"))))
    assert drawable("a中b\u200d\N{VARIATION SELECTOR-16}\x07 \ud800") == "a□b□ □"


def test_lines_are_no_wider_than_asked():
    text = "a flat drawing of a red apple on a white background " * 2
    lines = text_lines(text, 200, 15, bold=True)
    assert " ".join(lines) == text.strip() and len(lines) > 3
    page = Canvas(220)
    page.write_lines(lines, 10, 0, 15, bold=True)
    assert (np.asarray(page.image(len(lines) * 30))[:, 212:] == 255).all()
    assert text_lines("", 200) == []


def test_a_line_that_does_not_fit_is_cut():
    assert fitting("red apple", 200) == "red apple"
    cut = fitting("incomprehensibilities", 60)
    assert cut.endswith("…") and "incomprehensibilities".startswith(cut[:-1]) and len(cut) > 3


def test_colours_are_viridis_and_end_at_its_ends():
    ends = colours(np.array([[-1.0, 0.0], [1.0, 2.0]]))
    assert ends.dtype == np.uint8 and ends.shape == (2, 2, 3)
    assert ends.reshape(4, 3).tolist() == [[68, 1, 84]] * 2 + [[253, 231, 36]] * 2


@pytest.mark.parametrize(
    ("value", "spread", "fewest", "text"),
    [
        (0.25, 0.3, 2, "0.25"),
        (0.25, 0.03, 2, "0.250"),
        (0.142857, 0.0002, 3, "0.14286"),
        (0.142857, 1e-9, 3, "0.14286"),
        (1.0, 0.0, 3, "1.000"),
    ],
)
def test_numbers_have_the_decimals_that_tell_them_apart(value, spread, fewest, text):
    assert rounded(value, spread, fewest) == text


def test_a_scale_runs_through_all_colours():
    page = Canvas(300)
    page.colour_scale(20, 10, 256, 0.5, 1.5, [(1.0, "1/1")])
    line = np.asarray(page.image(60))[16, 20:276]
    np.testing.assert_array_equal(line, colours(np.linspace(0, 1, 256)))


def test_a_page_that_no_memory_would_hold_is_refused():
    with pytest.raises(InputError, match="at most 40 megapixels. Received: one of 1000 x 41000"):
        Canvas(1000).image(41000)


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match="pip install matplotlib") as caught:
        Canvas(10)
    assert "\n" not in str(caught.value)
