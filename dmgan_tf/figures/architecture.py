"""A model's structure as a picture, its names and numbers read off the model itself."""

from collections.abc import Callable, Sequence

from dmgan_tf.figures.canvas import INK, PALE_INK, TITLE
from dmgan_tf.figures.diagram import Box, Diagram
from dmgan_tf.figures.network_parts import Architecture, shape_text

_MARGIN = 14
_INSET = 18  # from the edge of a panel to what stands on it
_COLUMN, _GAP = 208, 34
_FIRST_COLUMN = 218
_SMALLEST_IMAGE = 36
_STEP = 26  # the length of an arrow between two rows
# The edge and the ground of what is about words, images, the memory, training.
_WORDS = ("#b7791f", "#fff6e3")
_IMAGES = ("#2f6fb0", "#eaf3fc")
_MEMORY = ("#7a4fb5", "#f3ecfb")
_TRAINING = ("#3f8a56", "#ebf6ee")
_PANEL, _GENERATOR_PANEL, _MEMORY_PANEL = "#f5f6f7", "#e3e9f1", "#e6daf5"
_JUDGED = "drawn and real images, beside what the captions say"
_LEGEND = "each box a class: what it does, what it is made of, → what it returns for each caption"


def architecture_figure(architecture: Architecture, losses: Sequence[Callable] = ()):
    """Draws how a caption becomes images, what happens in a refinement, and what trains it.

    Every box is a class: its name, the first sentence of its docstring, the tensors that it
    returns, with their shapes but for the batch, and how many numbers it trains.

    Reference:
        Figure 2.

    Args:
        architecture: What `read_architecture` returned.
        losses: The functions that the model is trained by, to be named.

    Returns:
        A `PIL.Image.Image`.
    """
    columns = max(len(architecture.stages), 3)
    width = 2 * (_MARGIN + _INSET) + _FIRST_COLUMN + columns * (_GAP + _COLUMN)
    diagram = Diagram(width)
    bottom = _draw_generation(diagram, architecture, _MARGIN)
    if architecture.refinement:
        bottom = _draw_refinement(diagram, architecture, bottom + _MARGIN)
    if architecture.discriminators or architecture.image_encoder:
        bottom = _draw_training(diagram, architecture, losses, bottom + _MARGIN)
    return diagram.image(bottom + _MARGIN)


def _draw_generation(diagram, architecture, top):
    """The way from a caption to the images; returns the y below it."""
    y = _head(diagram, architecture.model_name, _LEGEND, top)
    left, centre = _MARGIN + _INSET, _MARGIN + _INSET + _FIRST_COLUMN / 2
    pill_bottom = diagram.pill('"a small bird with a red breast"', centre, y, *_WORDS)
    encoder_top = pill_bottom + _STEP
    encoder_bottom = diagram.box(
        _box(architecture.text_encoder, _WORDS), left, encoder_top, _FIRST_COLUMN
    )
    diagram.arrow((centre, pill_bottom), (centre, encoder_top))

    row_top = encoder_bottom + _STEP + 10
    boxes = [(_box(architecture.conditioning, _WORDS), left, _FIRST_COLUMN)]
    for i, stage in enumerate(architecture.stages):
        column = left + _FIRST_COLUMN + _GAP + i * (_COLUMN + _GAP)
        colours = _MEMORY if i else _IMAGES
        boxes.append((_box(stage, colours, only="features"), column, _COLUMN))
    row_bottom = _draw_row(diagram, boxes, row_top)
    diagram.arrow((centre, encoder_bottom), (centre, row_top))
    pill_top = row_bottom + _STEP
    noise, size = "condition_noise", architecture.noise["condition_noise"]
    diagram.pill(f"{noise} {size}", centre, pill_top, PALE_INK, "white")
    diagram.arrow((centre, pill_top), (centre, row_bottom))
    name, parameters = architecture.generator
    diagram.label(name, left, pill_top + 60, 14, _IMAGES[0], bold=True, align="left")
    diagram.label(f"{parameters:,} parameters", left, pill_top + 80, colour=PALE_INK, align="left")
    bus = encoder_top + 20
    _draw_inputs(diagram, architecture, [box[1] + _COLUMN / 2 for box in boxes[1:]], bus, row_top)
    bottom = max(_draw_images(diagram, architecture, boxes[1:], row_bottom), pill_top + 98) + 10
    inner = (_MARGIN + 8, row_top - 10, diagram.width - _MARGIN - 8, bottom - 8)
    diagram.panel(*inner, _GENERATOR_PANEL, 0.5)
    diagram.panel(_MARGIN, top, diagram.width - _MARGIN, bottom, _PANEL)
    return bottom


