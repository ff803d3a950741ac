"""The page's HTML: it shows what was drawn, and nothing that a visitor typed becomes markup."""

import base64
import dataclasses
import html.parser
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_drawings import WORDS, make_drawing

from dmgan_tf.demo.captions import pieces_of
from dmgan_tf.demo.markup import caption_markup, map_attributes, message_markup, result_markup
from dmgan_tf.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(dict.fromkeys(WORDS))
PIECES = pieces_of("a red apple on a leaf", VOCABULARY)


class Reader(html.parser.HTMLParser):
    """Elements in order, as `(tag, attributes, pieces of text)`; checks that all are closed."""

    def __init__(self, markup):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(markup)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))
        if tag != "img":
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for _, _, text in self._open:
            text.append(data)

    def of(self, tag, kind=None):
        return [
            (attributes, "".join(text))
            for found, attributes, text in self.elements
            if found == tag and (kind is None or kind in attributes.get("class", "").split())
        ]


def pictures(reader):
    sources = [attributes["src"].split(",", 1) for attributes, _ in reader.of("img")]
    assert all(kind == "data:image/png;base64" for kind, _ in sources)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for _, data in sources]


def unpacked(attributes):
    """The maps as `page.js` reads them: the first word of each cell, and all shares."""
    side, words = int(attributes["data-side"]), int(attributes["data-words"])
    top = np.frombuffer(base64.b64decode(attributes["data-top"]), np.uint8)
    shares = np.frombuffer(base64.b64decode(attributes["data-shares"]), np.uint8)
    peak = float(attributes["data-peak"])
    return top.reshape(side, side), shares.reshape(side, side, words) / 255 * peak


def test_unknown_words_are_struck_through_and_known_ones_can_be_pointed_at():
    reader = Reader(caption_markup(pieces_of("a crimson <apple>, a", VOCABULARY)))
    assert [text for _, text in reader.of("s")] == ["crimson"]
    buttons = reader.of("button", "dm-word")
    assert [(a["data-word"], text) for a, text in buttons] == [
        ("0", "a"),
        ("1", "apple"),
        ("2", "a"),
    ]
    assert reader.of("p", "dm-caption")[0][1] == "a crimson <apple>, a"
    assert "vocabulary" in reader.of("p", "dm-note")[0][1]
    assert not Reader(caption_markup(PIECES)).of("p", "dm-note")


@given(st.text() | st.text("<>&\"'{}$`\\/=apple ", max_size=40))
def test_nothing_typed_becomes_markup(caption):
    markup = message_markup(pieces_of(caption, VOCABULARY), caption)
    reader = Reader(markup)
    assert {tag for tag, _, _ in reader.elements} <= {"div", "p", "s", "button"}
    shown = caption.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" not in caption:
        assert reader.of("p", "dm-message")[0][1].replace("\r\n", "\n").replace("\r", "\n") == shown
    assert not set("{}$`\\") & set(markup)  # signs of the templates that Gradio fills


def test_the_rest_of_a_very_long_caption_is_shown_in_short():
    markup = caption_markup(pieces_of("red " * 20_000, Vocabulary(["red"])))
    assert markup.count("<button") == 256 and "Cut: only the first 256 known words" in markup
    assert len(markup) < 256 * 80


def test_every_stage_of_every_sample_is_on_the_page():
    drawings = [make_drawing(), dataclasses.replace(make_drawing(), row=1)]
    reader = Reader(result_markup(PIECES, drawings, seed=5))
    expected = [drawing.stages[-1] for drawing in drawings]
    expected += [stage for drawing in drawings for stage in drawing.stages]
    assert all(np.array_equal(*pair) for pair in zip(pictures(reader), expected, strict=True))
    assert [("hidden" in a, a["data-sample"]) for a, _ in reader.of("section")] == [
        (False, "0"),
        (True, "1"),
    ]
    assert [text for _, text in reader.of("b")][:3] == [
        "Initial image",
        "Refinement 1",
        "Refinement 2",
    ]
    pressed = [a["aria-pressed"] for a, _ in reader.of("button", "dm-thumbnail")]
    assert pressed == ["true", "false"]
    assert "seed 5" in reader.of("section")[0][1]


