"""A model's structure as a picture, with names and numbers from the model itself."""

from collections.abc import Callable, Sequence

from PIL import Image

from dmgan_tf.figures.canvas import INK, PALE_INK, Canvas, text_lines, text_width
from dmgan_tf.figures.network_parts import Architecture, named_shape

# In pixels: twice the usual size, so that the picture stays sharp where a page shows it smaller.
_COLUMN, _GAP, _MARGIN, _INSET = 390, 48, 28, 36
_HEADING, _TITLE, _TEXT = 34, 28, 23
_LINE = 31  # from one line of text to the next
_PILL, _ARROW = 46, 50
_PADDING = 18  # around the text of a box, and around the boxes of a container
_SMALLEST_IMAGE = 72
_PANEL, _CONTAINER = "#f5f6f7", "#e1e6ee"
# Edge and background colours for words, images, the memory, training; by a part of the path of a
# layer, the first match, or of the name of a tensor.
_WORDS, _IMAGES = ("#b7791f", "#fff6e3"), ("#2f6fb0", "#eaf3fc")
_MEMORY, _TRAINING = ("#7a4fb5", "#f3ecfb"), ("#3f8a56", "#ebf6ee")
_COLOURS = {
    **dict.fromkeys(("text_encoder", "conditioning", "token", "word_features"), _WORDS),
    **dict.fromkeys(("discriminators", "image_encoder"), _TRAINING),
    **dict.fromkeys(("residual", "upsample", "initial_stage", "image"), _IMAGES),
    "refinement_stages": _MEMORY,
    **{"sentence": _WORDS, "generator": _IMAGES},
    "": (PALE_INK, "white"),
}
_JUDGED = "drawn and real images, beside what the captions say; below, the losses"
_LEGEND = "each box a class: what it does, what it is made of, → what it returns for each caption"


def architecture_figure(architecture: Architecture, losses: Sequence[Callable] = ()) -> Image.Image:
    """Draws how a caption becomes images, what happens in a refinement, and what trains it.

    Every box is a class: its name, the first sentence of its docstring, the layers inside it, the
    tensors that it returns, with their shapes without the batch, and its number of parameters.
    Above it are its inputs that the box on its left does not return.

    Reference:
        Figure 2.

    Args:
        architecture: The result of `read_architecture`.
        losses: The loss functions of the model's training, to be named.
    """
    columns = max(len(architecture.images) + 2, 4)
    canvas = Canvas(2 * (_MARGIN + _INSET) + columns * (_COLUMN + _GAP) - _GAP)
    stages, bottom = architecture.generation, 0
    for title, note, *rest in (
        (architecture.model_name, _LEGEND, stages, architecture.images),
        (f"inside the first {stages[-1].name}", "", architecture.refinement),
        ("in training", _JUDGED, architecture.training, (), losses),
    ):
        if rest[0]:
            bottom = _draw_panel(canvas, bottom + _MARGIN, title, note, *rest)
    return canvas.image(bottom + _MARGIN)


def _draw_panel(canvas, top, title, note, parts, images=(), losses=()):
    """Draws parts side by side on one background, and returns the y below it."""
    left, right = _MARGIN + _INSET, canvas.width - _MARGIN - _INSET
    canvas.write(title, left, top + 24, _HEADING, bold=True)
    canvas.write(note, right, top + 32, _TEXT, PALE_INK, align="right")
    containers = [part for part in parts if any(_holds(part, other) for other in parts)]
    boxes = [part for part in parts if part not in containers]
    width = min((right - left + _GAP) / len(boxes) - _GAP, 1.35 * _COLUMN)
    lefts = [left + i * (width + _GAP) for i in range(len(boxes))]
    row, bottom = _draw_row(canvas, top + 90, boxes, lefts, width)
    below = bottom
    for i, image in enumerate(images):
        centre = lefts[i - len(images)] + width / 2
        below = _draw_image(canvas, image, centre, bottom, _SMALLEST_IMAGE + 44 * i)
    for container in containers:
        held = [x for box, x in zip(boxes, lefts, strict=True) if _holds(container, box)]
        ends = held[0] - _PADDING, held[-1] + width + _PADDING
        below = _draw_container(canvas, container, *ends, row - _PADDING, below)
    if losses:
        below += 20
        for loss in losses:
            size = text_width(loss.__name__, _TEXT) + 44
            _draw_pill(canvas, loss.__name__, left + size / 2, below, _TRAINING)
            left += size + 16
        below += _PILL
    bottom = round(below + _PADDING)
    ground = (_MARGIN, top, canvas.width - 2 * _MARGIN, bottom - top)
    canvas.rounded(*ground, 28, "none", _PANEL, depth=0.1)
    return bottom


