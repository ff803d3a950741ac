"""Pictures, words and rankings as HTML; `page.js` handles pointer events on it."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmgan_tf.demo.captions import Piece
from dmgan_tf.figures.canvas import rounded
from dmgan_tf.figures.drawing import Drawing
from dmgan_tf.figures.relevance import attention_mean, order_by_attention, order_by_gate
from dmgan_tf.text.tokenizer import MOST_CHARACTERS, MOST_WORDS, shortened

_LARGEST_MAP = 64  # cells per side; a pointer is not more exact
_LISTED_WORDS = 5  # as many as the paper's Figure 6 lists
# Gradio fills templates with its input; it must not contain template characters from a visitor.
_TEMPLATE_SIGNS = str.maketrans({sign: f"&#{ord(sign)};" for sign in "{}$`\\"})


def escaped(text: str) -> str:
    """Returns text escaped for HTML, also in an attribute."""
    return html.escape(text).translate(_TEMPLATE_SIGNS)


def caption_markup(pieces: Sequence[Piece]) -> str:
    """Returns the HTML of a caption, known words as buttons, dropped ones struck through.

    Args:
        pieces: Of `pieces_of`; may be empty.
    """
    if not pieces:
        return ""
    parts = []
    for piece in pieces:
        text = escaped(piece.text)
        if piece.place is not None:
            text = (
                f'<button type="button" class="dm-word" data-word="{piece.place}">{text}</button>'
            )
        elif piece.is_beyond:
            text = f'<s class="dm-unknown">{escaped(shortened(piece.text))}</s>'
        elif piece.is_word:
            text = f'<s class="dm-unknown" title="unknown to this model">{text}</s>'
        parts.append(text)
    note = ""
    if any(piece.is_word and piece.place is None for piece in pieces):
        note = (
            '<p class="dm-note">Struck through: not in this model\'s vocabulary, and dropped.</p>'
        )
    if any(piece.is_beyond for piece in pieces):
        note += (
            f'<p class="dm-note">Cut: only the first {MOST_WORDS} known words within the first '
            f"{MOST_CHARACTERS} characters are read.</p>"
        )
    return f'<p class="dm-caption" dir="auto">{"".join(parts)}</p>{note}'


def message_markup(pieces: Sequence[Piece], message: str) -> str:
    """Returns the HTML that the page shows when nothing could be drawn.

    Args:
        pieces: The caption's, if available.
        message: One line.
    """
    text = f'<p class="dm-message" role="alert">{escaped(message)}</p>'
    return f'<div class="dm-result">{caption_markup(pieces)}{text}</div>'


def result_markup(pieces: Sequence[Piece], drawings: Sequence[Drawing], seed: int) -> str:
    """Returns the HTML of all samples of a caption, the first one chosen.

    Args:
        pieces: Of `pieces_of`.
        drawings: One per sample, of the known words of the caption.
        seed: The seed of the drawings.
    """
    thumbnails = _thumbnails(drawings) if len(drawings) > 1 else ""
    samples = "".join(
        f'<section class="dm-sample" data-sample="{i}"{" hidden" if i else ""}>'
        f"<h3>Sample {i + 1}, seed {seed}</h3>{_hint(drawing)}"
        f"{_stages(drawing, i)}{_rankings(drawing)}</section>"
        for i, drawing in enumerate(drawings)
    )
    return f'<div class="dm-result">{caption_markup(pieces)}{thumbnails}{samples}</div>'


def map_attributes(scores: np.ndarray) -> str:
    """Returns the attention of each place of a picture to the words, for `page.js`.

    Args:
        scores: Float `(side, side, words)`, a word's attention weight at a pixel.

    Returns:
        HTML attributes: `data-side` in cells, `data-words`, `data-peak`, the greatest weight,
        `data-shares`, base64 of one byte per cell and word, 255 at the peak, and `data-top`, base64
        of the index of each cell's most relevant word, for which the bytes may be too coarse.
    """
    step = max(1, scores.shape[0] // _LARGEST_MAP)
    side = scores.shape[0] // step  # both are powers of two
    cells = scores.reshape(side, step, side, step, -1).mean(axis=(1, 3), dtype=np.float64)
    peak = float(cells.max())
    shares = np.uint8(np.rint(cells / peak * 255))
    top = np.uint8(cells.argmax(axis=-1))
    return (
        f'data-side="{side}" data-words="{cells.shape[-1]}" data-peak="{peak:.6f}" '
        f'data-shares="{_base64(shares.tobytes())}" data-top="{_base64(top.tobytes())}"'
    )


def _thumbnails(drawings):
    buttons = "".join(
        f'<button type="button" class="dm-thumbnail" data-sample="{i}" '
        f'aria-pressed="{"false" if i else "true"}">'
        f"{_image(drawing.stages[-1], f'sample {i + 1}')}<span>Sample {i + 1}</span></button>"
        for i, drawing in enumerate(drawings)
    )
    return f'<div class="dm-thumbnails" role="group" aria-label="samples">{buttons}</div>'


def _hint(drawing):
    if not drawing.attention_scores:
        return (
            '<p class="dm-hint">This model draws in one stage, from the whole sentence; it does '
            "not use single words.</p>"
        )
    return (
        '<p class="dm-hint">Point at a refined picture to see the most relevant word at that '
        "place, or at a word of the caption to see where it is relevant.</p>"
    )


def _stages(drawing, sample):
    """The stages side by side; those that read words react to the pointer."""
    figures = []
    for number, picture in enumerate(drawing.stages):
        name = f"Refinement {number}" if number else "Initial image"
        size = f"{picture.shape[0]} px"
        image = _image(picture, f"sample {sample + 1}, {name}")
        attributes, below = "", "drawn from the sentence as a whole"
        kind = "dm-stage"
        if number:
            attributes = map_attributes(drawing.attention_scores[number - 1])
            kind, below = "dm-stage dm-read", ""
            image += '<canvas aria-hidden="true"></canvas><span class="dm-bubble" hidden></span>'
        figures.append(
            f'<figure class="{kind}" {attributes}><div class="dm-picture">{image}</div>'
            f"<figcaption><b>{name}</b> {size}"
            f'<span class="dm-reading" aria-live="polite">{below}</span></figcaption></figure>'
        )
    return f'<div class="dm-stages">{"".join(figures)}</div>'


def _rankings(drawing):
    """The most relevant words of each refinement, as `visualize --figure=memory` ranks them."""
    if not drawing.attention_scores:
        return ""
    reading = "Key addressing" if drawing.refinement == "memory" else "Word attention"
    blocks = []
    for number, scores in enumerate(drawing.attention_scores):
        lists = ""
        if drawing.word_gates:
            gate = drawing.word_gates[number]
            lists = _list("Memory writing", drawing.word_labels, gate, order_by_gate(gate))
        mean = attention_mean(scores)
        lists += _list(reading, drawing.word_labels, mean, order_by_attention(scores))
        blocks.append(
            f'<div class="dm-ranking"><h4>Refinement {number + 1}</h4>'
            f'<div class="dm-lists">{lists}</div></div>'
        )
    writing = (
        "Memory writing ranks words by their gate, the word's weight in its slot of the memory. "
        if drawing.word_gates
        else ""
    )
    return (
        f'<h3>The most relevant words</h3><div class="dm-rankings">{"".join(blocks)}</div>'
        f'<p class="dm-note">{writing}{reading} ranks them by their mean attention '
        "weight over the picture. A bar goes from the caption's least relevant word to its most "
        "relevant one.</p>"
    )


def _list(name, labels, values, order):
    """The first words of an order, each with a bar and its value in percent."""
    percent = 100 * np.asarray(values, np.float64)
    low, spread = percent.min(), np.ptp(percent)
    items = "".join(
        f'<li><i style="width:{_bar(percent[place] - low, spread)}%"></i>'
        f"<span>{escaped(labels[place])}</span>"
        f"<span>{rounded(percent[place], spread, 1)} %</span></li>"
        for place in order[:_LISTED_WORDS]
    )
    return f'<div class="dm-list"><h5>{name}</h5><ol>{items}</ol></div>'


def _bar(above, spread):
    """Width of a bar in percent; full if all values are equal."""
    return round(4 + 96 * above / spread) if spread > 0 else 100


def _image(pixels, description):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    source = f"data:image/png;base64,{_base64(file.getvalue())}"
    return f'<img alt="{escaped(description)}" src="{source}">'


def _base64(data):
    return base64.b64encode(data).decode("ascii")
