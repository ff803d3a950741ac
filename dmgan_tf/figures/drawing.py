"""One picture with its stages, attention and gates."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A caption, the stages of its picture, and the attention and gates of each refinement.

    Attributes:
        caption: As it was given.
        words: Its known words, in order.
        row: Row of its noise, the `first_row` of `generate`, together with the seed.
        stages: uint8 `(size, size, 3)` per stage, smallest first.
        attention_scores: Float32 `(height, width, words)` per refinement: the attention weights of
            each pixel of its input; they sum to 1.
        word_gates: Float32 `(words,)` per refinement, the writing gate; empty if there is none.
        response_gates: Float32 `(height, width)` per refinement, the weight of the memory's
            response in each pixel's new features; empty if there is no such gate.
        refinement: `"memory"`, or `"attention"` for the paper's baseline.
    """

    caption: str
    words: tuple[str, ...]
    row: int
    stages: list[np.ndarray]
    attention_scores: list[np.ndarray]
    word_gates: list[np.ndarray]
    response_gates: list[np.ndarray]
    refinement: str

    @property
    def word_labels(self) -> list[str]:
        """Returns the words, repeated ones numbered: two "a" are two slots of the memory."""
        return [
            word if word not in self.words[:i] else f"{word} ({self.words[: i + 1].count(word)})"
            for i, word in enumerate(self.words)
        ]


def draw(
    model: Any, captions: Sequence[str], *, seed: int = 0, first_row: int = 0, batch_size: int = 16
) -> list[Drawing]:
    """Draws captions and returns all outputs of `generate` for each, without the padding.

    Args:
        model: A `DMGANTextToImage`.
        captions: One or more.
        seed: Random seed of the noise, from 0 to 2**32 - 1.
        first_row: Row of the first caption's noise; the next caption uses the next row.
        batch_size: Pictures drawn at once.

    Returns:
        One `Drawing` per caption.

    Raises:
        InputError: As `DMGANTextToImage.generate`.
    """
    result = model.generate(
        list(captions),
        seed=seed,
        first_row=first_row,
        batch_size=batch_size,
        return_stages=True,
        return_attention=True,
    )
    drawings = []
    for i, (caption, words) in enumerate(zip(captions, result["words"], strict=True)):
        drawings.append(
            Drawing(
                caption=caption,
                words=tuple(words),
                row=first_row + i,
                stages=[stage[i] for stage in result["stages"]],
                attention_scores=[
                    scores[i, ..., : len(words)] for scores in result["attention_scores"]
                ],
                word_gates=[gates[i, : len(words)] for gates in result["word_gates"]],
                response_gates=[gates[i] for gates in result["response_gates"]],
                refinement=model.generator.refinement,
            )
        )
    return drawings
