"""Interpolation between two noise vectors and between two captions."""

import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.text_to_image import (
    DMGANTextToImage,
    noise_rows,
    padded_token_ids,
    to_uint8,
)

_MOST_WORDS = 1024  # drawn at once, over all frames: attention weights grow with them


def interpolate_noise(
    model: DMGANTextToImage,
    caption: str,
    *,
    seed: int = 0,
    first_row: int = 0,
    num_frames: int = 8,
    batch_size: int = 8,
) -> dict[str, np.ndarray]:
    """Draws one caption while its noise is interpolated to the next noise.

    The interpolation is spherical, for `noise` and `condition_noise` each: nearly all standard
    normal noise of many dimensions lies near one sphere, and a straight line would have lengths
    that do not occur in training.

    Reference:
        White: Sampling Generative Networks. 2016, section 2.

    Args:
        model: A `DMGANTextToImage`.
        caption: What to draw.
        seed: Of the noise, from 0 to 2**32 - 1.
        first_row: Row of the first frame's noise; the last frame has the next row's.
        num_frames: Two or more, including both ends.
        batch_size: Frames drawn at once.

    Returns:
        A dict of `images`, uint8 `(frames, height, width, 3)`, and `positions`, float64
        `(frames,)` from 0 to 1. The first frame is what `generate` draws with `first_row`.

    Raises:
        InputError: If the caption has no known word, or there are fewer than two frames.
    """
    _check(num_frames)
    token_ids, encoded = _encode(model, [caption])
    noises = noise_rows(model.generator, seed, (first_row, first_row + 1))
    positions = np.linspace(0, 1, num_frames)
    noises = [np.float32([spherical(*ends, position) for position in positions]) for ends in noises]
    same = {name: np.repeat(value, num_frames, axis=0) for name, value in encoded.items()}
    inputs = generator_inputs(same, np.repeat(token_ids, num_frames, axis=0), *noises)
    return {"images": _draw(model, inputs, batch_size), "positions": positions}


def interpolate_captions(
    model: DMGANTextToImage,
    caption: str,
    to_caption: str,
    *,
    seed: int = 0,
    first_row: int = 0,
    num_frames: int = 8,
    batch_size: int = 8,
) -> dict[str, np.ndarray]:
    """Draws with one noise while one caption is interpolated to another.

    The sentence embedding is interpolated linearly, and the condition follows it. Words cannot be,
    since the words of the two captions do not correspond. So each pixel attends to the words of
    both captions, those of the first with weight 1 - t and those of the second with weight t: in
    Eq. 4 the exponentials of each are multiplied by it. A network of words and a mask does exactly
    that if words are repeated, in frame n of N the first caption's N - 1 - n times and the second's
    n times. The interpolation is continuous, and its ends are the pictures of the two captions.

    Args:
        model: A `DMGANTextToImage`.
        caption: What the first frame shows.
        to_caption: What the last frame shows.
        seed: Of the noise, from 0 to 2**32 - 1.
        first_row: Row of the noise of all frames.
        num_frames: Two or more, including both ends.
        batch_size: Frames drawn at once; fewer if their words are many.

    Returns:
        As `interpolate_noise`. The first frame is what `generate` draws with `first_row`, to within
        one level of 255, and so is the last.

    Raises:
        InputError: If a caption has no known word, or there are fewer than two frames.
    """
    _check(num_frames)
    token_ids, encoded = _encode(model, [caption, to_caption])
    positions = np.linspace(0, 1, num_frames)
    first, last = encoded["sentence_embedding"]
    sentences = np.float32([(1 - t) * first + t * last for t in positions])
    words = [
        features[ids != 0]
        for features, ids in zip(encoded["word_features"], token_ids, strict=True)
    ]
    word_features, mask = _mixed_words(*words, num_frames)
    noises = noise_rows(model.generator, seed, [first_row] * num_frames)
    text = {"word_features": word_features, "sentence_embedding": sentences}
    inputs = generator_inputs(text, mask, *noises)
    batch_size = max(1, min(batch_size, _MOST_WORDS // mask.shape[1]))
    return {"images": _draw(model, inputs, batch_size), "positions": positions}


def spherical(start: np.ndarray, end: np.ndarray, position: float) -> np.ndarray:
    """Returns the point at `position` from 0 to 1 on the arc from one vector to another."""
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:  # same or opposite directions, between which the arc is not defined
        return (1 - position) * start + position * end
    weights = np.sin((1 - position) * angle), np.sin(position * angle)
    return (weights[0] * start + weights[1] * end) / np.sin(angle)


def _check(num_frames):
    if num_frames < 2:
        raise InputError(f"Expected num_frames of 2 or more. Received: num_frames={num_frames}.")


def _encode(model, captions):
    """The ids of captions, and the text encoder's outputs."""
    token_ids = padded_token_ids(model.tokenizer, captions)
    encoded = model.text_encoder.predict_on_batch(token_ids)
    return token_ids, {name: np.asarray(value) for name, value in encoded.items()}


def _mixed_words(first, last, num_frames):
    """Each frame's words of both captions, `(frames, words, word_dim)`, and their mask."""
    steps = num_frames - 1
    longest = steps * max(len(first), len(last))
    features = np.zeros((num_frames, longest, first.shape[-1]), first.dtype)
    mask = np.zeros((num_frames, longest), bool)
    for frame in range(num_frames):
        both = np.concatenate(
            [np.repeat(first, steps - frame, axis=0), np.repeat(last, frame, axis=0)]
        )
        features[frame, : len(both)] = both
        mask[frame, : len(both)] = True
    return features, mask


def _draw(model, inputs, batch_size):
    """The last stage's images of all frames."""
    images = []
    for start in range(0, len(inputs["noise"]), batch_size):
        part = {name: value[start : start + batch_size] for name, value in inputs.items()}
        images.append(to_uint8(model.generator.predict_on_batch(part)["images"][-1]))
    return np.concatenate(images)
