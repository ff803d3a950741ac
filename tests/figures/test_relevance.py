"""Which words matter: small cases by hand, and tables against the arrays that they are of."""

import numpy as np
import pytest
from tiny_drawings import WORDS, make_drawing

from dmgan_tf.figures.relevance import (
    attention_mean,
    attention_peaks,
    order_by_attention,
    order_by_gate,
    relevance_table,
    response_table,
)

# Two pixels, eight words: 4 / words is a half. The third word has the one peak, 0.6.
ONE_PEAK = np.float32(
    [[[0.3, 0.4, 0, 0.1, 0.1, 0, 0.1, 0], [0.3, 0.0, 0.6, 0, 0, 0.1, 0, 0]]]
)  # (1, 2, 8)


def test_mean_and_peaks_by_hand():
    np.testing.assert_allclose(
        attention_mean(ONE_PEAK), [0.3, 0.2, 0.3, 0.05, 0.05, 0.05, 0.05, 0], rtol=1e-6
    )
    np.testing.assert_allclose(attention_peaks(ONE_PEAK), [0, 0, 0.3, 0, 0, 0, 0, 0], rtol=1e-6)


def test_a_score_of_four_times_the_average_is_no_peak_yet():
    scores = np.zeros((1, 1, 8), np.float32)
    scores[..., :2] = 0.5
    assert not attention_peaks(scores).any()


def test_words_are_ordered_by_mean_or_by_peaks():
    scores = ONE_PEAK.copy()
    scores[..., 0] += 0.01
    assert order_by_attention(scores).tolist() == [0, 2, 1, 3, 4, 5, 6, 7]
    # No other word has a peak, so the rest follow by their mean.
    assert order_by_attention(scores, "peaks").tolist() == [2, 0, 1, 3, 4, 5, 6, 7]
    assert order_by_gate(np.float32([0.2, 0.7, 0.2, 0.9])).tolist() == [3, 1, 0, 2]


def test_the_table_holds_the_numbers_of_the_arrays():
    drawing = make_drawing()
    rows = relevance_table([drawing])
    assert len(rows) == 2 * len(WORDS)
    for number, maps in enumerate(drawing.attention_scores):
        table = rows[number * len(WORDS) : (number + 1) * len(WORDS)]
        assert [row["word"] for row in table] == list(WORDS)
        assert [row["position"] for row in table] == [1, 2, 3, 4, 5, 6]
        assert {row["refinement"] for row in table} == {number + 1}
        assert {row["input_size"] for row in table} == {16 * 2**number}
        means = [row["attention_mean"] for row in table]
        np.testing.assert_allclose(means, maps.reshape(-1, len(WORDS)).mean(axis=0), rtol=1e-5)
        assert sum(means) == pytest.approx(1)
        assert [row["attention_max"] for row in table] == maps.max(axis=(0, 1)).tolist()
        assert [row["writing_gate"] for row in table] == drawing.word_gates[number].tolist()
        for rank, value in (("attention_rank", "attention_mean"), ("writing_rank", "writing_gate")):
            ranked = sorted(table, key=lambda row: row[rank])
            assert [row[rank] for row in ranked] == [1, 2, 3, 4, 5, 6]
            values = [row[value] for row in ranked]
            assert values == sorted(values, reverse=True)


def test_without_a_writing_gate_there_is_no_rank_by_it():
    (row, *_) = relevance_table([make_drawing(gates=False)])
    assert row["writing_gate"] is None and row["writing_rank"] is None
    assert row["attention_rank"] in range(1, 7)


def test_the_response_table_holds_the_gate_of_each_refinement():
    drawing = make_drawing()
    rows = response_table([drawing])
    assert [row["input_size"] for row in rows] == [16, 32]
    for row, gate in zip(rows, drawing.response_gates, strict=True):
        assert row["mean"] == pytest.approx(gate.mean(), rel=1e-5)
        assert (row["min"], row["max"]) == (gate.min(), gate.max())
    assert response_table([make_drawing(gates=False)]) == []


def test_words_met_before_are_told_apart():
    labels = make_drawing(("a", "red", "a", "red", "a")).word_labels
    assert labels == ["a", "red", "a (2)", "red (2)", "a (3)"]
