"""Answers a visitor's request with the content of the page, including errors."""

import threading
import typing
from collections.abc import Sequence

from dmgan_tf.demo.captions import (
    MOST_SAMPLES,
    checked_caption,
    checked_number,
    known_words,
    pieces_of,
)
from dmgan_tf.demo.markup import message_markup, result_markup
from dmgan_tf.errors import InputError
from dmgan_tf.figures.drawing import draw

if typing.TYPE_CHECKING:  # slow to import
    from dmgan_tf.models.text_to_image import DMGANTextToImage

LARGEST_SEED = 2**32 - 1


class Answerer:
    """Draws for any number of visitors, one after another, independently.

    It stores no requests. A picture depends on the model, the known words, the seed and its index
    among the samples, and is the one that `python -m dmgan_tf.sample` draws.

    Args:
        model: A `DMGANTextToImage` with a text encoder and a vocabulary.
        examples: Captions that the model knows, to offer in errors.

    Call arguments:
        caption: Text.
        seed: From 0 to 2**32 - 1.
        num_samples: From 1 to 8.

    Returns:
        HTML: the pictures with their words and maps, or one message that says what to change.
    """

    def __init__(self, model: "DMGANTextToImage", examples: Sequence[str]):
        self._model = model
        self._examples = examples
        self._lock = threading.Lock()

    def __call__(self, caption: object, seed: object, num_samples: object) -> str:
        pieces = []
        try:
            caption = checked_caption(caption)
            pieces = pieces_of(caption, self._model.vocabulary)
            words = known_words(pieces, self._examples)
            seed = checked_number(seed, "the seed", 0, LARGEST_SEED)
            num_samples = checked_number(num_samples, "the number of samples", 1, MOST_SAMPLES)
            with self._lock:
                drawings = draw(
                    self._model, [words] * num_samples, seed=seed, batch_size=num_samples
                )
        except InputError as error:
            return message_markup(pieces, str(error))
        return result_markup(pieces, drawings, seed)