def test_a_single_sample_has_no_gallery():
    assert not Reader(result_markup(PIECES, [make_drawing()], 0)).of("button", "dm-thumbnail")


def test_each_refined_stage_knows_which_word_each_place_reads():
    drawing = make_drawing()
    reader = Reader(result_markup(PIECES, [drawing], 0))
    stages = reader.of("figure")
    assert "data-top" not in stages[0][0]
    for (attributes, _), scores in zip(stages[1:], drawing.attention_scores, strict=True):
        top, shares = unpacked(attributes)
        np.testing.assert_array_equal(top, scores.argmax(axis=-1))
        np.testing.assert_allclose(shares, scores, atol=scores.max() / 255)


def test_words_that_are_all_but_equal_keep_their_order():
    scores = np.full((16, 16, 3), 1 / 3)
    scores[4, 5] += [0, 1e-5, 0]
    top, _ = unpacked(Reader(f"<i {map_attributes(scores)}></i>").elements[0][1])
    assert top[4, 5] == 1 and top.sum() == 1


def test_a_map_finer_than_a_pointer_is_averaged():
    scores = np.zeros((128, 128, 2))
    scores[..., 0] = 1
    scores[::2, ::2] = [0, 1]  # a quarter of each cell
    scores[:2, :2] = [0, 1]
    top, shares = unpacked(Reader(f"<i {map_attributes(scores)}></i>").elements[0][1])
    assert top.shape == (64, 64) and top[0, 0] == 1 and top.sum() == 1
    np.testing.assert_allclose(shares[1, 1], [0.75, 0.25], atol=1 / 255)


def lists(reader):
    """The words of each ranking, in order."""
    words, heading = [], None
    for tag, _, text in reader.elements:
        text = "".join(text)
        if tag == "h5":
            heading = text
        elif tag == "li":
            words.append((heading, text.split("%")[0].rstrip("0123456789. ")))
    return words


def test_words_are_ranked_by_writing_and_by_reading():
    drawing = make_drawing(refinements=1)
    gate = np.float32([0.1, 0.6, 0.5, 0.4, 0.3, 0.2])
    scores = np.zeros((16, 16, 6), np.float32)
    scores[...] = [0.3, 0.05, 0.05, 0.1, 0.2, 0.3]
    scores[0, 0] = [0, 0, 0, 0, 0, 1]
    drawing = dataclasses.replace(drawing, word_gates=[gate], attention_scores=[scores])
    words = lists(Reader(result_markup(PIECES, [drawing], 0)))
    written = [word for heading, word in words if heading == "Memory writing"]
    read = [word for heading, word in words if heading == "Key addressing"]
    assert written == ["red", "apple", "on", "a (2)", "leaf"]
    assert read[:4] == ["leaf", "a", "a (2)", "on"] and len(read) == 5


@pytest.mark.parametrize("words", [("apple",), ("a", "a")])
def test_a_caption_of_equals(words):
    drawing = make_drawing(words=words)
    even = [np.full_like(scores, 1 / len(words)) for scores in drawing.attention_scores]
    drawing = dataclasses.replace(drawing, attention_scores=even)
    reader = Reader(result_markup(pieces_of(" ".join(words), VOCABULARY), [drawing], 0))
    assert "nan" not in "".join(text for _, text in reader.of("div"))


def test_word_attention_in_place_of_the_memory():
    drawing = make_drawing(refinement="attention", gates=False)
    reader = Reader(result_markup(PIECES, [drawing], 0))
    assert {text for _, text in reader.of("h5")} == {"Word attention"}


def test_a_model_of_one_stage_says_so():
    reader = Reader(result_markup(PIECES, [make_drawing(refinements=0)], 0))
    assert "one stage" in reader.of("p", "dm-hint")[0][1]
    assert len(reader.of("figure")) == 1 and not reader.of("li")
