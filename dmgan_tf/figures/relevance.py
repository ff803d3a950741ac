"""The relevance of words to a refinement: by memory writing, key addressing or word attention.

The paper's Figure 6 lists the five most relevant words, but not how they were determined. Here:

- memory writing ranks words by the writing gate (Eq. 7), the weight of the word in its slot;
- key addressing ranks them by the similarity probability (Eq. 4), and word attention by the same
  probability of AttnGAN, averaged over the image's pixels: the mean attention weight of a word;
- `by="peaks"` ranks both by the sum of the probabilities above 4 / words, as do the pictures of
  word attention in AttnGAN's release (`build_super_images2` in code/miscc/utils.py), which DM-GAN's
  release also does. A word counts there only where it gets four times the average, which in a small
  model may be nowhere; ties are ordered by the average.
"""

from collections.abc import Sequence

import numpy as np

from dmgan_tf.figures.drawing import Drawing

BY = ("mean", "peaks")


def attention_mean(scores: np.ndarray) -> np.ndarray:
    """Returns the mean attention weight of each word, `(words,)` of `(height, width, words)`."""
    return scores.mean(axis=(0, 1), dtype=np.float64)


def attention_peaks(scores: np.ndarray) -> np.ndarray:
    """Returns AttnGAN's score of each word: the mean over the pixels of what is above 4 / words."""
    peaks = np.where(scores > 4 / scores.shape[-1], scores, 0)
    return peaks.mean(axis=(0, 1), dtype=np.float64)


def order_by_attention(scores: np.ndarray, by: str = "mean") -> np.ndarray:
    """Returns the indices of the words, the most relevant first; ties in the caption's order.

    Args:
        scores: Float array `(height, width, words)`.
        by: `"mean"` or `"peaks"`; see above.

    Returns:
        Int array `(words,)`.
    """
    mean = attention_mean(scores)
    first = attention_peaks(scores) if by == "peaks" else mean
    return np.lexsort((np.arange(len(mean)), -mean, -first))


def order_by_gate(word_gate: np.ndarray) -> np.ndarray:
    """Returns the indices of the words, the highest gate first; ties in the caption's order."""
    return np.argsort(-word_gate, kind="stable")


def relevance_table(drawings: Sequence[Drawing], by: str = "mean") -> list[dict]:
    """Lists every word's relevance to every refinement.

    Args:
        drawings: One or more, of one model.
        by: How `attention_rank` is determined, `"mean"` or `"peaks"`.

    Returns:
        One dict per word of each refinement: `caption`, `row` of the noise, `refinement` from 1,
        `input_size` in pixels, `position` in the caption from 1, `word`; `writing_gate` and
        `writing_rank` from 1, `None` where there is no such gate; `attention_mean`,
        `attention_peaks`, `attention_max` over the pixels, and `attention_rank`, which are of key
        addressing, or of word attention in a model without a memory.
    """
    return [
        {
            "caption": drawing.caption,
            "row": drawing.row,
            "refinement": number + 1,
            "input_size": drawing.attention_scores[number].shape[0],
            "position": position + 1,
            "word": word,
            **columns,
        }
        for drawing in drawings
        for number in range(len(drawing.attention_scores))
        for position, (word, columns) in enumerate(
            zip(drawing.words, _columns(drawing, number, by), strict=True)
        )
    ]


def _columns(drawing, number, by):
    """The numbers of each word in one refinement."""
    scores = drawing.attention_scores[number]
    mean, peaks = attention_mean(scores), attention_peaks(scores)
    ranks = _ranks(order_by_attention(scores, by))
    gates = writing_ranks = [None] * len(drawing.words)
    if drawing.word_gates:
        gates = [float(gate) for gate in drawing.word_gates[number]]
        writing_ranks = _ranks(order_by_gate(drawing.word_gates[number]))
    return [
        {
            "writing_gate": gates[i],
            "writing_rank": writing_ranks[i],
            "attention_mean": float(mean[i]),
            "attention_peaks": float(peaks[i]),
            "attention_max": float(scores[..., i].max()),
            "attention_rank": ranks[i],
        }
        for i in range(len(drawing.words))
    ]


def _ranks(order):
    """The rank from 1 of each index in an order of indices."""
    ranks = np.empty(len(order), int)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks.tolist()


def response_table(drawings: Sequence[Drawing]) -> list[dict]:
    """Lists the response gate of each refinement.

    Args:
        drawings: One or more.

    Returns:
        One dict per refinement with such a gate: `caption`, `row` of the noise, `refinement` from
        1, `input_size` in pixels, and the gate's `mean`, `min` and `max` over the pixels.
    """
    return [
        {
            "caption": drawing.caption,
            "row": drawing.row,
            "refinement": number + 1,
            "input_size": gate.shape[0],
            "mean": float(gate.mean(dtype=np.float64)),
            "min": float(gate.min()),
            "max": float(gate.max()),
        }
        for drawing in drawings
        for number, gate in enumerate(drawing.response_gates)
    ]