def _draw_inputs(diagram, architecture, centres, bus, row_top):
    """The noise that enters the initial stage, and the words that enter each refinement."""
    noise_top = row_top - _STEP - 24
    diagram.pill(f"noise {architecture.noise['noise']}", centres[0], noise_top, PALE_INK, "white")
    diagram.arrow((centres[0], noise_top + 24), (centres[0], row_top))
    if len(centres) > 1:
        words = architecture.text_encoder.outputs["word_features"]
        start = _MARGIN + _INSET + _FIRST_COLUMN
        diagram.arrow((start, bus), (centres[-1], bus), (centres[-1], row_top))
        for centre in centres[1:-1]:
            diagram.arrow((centre, bus), (centre, row_top))
        diagram.label(f"word_features {shape_text(words)}", start + _GAP, bus - 20, align="left")


def _draw_images(diagram, architecture, boxes, row_bottom):
    """The image below each stage; returns the y below the largest."""
    image_top = row_bottom + _STEP + 6
    for i, ((_, left, width), to_image) in enumerate(
        zip(boxes, architecture.to_images, strict=True)
    ):
        centre, (shape,) = left + width / 2, to_image.outputs.values()
        diagram.arrow((centre, row_bottom), (centre, image_top))
        diagram.label(to_image.name, centre + 8, row_bottom + 5, colour=PALE_INK, align="left")
        side = _SMALLEST_IMAGE + 22 * i
        bottom = diagram.square(shape_text(shape), centre, image_top, side, _IMAGES[0], "white")
    return bottom + 8


def _draw_refinement(diagram, architecture, top):
    """What happens inside a refinement; returns the y below it."""
    stage = architecture.stages[1]
    y = _head(diagram, f"inside {stage.name}", f"{stage.parameters:,} parameters each", top)
    parts = architecture.refinement
    left, gap = _MARGIN + _INSET + 10, 34
    width = (diagram.width - 2 * left - (len(parts) - 1) * gap) / len(parts)
    width = min(width, 1.4 * _COLUMN)
    row_top = y + 24 + 50
    colours = [_MEMORY if i < architecture.num_reading else _IMAGES for i in range(len(parts))]
    boxes = [
        (_box(part, colours[i], inside=False), left + i * (width + gap), width)
        for i, part in enumerate(parts)
    ]
    row_bottom = _draw_row(diagram, boxes, row_top)
    readers = boxes[: architecture.num_reading]
    reader = architecture.word_reader
    if parts[0].path != reader.path:  # or it is that box itself
        right, inner_bottom = readers[-1][1] + width + 10, row_bottom + 32
        diagram.panel(left - 10, row_top - 12, right, inner_bottom, _MEMORY_PANEL, 0.5)
        y_below = row_bottom + 9
        diagram.label(reader.name, left, y_below, colour=_MEMORY[0], bold=True, align="left")
        features = f"→ features {shape_text(reader.outputs['features'])}"
        diagram.label(features, right - 10, y_below, align="right")
        row_bottom = inner_bottom - 4
    _draw_reading(diagram, architecture, readers, y, row_top)
    bottom = row_bottom + 18
    diagram.panel(_MARGIN, top, diagram.width - _MARGIN, bottom, _PANEL)
    return bottom


