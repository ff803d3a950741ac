"""The words that matter most at each refinement, and where the picture takes them up."""

import functools
from collections.abc import Sequence

import numpy as np

from dmgan_tf.figures.attention import check_refined, map_colours
from dmgan_tf.figures.canvas import (
    BODY,
    GAP,
    INK,
    MARGIN,
    PALE_INK,
    RULE,
    SMALL,
    TITLE,
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
):
    """Lists the most relevant words of each refinement between its input and its output.

    Words stand in the order of the writing gate, and again in that of key addressing, or of word
    attention where the model has that instead; `relevance` says how each is measured. A list's line
    reaches from the caption's least to its most relevant word, and its tick marks their mean. A
    map shows where in the picture the response gate lets the memory in.

    Reference:
        Figure 6: (b) of one drawing, (a) of two, the same caption drawn by two models.

    Args:
        drawings: One or more, each with a refinement or more.
        labels: What to write above each, such as the model's name, if anything.
        num_words: How many words to list.
        by: What ranks words by attention, `"mean"` or `"peaks"`.
        title: A line at the top, such as the model and the seed.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        InputError: If a model has one stage only.
    """
    for drawing in drawings:
        check_refined(drawing)
    labels = labels or [None] * len(drawings)
    columns = _columns(drawings)
    width = sum(columns.values()) + (len(columns) - 1) * _SPACE + 2 * MARGIN
    caption = text_lines(drawings[0].caption, width - 2 * MARGIN, TITLE, bold=True)
    title_lines = text_lines(title, width - 2 * MARGIN, SMALL)
    num_words = min(num_words, max(len(drawing.words) for drawing in drawings))
    rows = [_row_height(drawing, num_words) for drawing in drawings]
    head = len(title_lines) * line_height(SMALL) + len(caption) * line_height(TITLE) + GAP
    blocks = [
        (line_height(BODY) + GAP if label else 0) + row * len(drawing.attention_scores)
        for drawing, label, row in zip(drawings, labels, rows, strict=True)
    ]
    note = text_lines(_note(drawings), width - 2 * MARGIN, SMALL)
    foot = GAP + len(note) * line_height(SMALL) + GAP
    canvas = Canvas(width, MARGIN + head + sum(blocks) + foot)
    below = canvas.write_lines(title_lines, MARGIN, MARGIN, SMALL, PALE_INK)
    canvas.write_lines(caption, MARGIN, below, TITLE, bold=True)
    top = MARGIN + head
    for drawing, label, row in zip(drawings, labels, rows, strict=True):
        if label:
            canvas.write(fitting(label, width - 2 * MARGIN, BODY, True), MARGIN, top, bold=True)
            top += line_height(BODY) + GAP
        for number in range(len(drawing.attention_scores)):
            canvas.rule(top)
            _draw_row(canvas, columns, _parts(drawing, number, num_words, by), top + GAP)
            top += row
    canvas.rule(top)
    canvas.write_lines(note, MARGIN, top + GAP, SMALL, PALE_INK)
    return canvas.image()


def _row_height(drawing, num_words):
    """Of one refinement: a map has its scale below it, and a long list may reach further down."""
    body = _CELL + (GAP + 32 if drawing.response_gates else 0)
    return 2 * line_height(SMALL) + GAP + max(body, num_words * _LINE) + 2 * GAP


def _note(drawings):
    """What a reader must know of the lists."""
    note = (
        "A line reaches from the caption's least relevant word to its most relevant one; its tick "
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
    """What a refinement puts in the columns: a heading, its explanation, and how to draw it."""
    scores = drawing.attention_scores[number]
    source, result = drawing.stages[number : number + 2]
    name = "key addressing" if drawing.refinement == "memory" else "word attention"
    values, share = attention_mean(scores), "share of all reading"
    if by == "peaks" and attention_peaks(scores).any():
        values, share = attention_peaks(scores), "share of it above 4/words"
    elif by == "peaks":
        share = "share; none is above 4/words"
    order = order_by_attention(scores, by)[:num_words]
    parts = {
        "input": (f"{source.shape[0]} px", "before", _picture(source)),
        "attention": (name, share, _list(drawing.word_labels, values, order)),
        "output": (f"{result.shape[0]} px", f"after refinement {number + 1}", _picture(result)),
    }
    if drawing.word_gates:
        gate = drawing.word_gates[number]
        gates = _list(drawing.word_labels, gate, order_by_gate(gate)[:num_words])
        parts["writing"] = ("memory writing", "gate: share of the word", gates)
    if drawing.response_gates:
        gate_map = functools.partial(_draw_response, drawing.response_gates[number])
        parts["response"] = ("response gate", "share of memory", gate_map)
    return parts


def _picture(pixels):
    return lambda canvas, left, top: canvas.picture(resized(pixels, _CELL), left, top)


def _list(word_labels, values, order):
    return functools.partial(_draw_list, word_labels, values, order)


def _draw_list(word_labels, values, order, canvas, left, top):
    """Words in order, each with a dot on a line from the least to the greatest of all values."""
    low, high = float(np.min(values)), float(np.max(values))
    spread = high - low or 1.0
    line = _LIST_WIDTH - _WORD_WIDTH - _NUMBER_WIDTH - 16
    axes = canvas.axes(left + _WORD_WIDTH, top, line + 16, len(order) * _LINE)
    axes.set_xlim(-8, line + 8)
    axes.set_ylim(len(order) - 0.5, -0.5)
    mean = (float(np.mean(values)) - low) / spread * line
    for i, place in enumerate(order):
        label = f"{i + 1}. {word_labels[place]}"
        y = top + i * _LINE + 3
        canvas.write(fitting(label, _WORD_WIDTH - 8, BODY), left, y, BODY)
        value = rounded(values[place], high - low, 3)
        canvas.write(value, left + _LIST_WIDTH, y, BODY, align="right")
        axes.plot([0, line], [i, i], color=RULE, linewidth=1.5, solid_capstyle="butt", zorder=1)
        axes.plot([mean, mean], [i - 0.22, i + 0.22], color=PALE_INK, linewidth=1.5, zorder=2)
        x = (float(values[place]) - low) / spread * line
        axes.plot([x], [i], "o", color=INK, markersize=9, zorder=3, clip_on=False)


def _draw_response(gate, canvas, left, top):
    """The map of a response gate and its scale."""
    low, high = float(gate.min()), float(gate.max())
    if high - low < 1e-6:
        low, high = 0.0, 1.0
    canvas.picture(map_colours(gate, low, high, _CELL), left, top)
    canvas.colour_scale(left, top + _CELL + GAP, _CELL, low, high)
