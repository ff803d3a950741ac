"""The figures: their sizes, and every picture and every map where it belongs."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from tiny_drawings import WORDS, enlarged, make_drawing, position_of

from dmgan_tf.errors import InputError
from dmgan_tf.figures import memory
from dmgan_tf.figures.attention import attention_figure, attention_overlay, map_colours
from dmgan_tf.figures.canvas import colours
from dmgan_tf.figures.diversity import diversity_figure, diversity_table
from dmgan_tf.figures.interpolation import interpolation_figure, interpolation_table
from dmgan_tf.figures.memory import memory_figure
from dmgan_tf.figures.stages import stages_figure, stages_table


def plain(*levels, size=16):
    """Pictures of one grey each, uint8 `(levels, size, size, 3)`."""
    return np.stack([np.full((size, size, 3), level, np.uint8) for level in levels])


def test_stages_stand_side_by_side_a_caption_below_another():
    drawings = [make_drawing(), dataclasses.replace(make_drawing(), caption="another")]
    drawings[1].stages[:] = [255 - stage for stage in drawings[1].stages]
    figure = stages_figure(drawings, "a model, seed 0")
    assert isinstance(figure, Image.Image) and figure.size == (636, 558)
    places = [
        [position_of(figure, enlarged(stage, 192)) for stage in drawing.stages]
        for drawing in drawings
    ]
    for line in places:
        assert [left for left, _ in line] == [20, 222, 424]
        assert len({top for _, top in line}) == 1
    assert places[1][0][1] > places[0][0][1] + 192


def test_the_change_of_a_stage_is_counted_from_the_one_before():
    drawing = make_drawing(refinements=1)
    before, after = plain(100)[0], plain(100, size=32)[0]
    after[::2, ::2] = 104  # one pixel in four
    drawing.stages[:] = [before, after]
    first, second = stages_table([drawing])
    assert first["change"] is None and first["size"] == 16 and first["stage"] == 0
    assert second["change"] == 1.0 and second["size"] == 32 and second["stage"] == 1


def test_samples_of_a_caption_stand_together():
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (10, 64, 64, 3), "uint8")
    figure = diversity_figure(images, ["one", "two"], first_row=7)
    places = [position_of(figure, enlarged(image, 128)) for image in images]
    tops = [top for _, top in places]
    assert len(set(tops[:5])) == 1 and len(set(tops[5:])) == 1 and tops[5] > tops[0] + 128
    assert [left for left, _ in places[:5]] == [20, 158, 296, 434, 572]


def test_distances_between_samples_by_hand():
    rows = diversity_table(plain(10, 20, 50, 0), ["one", "two"], first_row=3)
    assert [row["caption"] for row in rows] == ["one", "one", "two", "two"]
    assert [row["row"] for row in rows] == [3, 4, 5, 6]
    assert [row["mean"] for row in rows] == [10, 10, 50, 50]
    rows = diversity_table(plain(10, 20, 50), ["one"])
    assert [row["nearest"] for row in rows] == [10, 10, 30]
    assert [row["mean"] for row in rows] == [25, 20, 35]
    (single,) = diversity_table(plain(10), ["one"])
    assert single["nearest"] is None and single["mean"] is None


def test_walks_are_laid_out_and_measured():
    walk = {"images": plain(0, 10, 40, size=64), "positions": np.array([0, 0.5, 1])}
    figure = interpolation_figure([("a walk", walk), ("another", walk)])
    assert figure.width == 600
    assert [position_of(figure, plain(level, size=128)[0])[0] for level in (0, 10, 40)] == [
        20,
        158,
        296,
    ]
    rows = interpolation_table([("a walk", walk), ("another", walk)])
    assert [row["step"] for row in rows] == [None, 10, 30] * 2
    assert [row["position"] for row in rows] == [0, 0.5, 1] * 2


def test_a_map_lies_in_its_colours_over_the_grey_picture():
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0] = (0, 255, 0)  # of luminance 150
    scores = np.float32([[0.1, 0.3], [0.2, 0.1]])
    overlay = attention_overlay(picture, scores, 0.1, 0.3, cell=4)
    first, middle, last = colours(np.array([0, 0.5, 1])).astype(float)
    expected = {(0, 0): (first, 150), (0, 2): (last, 0), (2, 0): (middle, 0), (3, 3): (first, 0)}
    for place, (colour, grey) in expected.items():
        mixed = 0.25 * (127.5 + 0.6 * (grey - 127.5)) + 0.75 * colour
        np.testing.assert_allclose(overlay[place], mixed, atol=0.51)


def test_a_map_larger_than_its_cell_is_averaged():
    values = np.float32([[0, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 1], [1, 1, 1, 0]])
    np.testing.assert_array_equal(
        map_colours(values, 0, 1, 2), colours(np.array([[0.5, 0], [1, 0.5]]))
    )


@pytest.mark.parametrize(("words", "size"), [(WORDS, (996, 531)), (WORDS + WORDS, (1134, 843))])
def test_attention_shows_every_word_at_every_refinement(words, size):
    drawing = make_drawing(words)
    figure = attention_figure(drawing, "a model, seed 0")
    assert figure.size == size
    tops = []
    for number, scores in enumerate(drawing.attention_scores):
        picture = drawing.stages[number + 1]
        left, top = position_of(figure, enlarged(picture, 128))
        assert left == 20
        low, high = scores.min(), scores.max()  # one scale for all words
        for i in range(len(words)):
            overlay = attention_overlay(picture, scores[..., i], low, high)
            place = position_of(figure, overlay)
            assert place == (20 + (1 + i % 7) * 138, top + i // 7 * 156)
        tops.append(top)
    assert tops == sorted(tops) and len(set(tops)) == 2


def test_attention_to_a_single_word_has_a_scale():
    drawing = make_drawing(("red",))
    assert all((scores == 1).all() for scores in drawing.attention_scores)
    overlay = attention_overlay(drawing.stages[1], drawing.attention_scores[0][..., 0], 0, 1)
    assert position_of(attention_figure(drawing), overlay)


def listed(monkeypatch, *drawings, **options):
    """The lists of a memory figure, as the words and numbers that are written on it."""
    written = []
    write = memory.Canvas.write

    def watched(self, text, left, top, *rest, **keywords):
        written.append((top, left, text))
        write(self, text, left, top, *rest, **keywords)

    monkeypatch.setattr(memory.Canvas, "write", watched)
    figure = memory_figure(drawings, **options)
    return figure, [text for _, _, text in sorted(written)]


def test_memory_lists_words_as_the_table_ranks_them(monkeypatch):
    drawing = make_drawing(refinements=1)
    figure, texts = listed(monkeypatch, drawing, title="a model, seed 0")
    assert figure.size == (1168, 361)
    gates, maps = drawing.word_gates[0], drawing.attention_scores[0]
    for heading, values in (
        ("memory writing", gates),
        ("key addressing", maps.mean(axis=(0, 1))),
    ):
        assert heading in texts
        for rank, place in enumerate(np.argsort(-values)[:5], 1):
            assert f"{rank}. {drawing.word_labels[place]}" in texts
            assert f"{values[place]:.3f}" in texts
    assert not any(text.startswith("6. ") for text in texts)
    assert position_of(figure, enlarged(drawing.stages[0], 144))
    gate = drawing.response_gates[0]
    assert position_of(figure, map_colours(gate, gate.min(), gate.max(), 144))


def test_memory_lists_as_many_words_as_asked(monkeypatch):
    _, texts = listed(monkeypatch, make_drawing(refinements=1), num_words=9)
    assert sum(text.startswith("6. ") for text in texts) == 2
    assert not any(text.startswith("7. ") for text in texts)


def test_memory_of_a_baseline_lists_its_word_attention(monkeypatch):
    baseline = make_drawing(refinement="attention", gates=False)
    figure, texts = listed(monkeypatch, baseline)
    assert texts.count("word attention") == 2
    assert not {"memory writing", "key addressing", "response gate"} & set(texts)
    assert figure.width < 700


def test_memory_compares_two_models(monkeypatch):
    baseline = make_drawing(refinement="attention", gates=False)
    figure, texts = listed(monkeypatch, make_drawing(), baseline, labels=["ours", "theirs"])
    assert figure.width == 1168
    for text, count in (("memory writing", 2), ("word attention", 2), ("ours", 1), ("theirs", 1)):
        assert texts.count(text) == count


def test_memory_says_what_its_numbers_are(monkeypatch):
    _, by_mean = listed(monkeypatch, make_drawing(), by="mean")
    _, by_peaks = listed(monkeypatch, make_drawing(), by="peaks")
    flat = make_drawing(("a", "red", "apple", "leaf"))  # no weight is above 4 / 4
    _, without_peaks = listed(monkeypatch, flat, by="peaks")
    assert "mean attention weight" in by_mean
    assert "attention above 4/words" in by_peaks
    assert "mean; none is above 4/words" in without_peaks


@pytest.mark.parametrize("figure", [attention_figure, lambda drawing: memory_figure([drawing])])
def test_a_model_of_one_stage_reads_no_words(figure):
    with pytest.raises(InputError, match="a model of one stage"):
        figure(make_drawing(refinements=0))


def test_figures_are_the_same_every_time():
    drawing = make_drawing(refinements=1)
    for figure in (attention_figure, lambda one: memory_figure([one])):
        np.testing.assert_array_equal(np.asarray(figure(drawing)), np.asarray(figure(drawing)))