def _draw_reading(diagram, architecture, readers, top, row_top):
    """The words, which the first reader takes, and the image features, which all of them do."""
    _, left, width = readers[0]
    features_name, words_name, *_ = architecture.stages[1].takes
    words = shape_text(architecture.text_encoder.outputs["word_features"])
    features = shape_text(_only(architecture.stages[0].outputs))
    x = diagram.tag(f"{words_name} {words}", left, top, *_WORDS)
    diagram.arrow((left + 24, top + 24), (left + 24, row_top))
    diagram.tag(f"{features_name} {features}", x + 14, top, *_IMAGES)
    bus = top + 24 + 12
    diagram.arrow((x + 60, top + 24), (x + 60, bus), head=False)
    centres = [reader_left + width / 2 for _, reader_left, _ in readers]
    diagram.arrow((min(x + 60, centres[0]), bus), (max(x + 60, centres[-1]), bus), head=False)
    for centre in centres:
        diagram.arrow((centre, bus), (centre, row_top))


def _draw_training(diagram, architecture, losses, top):
    """The networks that judge the images, and the losses; returns the y below it."""
    y = _head(diagram, "in training", _JUDGED, top)
    sizes = [_only(part.outputs) for part in architecture.to_images]
    judges = list(zip(architecture.discriminators, sizes, strict=False))
    if architecture.image_encoder:
        judges.append((architecture.image_encoder, sizes[-1]))
    left, gap = _MARGIN + _INSET, 18
    columns = max(len(judges), 4)
    width = (diagram.width - 2 * left - (columns - 1) * gap) / columns
    row_top = y + 24 + _STEP
    boxes = []
    for i, (part, size) in enumerate(judges):
        column = left + i * (width + gap)
        centre = column + width / 2
        diagram.pill(shape_text(size), centre, y, *_IMAGES)
        diagram.arrow((centre, y + 24), (centre, row_top))
        boxes.append((_box(part, _TRAINING), column, width))
    bottom = _draw_row(diagram, boxes, row_top, arrows=False)
    if losses:
        diagram.label("losses", left, bottom + 20, colour=PALE_INK, align="left")
        x = left + 56
        for loss in losses:
            x = diagram.tag(loss.__name__, x, bottom + 16, *_TRAINING) + 10
        bottom += 40
    bottom += 18
    diagram.panel(_MARGIN, top, diagram.width - _MARGIN, bottom, _PANEL)
    return bottom


def _draw_row(diagram, boxes, top, arrows=True):
    """Boxes of one height side by side, an arrow from each to the next; the y below them."""
    height = max(box.height(width) for box, _, width in boxes)
    for box, left, width in boxes:
        bottom = diagram.box(box, left, top, width, height)
    for (_, left, width), (_, next_left, _) in zip(boxes, boxes[1:], strict=False):
        if arrows:
            diagram.arrow((left + width, top + height / 2), (next_left, top + height / 2))
    return bottom


def _head(diagram, title, note, top):
    """The heading of a panel, and the y below it."""
    diagram.label(title, _MARGIN + _INSET, top + 12, TITLE, bold=True, align="left")
    right = diagram.width - _MARGIN - _INSET
    diagram.label(note, right, top + 16, colour=PALE_INK, align="right")
    return top + 48


def _box(part, colours, only=None, inside=True):
    """A part as a box."""
    colour, _ = colours
    text = [(part.summary, PALE_INK)]
    if inside:
        text.append((" · ".join(part.inside), colour))
    for name, shape in part.outputs.items():
        if only in (None, name) or len(part.outputs) == 1:
            text.append((" ".join(filter(None, ("→", name, shape_text(shape)))), INK))
    return Box(part.name, *colours, tuple(text), f"{part.parameters:,} parameters")


def _only(outputs):
    (shape,) = outputs.values()
    return shape
