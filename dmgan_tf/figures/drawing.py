"""One picture with all that a generator says about how it came to be."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A caption, the stages of its picture, and what each refinement made of the words.

    Attributes:
        caption: As it was given.
        words: Its known words, in order.
        row: Place of its noise; together with the seed, what `generate` calls `first_row`.
        stages: uint8 `(size, size, 3)` a stage, smallest first.
        attention_scores: Float32 `(height, width, words)` a refinement: for each pixel of its
            input, the share of each word in what it reads; they sum to 1.
        word_gates: Float32 `(words,)` a refinement, the writing gate; empty if there is none.
        response_gates: Float32 `(height, width)` a refinement, the share of what was read in each
            pixel's new features; empty if there is no such gate.
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
        """Returns the words, numbered where met before: two "a" are two slots of the memory."""
        return [
            word if word not in self.words[:i] else f"{word} ({self.words[: i + 1].count(word)})"
            for i, word in enumerate(self.words)
        ]


def draw(
    model: Any, captions: Sequence[str], *, seed: int = 0, first_row: int = 0, batch_size: int = 16
) -> list[Drawing]:
    """Draws captions and keeps what `generate` can tell about each, without the padding.

    Args:
        model: A `DMGANTextToImage`.
        captions: One or more.
        seed: Of the noise, from 0 to 2**32 - 1.
        first_row: Place of the first caption's noise; the next caption takes the next place.
        batch_size: Pictures drawn at once.

    Returns:
        One `Drawing` a caption.

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
