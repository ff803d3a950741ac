"""A sheet of pictures: samples in rows, each caption under its samples."""

import math
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import replacing

_INK = (30, 30, 30)
_PALE_INK = (110, 110, 110)
_PAPER = (255, 255, 255)
_GAP = 4  # between pictures of one caption, in pixels
_MARGIN = 16  # around the blocks of one caption
_SMALLEST_CELL = 96  # smaller pictures are enlarged, or no caption would fit under them
_SHEET_WIDTH = 1200  # blocks stand side by side up to about this width
_MOST_LINES = 6
_FONT_SIZE, _LINE_HEIGHT = 15, 20
# Pillow's own font has ASCII only; these, wherever the system has one, cover most scripts.
_WIDE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "arial.ttf",
)


def caption_font(texts: Sequence[str], size: int) -> ImageFont.FreeTypeFont:
    """Returns the font that Pillow ships, or one of the system's if `texts` need more than ASCII.

    Args:
        texts: All that is to be written.
        size: In pixels.

    Returns:
        A font; characters that it lacks are drawn as empty boxes.
    """
    if not all(text.isascii() for text in texts):
        for name in _WIDE_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:  # not on this system
                continue
    return ImageFont.load_default(size=size)


def wrap_text(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Breaks `text` into lines no wider than `width`, within words only if necessary.

    Args:
        text: Any text; white space counts as single spaces.
        font: The font that the lines will be drawn in.
        width: In pixels.

    Returns:
        At most six lines, the last one ending in an ellipsis if text is left over.
    """
    # A lone surrogate, as undecodable arguments of a command become, has no UTF-8 and no glyph.
    words = text.encode("utf-8", "replace").decode("utf-8").split()
    lines = [""]
    for word in words:
        candidate = f"{lines[-1]} {word}".strip()
        if font.getlength(candidate) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and font.getlength(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    if len(lines) > _MOST_LINES:
        lines = lines[:_MOST_LINES]
        while lines[-1] and font.getlength(lines[-1] + "...") > width:
            lines[-1] = lines[-1][:-1]
        lines[-1] += "..."
    return lines


def contact_sheet(
    images: Sequence,
    captions: Sequence[str],
    *,
    samples_per_caption: int = 1,
    stages: Sequence[np.ndarray] | None = None,
    columns: int | None = None,
    cell_size: int | None = None,
    title: str | None = None,
) -> Image.Image:
    """Draws samples on white, block by block: a caption's samples, and the caption under them.

    Unlike the other figures it does not need Matplotlib: training and sampling use it.

    Args:
        images: uint8 `(samples, height, width, 3)`, a caption's samples next to each other; or one
            sequence of `(height, width, 3)` for each caption, whose lengths may then differ.
        captions: What to write under each block; an empty string writes nothing.
        samples_per_caption: How many successive images belong to a caption.
        stages: If given, every stage's uint8 `(samples, side, side, 3)`, smallest first and the
            final images included, drawn side by side instead of `images`, one sample per line.
        columns: Blocks side by side; by default as many as make a sheet some 1200 pixels wide.
        cell_size: Height and width in pixels at which each picture is drawn; by default its own,
            enlarged in whole steps when smaller than 96.
        title: A line at the top, such as the model's name and the seed.

    Raises:
        InputError: If there are no captions, or if the images do not match them in number.
    """
    blocks = _blocks(images, captions, samples_per_caption, stages)
    if cell_size is None:
        cell_size = max(picture.shape[0] for block in blocks for line in block for picture in line)
        cell_size *= math.ceil(_SMALLEST_CELL / cell_size)
    font = caption_font([*captions, title or ""], _FONT_SIZE)
    widest = max(len(line) for block in blocks for line in block)
    block_width = widest * (cell_size + _GAP) - _GAP
    if columns is None:
        columns = max(1, (_SHEET_WIDTH - _MARGIN) // (block_width + _MARGIN))
    columns = min(columns, len(blocks))
    texts = [wrap_text(caption, font, block_width) for caption in captions]
    heights = [
        len(block) * (cell_size + _GAP) + len(text) * _LINE_HEIGHT
        for block, text in zip(blocks, texts, strict=True)
    ]
    rows = [range(len(blocks))[i : i + columns] for i in range(0, len(blocks), columns)]
    sheet_width = columns * (block_width + _MARGIN) + _MARGIN
    title_lines = wrap_text(title, font, sheet_width - 2 * _MARGIN) if title else []
    top = _MARGIN + len(title_lines) * _LINE_HEIGHT + (_MARGIN // 2 if title_lines else 0)
    height = top + sum(max(heights[i] for i in row) + _MARGIN for row in rows)
    sheet = Image.new("RGB", (sheet_width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, _MARGIN, _MARGIN, title_lines, font, _PALE_INK)
    for row in rows:
        for column, i in enumerate(row):
            left = _MARGIN + column * (block_width + _MARGIN)
            bottom = _paste_block(sheet, blocks[i], left, top, cell_size)
            _write(draw, left, bottom, texts[i], font, _INK)
        top += max(heights[i] for i in row) + _MARGIN
    return sheet


def resized(pixels: np.ndarray, size: int) -> Image.Image:
    """Returns one square picture, uint8 `(side, side, 3)`, at another size in pixels."""
    picture = Image.fromarray(pixels)
    if picture.size == (size, size):
        return picture
    # Integer factors keep the pixels of a small stage visible.
    whole = size % pixels.shape[0] == 0 and size > pixels.shape[0]
    method = Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS
    return picture.resize((size, size), method)


def save_png(
    path: str | os.PathLike, image: Image.Image, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes `image` as PNG, completely or not at all.

    Args:
        path: The file; missing directories are created.
        image: The picture.
        metadata: Text stored inside the file, such as the caption and the seed.
    """
    information = PngImagePlugin.PngInfo()
    for key, value in (metadata or {}).items():
        information.add_itxt(key, value.encode("utf-8", "replace").decode("utf-8"))
    with replacing(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=information)


def save_picture(
    path: str | os.PathLike, image: Image.Image, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes `image` as JPEG if `path` ends in .jpg or .jpeg, else as PNG, whole or not at all.

    A page of many pictures is half as large as JPEG, at a quality at which text stays sharp.

    Args:
        path: The file; missing directories are created.
        image: The picture.
        metadata: Text stored inside the file, such as the caption and the seed; in a JPEG as one
            comment.
    """
    if pathlib.PurePath(path).suffix.lower() not in (".jpg", ".jpeg"):
        save_png(path, image, metadata)
        return
    lines = (f"{key}: {value}" for key, value in (metadata or {}).items())
    comment = "\n".join(lines).encode("utf-8", "replace")
    with replacing(path) as temporary:
        image.save(
            temporary, format="JPEG", quality=92, subsampling=0, optimize=True, comment=comment
        )


def _blocks(images, captions, samples_per_caption, stages):
    """One block for each caption: lines of pictures, each uint8 `(height, width, 3)`."""
    if not len(captions):
        raise InputError("`captions` must contain at least one caption. Received none.")
    samples = images if stages is None else list(zip(*stages, strict=True))
    # Rows of pictures: of one sample's stages, or of a caption's samples, which may be none.
    in_rows = any(len(row) > 0 and np.ndim(row[0]) == 3 for row in samples)
    if in_rows and stages is None:
        samples_per_caption = 1
    if len(samples) != len(captions) * samples_per_caption:
        raise InputError(
            f"Expected {len(captions)} captions x {samples_per_caption} samples = "
            f"{len(captions) * samples_per_caption} images. Received: {len(samples)}."
        )
    starts = range(0, len(samples), samples_per_caption)
    blocks = [list(samples[start : start + samples_per_caption]) for start in starts]
    # Samples run across; with stages, stages run across and samples down.
    return blocks if in_rows else [[block] for block in blocks]


def _paste_block(sheet, block, left, top, cell_size):
    """Draws a block's pictures and returns the y below them."""
    for line in block:
        for position, pixels in enumerate(line):
            picture = resized(pixels, cell_size)
            sheet.paste(picture, (left + position * (cell_size + _GAP), top))
        top += cell_size + _GAP
    return top


def _write(draw, left, top, lines, font, colour):
    """Draws lines of text from the given corner down."""
    for number, line in enumerate(lines):
        draw.text((left, top + number * _LINE_HEIGHT), line, font=font, fill=colour)