def _holds(part, other):
    return other.path.startswith(f"{part.path}.")


def _draw_row(canvas, top, boxes, lefts, width):
    """Draws boxes of one height, with inputs above them; returns their top and bottom."""
    chain = boxes[0].path.startswith(("text_encoder", "generator"))
    before = [None, *boxes[:-1]] if chain else [None] * len(boxes)
    given = [_given(*pair) for pair in zip(boxes, before, strict=True)]
    texts = [_text(box, width - 2 * _PADDING) for box in boxes]
    row = top + max(map(len, given)) * (_PILL + 8) + _ARROW
    height = (max(map(len, texts)) + 1) * _LINE + 2 * _PADDING + 8
    for left, box, left_of, names, lines in zip(lefts, boxes, before, given, texts, strict=True):
        centre, middle = left + width / 2, row + height / 2
        y = row - _ARROW - 8
        for name in names:
            _draw_pill(canvas, name, centre, y - _PILL, _colours(name))
            y -= _PILL + 8
        if names:
            canvas.arrow((centre, row - _ARROW - 8), (centre, row))
        if left_of:
            canvas.arrow((left - _GAP, middle), (left, middle))
        canvas.rounded(left, row, width, height, 16, *_colours(box.path))
        for i, (line, size, colour) in enumerate(lines):
            y = row + _PADDING + i * _LINE + (8 if i else 0)
            canvas.write(line, centre, y, size, colour, bold=not i, align="center")
        footer = f"{box.parameters:,} parameters"
        canvas.write(
            footer, centre, row + height - _PADDING - _LINE, _TEXT, PALE_INK, align="center"
        )
    return row, row + height


def _given(part, left_of):
    """The inputs of a part, without those from the part on its left."""
    names = [name for name in part.inputs if name != "padding_mask"]
    if left_of:  # the first of them may have had another name there
        known = [name for name in names if name in left_of.outputs] or names[:1]
        names = [name for name in names if name not in known]
    return [named_shape(name, part.inputs[name]) for name in names]


def _text(part, width):
    """The lines of a box without its footer: text, size and colour."""
    size = _TITLE
    while text_width(part.name, size, bold=True) > width:
        size -= 1
    paragraphs = [(part.summary, PALE_INK), (" · ".join(part.inside), _colours(part.path)[0])]
    paragraphs += [("→ " + named_shape(*output), INK) for output in part.outputs.items()]
    lines = [
        (line, _TEXT, colour)
        for text, colour in paragraphs
        for line in text_lines(text, width, _TEXT)
    ]
    return [(part.name, size, INK), *lines]


def _draw_pill(canvas, text, centre, top, colours):
    """Writes a word on a rounded background."""
    width = text_width(text, _TEXT) + 44
    canvas.rounded(centre - width / 2, top, width, _PILL, _PILL / 2, *colours)
    canvas.write(text, centre, top + (_PILL - _LINE) / 2, _TEXT, align="center")


def _draw_image(canvas, part, centre, top, side):
    """Draws the place of the image below its stage, and returns the y below it."""
    canvas.arrow((centre, top), (centre, top + _ARROW))
    canvas.write(part.name, centre + 16, top + 8, _TEXT, PALE_INK)
    top += _ARROW
    canvas.rounded(centre - side / 2, top, side, side, 6, _IMAGES[0], "white")
    (shape,) = part.outputs.values()
    canvas.write(named_shape("", shape), centre, top + side + 8, _TEXT, align="center")
    return top + side + 8 + _LINE


def _draw_container(canvas, part, left, right, top, bottom):
    """Draws a background behind the boxes inside a part, and returns the y below it."""
    colour, _ = _colours(part.path)
    label = f"{part.name}, {part.parameters:,} parameters"
    canvas.write(label, left + _PADDING, bottom + 10, _TEXT, colour, bold=True)
    if "features" in part.outputs:
        text = "→ " + named_shape("features", part.outputs["features"])
        canvas.write(text, right - _PADDING, bottom + 10, _TEXT, align="right")
    bottom += 10 + _LINE + _PADDING / 2
    canvas.rounded(left, top, right - left, bottom - top, 22, "none", _CONTAINER, depth=0.5)
    return bottom


def _colours(name):
    return next(colours for part, colours in _COLOURS.items() if part in name)
