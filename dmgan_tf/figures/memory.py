"""The most relevant words at each refinement, and the response gate."""

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmgan_tf.figures.attention import check_refined, map_colours
from dmgan_tf.figures.canvas import (
    BODY,
    GAP,
    MARGIN,
    PALE_INK,
    SMALL,
    Canvas,
    fitting,
    line_height,
    rounded,
    text_lines,
)
from dmgan_tf.figures.contact_sheet import resized
from dmgan_tf.figures.drawing import Drawing
from dmgan_tf.figures.relevance import (
    attention_mean,
    attention_peaks,
    order_by_attention,
    order_by_gate,
)

_CELL = 144  # pictures and maps
_LIST_WIDTH = 292  # a word, a dot on a line, a number
_WORD_WIDTH, _NUMBER_WIDTH = 116, 72  # of those
_LINE = 26  # from one word to the next
_SPACE = 28  # between columns


def memory_figure(
    drawings: Sequence[Drawing],
    labels: Sequence[str] | None = None,
    *,
    num_words: int = 5,
    by: str = "mean",
    title: str | None = None,
) -> Image.Image:
    """Lists the most relevant words of each refinement between its input and its output.

    Words are listed in the order of the writing gate, and again in that of key addressing, or of
    word attention in a model without a memory; `relevance` says how each is measured. A list's line
    goes from the caption's least to its most relevant word, with a tick at their mean. A map shows
    the response gate.

    Reference:
        Figure 6: (b) of one drawing, (a) of two, the same caption drawn by two models.

    Args:
        drawings: One or more, each with a refinement or more.
        labels: Headings, such as the model's name, if any.
        num_words: How many words to list.
        by: What ranks words by attention, `"mean"` or `"peaks"`.
        title: A line at the top, such as the model and the seed.

    Raises:
        InputError: If a model has one stage only.
    """
    for drawing in drawings:
        check_refined(drawing)
    columns = _columns(drawings)
    canvas = Canvas(sum(columns.values()) + (len(columns) - 1) * _SPACE + 2 * MARGIN)
    width = canvas.width - 2 * MARGIN
    num_words = min(num_words, max(len(drawing.words) for drawing in drawings))
    top = canvas.write_title(title, drawings[0].caption)
    for drawing, label in zip(drawings, labels or [None] * len(drawings), strict=True):
        if label:
            canvas.write(fitting(label, width, BODY, True), MARGIN, top, bold=True)
            top += line_height(BODY) + GAP
        # A map has its scale below it, and a long list may be longer.
        body = _CELL + (GAP + 32 if drawing.response_gates else 0)
        row = 2 * line_height(SMALL) + GAP + max(body, num_words * _LINE) + 2 * GAP
        for number in range(len(drawing.attention_scores)):
            canvas.rule(top)
            _draw_row(canvas, columns, _parts(drawing, number, num_words, by), top + GAP)
            top += row
    canvas.rule(top)
    note = text_lines(_note(drawings), width, SMALL)
    top = canvas.write_lines(note, MARGIN, top + GAP, SMALL, colour=PALE_INK)
    return canvas.image(top + GAP)


def _note(drawings):
    """The explanation of the lists."""
    note = (
        "A line goes from the caption's least relevant word to its most relevant one; its tick "
        "is the mean of all words."
    )
    repeated = any(len(set(drawing.words)) < len(drawing.words) for drawing in drawings)
    return f"{note} (2): the word's second place in the caption." if repeated else note


def _columns(drawings):
    """The columns that one of the drawings fills, and their widths."""
    columns = {"input": _CELL}
    if any(drawing.word_gates for drawing in drawings):
        columns["writing"] = _LIST_WIDTH
    columns["attention"] = _LIST_WIDTH
    if any(drawing.response_gates for drawing in drawings):
        columns["response"] = _CELL
    return {**columns, "output": _CELL}


def _draw_row(canvas, columns, parts, top):
    """One refinement of one model, from left to right."""
    left = MARGIN
    for name, width in columns.items():
        if name in parts:
            heading, explanation, draw_part = parts[name]
            canvas.write(heading, left, top, SMALL, bold=True)
            canvas.write(explanation, left, top + line_height(SMALL), SMALL, PALE_INK)
            draw_part(canvas, left, top + 2 * line_height(SMALL) + GAP)
        left += width + _SPACE


def _parts(drawing, number, num_words, by):
    """The columns of a refinement: a heading, its explanation, and how to draw it."""
    scores = drawing.attention_scores[number]
    source, result = drawing.stages[number : number + 2]
    name = "key addressing" if drawing.refinement == "memory" else "word attention"
    values, share = attention_mean(scores), "mean attention weight"
    if by == "peaks" and attention_peaks(scores).any():
        values, share = attention_peaks(scores), "attention above 4/words"
    elif by == "peaks":
        share = "mean; none is above 4/words"
    order = order_by_attention(scores, by)[:num_words]
    parts = {
        "input": (f"{source.shape[0]} px", "before", _picture(source)),
        "attention": (name, share, _list(drawing.word_labels, values, order)),
        "output": (f"{result.shape[0]} px", f"after refinement {number + 1}", _picture(result)),
    }
    if drawing.word_gates:
        gate = drawing.word_gates[number]
        gates = _list(drawing.word_labels, gate, order_by_gate(gate)[:num_words])
        parts["writing"] = ("memory writing", "gate: weight of the word", gates)
    if drawing.response_gates:
        gate_map = functools.partial(_draw_response, drawing.response_gates[number])
        parts["response"] = ("response gate", "weight of memory", gate_map)
    return parts


def _picture(pixels):
    return lambda canvas, left, top: canvas.picture(resized(pixels, _CELL), left, top)


def _list(word_labels, values, order):
    return functools.partial(_draw_list, word_labels, values, order)


def _draw_list(word_labels, values, order, canvas, left, top):
    """Draws words in order, each with a dot on a line from the least to the greatest value."""
    low, high = float(np.min(values)), float(np.max(values))
    start, length = left + _WORD_WIDTH + 8, _LIST_WIDTH - _WORD_WIDTH - _NUMBER_WIDTH - 16
    spread = high - low or 1.0
    mean = start + (float(np.mean(values)) - low) / spread * length
    for i, place in enumerate(order):
        label, y = f"{i + 1}. {word_labels[place]}", top + i * _LINE
        canvas.write(fitting(label, _WORD_WIDTH - 8, BODY), left, y + 3, BODY)
        value = rounded(values[place], high - low, 3)
        canvas.write(value, left + _LIST_WIDTH, y + 3, BODY, align="right")
        middle = y + _LINE / 2
        canvas.line((start, middle), (start + length, middle))
        canvas.line((mean, middle - 6), (mean, middle + 6), PALE_INK)
        canvas.dot(start + (float(values[place]) - low) / spread * length, middle, 9)


def _draw_response(gate, canvas, left, top):
    """The map of a response gate and its scale."""
    low, high = float(gate.min()), float(gate.max())
    if high - low < 1e-6:
        low, high = 0.0, 1.0
    canvas.picture(map_colours(gate, low, high, _CELL), left, top)
    canvas.colour_scale(left, top + _CELL + GAP, _CELL, low, high)
