"""Contact sheets: every picture where it belongs, and captions that fit."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from dmgan_tf.figures.contact_sheet import contact_sheet, save_png, wrap_text

FONT = ImageFont.load_default(size=15)


def plain(colours, size=100):
    """One image of a single colour for each (red, green, blue)."""
    colours = np.asarray(colours, "uint8").reshape(-1, 1, 1, 3)
    return np.broadcast_to(colours, (len(colours), size, size, 3)).copy()


RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def colours_along(sheet, y):
    """The colours met on a line of the sheet, from left to right, paper left out."""
    line = [tuple(int(value) for value in pixel) for pixel in np.asarray(sheet)[y]]
    met = []
    for before, pixel in zip([None, *line], line, strict=False):
        if pixel != before and pixel != (255, 255, 255):
            met.append(pixel)
    return met


def test_samples_of_a_caption_stand_side_by_side():
    images = plain([RED, GREEN, BLUE, BLACK])
    sheet = contact_sheet(images, ["a", "b"], samples_per_caption=2, columns=1)
    assert sheet.mode == "RGB"
    assert sheet.getpixel((0, 0)) == (255, 255, 255)
    assert colours_along(sheet, 30) == [RED, GREEN]
    assert colours_along(sheet, sheet.height - 60) == [BLUE, BLACK]


def test_rows_of_lists_equal_one_array():
    images = plain([RED, GREEN, BLUE, BLACK])
    one = contact_sheet(images, ["a", "b"], samples_per_caption=2)
    rows = contact_sheet([list(images[:2]), list(images[2:])], ["a", "b"])
    np.testing.assert_array_equal(np.asarray(one), np.asarray(rows))


def test_rows_may_differ_in_length_and_be_empty():
    sheet = contact_sheet([[], list(plain([RED, GREEN]))], ["a", "b"])
    assert colours_along(sheet, 30) == [RED, GREEN]


def test_stages_run_across_and_samples_down():
    small = plain([RED, GREEN], size=50)
    large = plain([BLUE, BLACK], size=100)
    sheet = contact_sheet(large, [""], samples_per_caption=2, stages=[small, large])
    assert colours_along(sheet, 50) == [RED, BLUE]
    assert colours_along(sheet, 160) == [GREEN, BLACK]


def test_small_pictures_are_enlarged_in_whole_steps():
    pixels = np.random.RandomState(0).randint(0, 256, (1, 32, 32, 3)).astype("uint8")
    sheet = np.asarray(contact_sheet(pixels, [""]))
    enlarged = pixels[0].repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_array_equal(sheet[16 : 16 + 96, 16 : 16 + 96], enlarged)


def test_captions_leave_ink_and_stay_inside():
    images = plain([RED, RED])
    blank = np.asarray(contact_sheet(images, ["", ""], columns=1))
    written = np.asarray(contact_sheet(images, ["an apple " * 20, "x"], columns=1))
    assert written.shape[0] > blank.shape[0]
    assert (written[130:] < 100).all(axis=-1).any()
    assert (written[:, -3:] == 255).all()


def test_title_stands_on_top():
    images = plain([RED])
    title = np.asarray(contact_sheet(images, [""], title="seed 0"))
    plain_sheet = np.asarray(contact_sheet(images, [""]))
    height = title.shape[0] - plain_sheet.shape[0]
    assert height > 0
    assert (title[:height] < 200).any()
    np.testing.assert_array_equal(title[height + 10 :], plain_sheet[10:])


def test_wrapped_lines_fit_and_keep_the_words():
    text = "a flat drawing of a red apple with a green leaf"
    lines = wrap_text(text, FONT, 120)
    assert " ".join(lines) == text
    assert all(FONT.getlength(line) <= 120 for line in lines)


def test_long_word_is_broken_and_long_text_is_cut():
    lines = wrap_text("x" * 60, FONT, 100)
    assert "".join(lines) == "x" * 60
    assert all(FONT.getlength(line) <= 100 for line in lines)
    lines = wrap_text("word " * 200, FONT, 100)
    assert len(lines) == 6
    assert lines[-1].endswith("...")
    assert FONT.getlength(lines[-1]) <= 100


@pytest.mark.parametrize(
    "caption", ["красное яблоко", "赤いりんご", "🍎", "\ud800", "سیب", "a\nb\t"]
)
def test_captions_of_any_script_do_not_crash(caption):
    assert contact_sheet(plain([RED]), [caption]).height > 130


def test_wrong_counts_are_refused():
    with pytest.raises(ValueError, match="2 captions x 3 samples = 6 images. Received: 4"):
        contact_sheet(plain([RED] * 4), ["a", "b"], samples_per_caption=3)
    with pytest.raises(ValueError, match="at least one caption"):
        contact_sheet(plain([RED]), [])


def test_png_keeps_pixels_and_metadata(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (8, 8, 3)).astype("uint8")
    path = tmp_path / "new" / "picture.png"
    save_png(path, Image.fromarray(pixels), {"caption": "красное \ud800"})
    with Image.open(path) as loaded:
        np.testing.assert_array_equal(np.asarray(loaded), pixels)
        assert loaded.text["caption"] == "красное ?"
    assert [entry.name for entry in path.parent.iterdir()] == ["picture.png"]
