"""The deep attentional multimodal similarity model's scores and losses (DAMSM)."""

from collections.abc import Mapping
from typing import Any

from keras import ops

MASKED = -1e9  # a finite replacement of -inf: its gradient and its differences stay finite
EPSILON = 1e-8


def word_matching_scores(
    region_features: Any,
    word_features: Any,
    padding_mask: Any,
    gamma1: float = 4.0,
    gamma2: float = 5.0,
) -> Any:
    """Returns how well each caption's words match each image's regions.

    Every word has a context, computed from the regions by attention; the score of a pair is a soft
    maximum over the words of the cosine between word and context. As in the authors' release, the
    sum of Eq. 10 is not raised to 1/gamma2; gamma3 absorbs the factor.

    Reference: AttnGAN (CVPR 2018), section 3.2, Eq. 7-10.

    Args:
        region_features: `(images, height, width, dim)` or `(images, regions, dim)`.
        word_features: `(captions, words, dim)`.
        padding_mask: `(captions, words)`, True where there is a word.
        gamma1: Sharpness of the attention over regions, positive.
        gamma2: Sharpness of the soft maximum over words, positive.

    Returns:
        Scores, float32 of shape `(images, captions)`.
    """
    words = ops.cast(word_features, "float32")
    num_captions, num_words, dim = ops.shape(words)
    regions = _flat_regions(region_features)
    mask = ops.cast(padding_mask, "bool")
    all_words = ops.reshape(words, (-1, dim))
    num_regions = ops.shape(regions)[1]

    scores = ops.matmul(regions, ops.transpose(all_words))
    scores = ops.reshape(scores, (-1, num_regions, num_captions, num_words))
    scores = ops.softmax(ops.where(mask, scores, MASKED), axis=-1)  # Eq. 8: over a caption's words
    scores = ops.reshape(scores, (-1, num_regions, num_captions * num_words))
    attention = ops.softmax(gamma1 * ops.transpose(scores, (0, 2, 1)), axis=-1)  # Eq. 9
    contexts = ops.matmul(attention, regions)

    product = ops.sum(contexts * all_words, axis=-1)
    norms = _norm(contexts) * _norm(all_words)
    similarity = gamma2 * product / ops.maximum(norms, EPSILON)
    similarity = ops.reshape(similarity, (-1, num_captions, num_words))
    return ops.logsumexp(ops.where(mask, similarity, MASKED), axis=-1)


def sentence_matching_scores(image_code: Any, sentence_embedding: Any) -> Any:
    """Returns the cosine of every image's code with every sentence's embedding.

    Reference: AttnGAN (CVPR 2018), section 3.2, after Eq. 13.

    Args:
        image_code: `(images, dim)`.
        sentence_embedding: `(captions, dim)`.

    Returns:
        Scores in [-1, 1], float32 of shape `(images, captions)`.
    """
    image_code = ops.cast(image_code, "float32")
    sentence_embedding = ops.cast(sentence_embedding, "float32")
    products = ops.matmul(image_code, ops.transpose(sentence_embedding))
    norms = _norm(image_code)[:, None] * _norm(sentence_embedding)[None, :]
    return products / ops.maximum(norms, EPSILON)


def matching_losses(
    image_features: Mapping[str, Any],
    text_features: Mapping[str, Any],
    padding_mask: Any,
    class_ids: Any = None,
    *,
    gamma1: float = 4.0,
    gamma2: float = 5.0,
    gamma3: float = 10.0,
    row_offset: Any = 0,
    num_rows: Any = None,
) -> dict[str, Any]:
    """Returns the four DAMSM losses: each image must find its caption in the batch, and vice versa.

    Reference: AttnGAN (CVPR 2018), section 3.2, Eq. 11-13; DM-GAN (CVPR 2019), section 3.4.

    Args:
        image_features: The output of `ImageEncoder` for the batch: `{"region_features": (batch,
            height, width, dim), "image_code": (batch, dim)}`.
        text_features: The output of `TextEncoder`: `{"word_features": (batch, words, dim),
            "sentence_embedding": (batch, dim)}`. Caption i belongs to image i.
        padding_mask: `(batch, words)`, True where there is a word.
        class_ids: `(batch,)` integers. Other captions of an image's class are not negatives and are
            masked; where all are of one class, the losses and their gradients are 0. With None,
            every other caption is a negative.
        gamma1: See `word_matching_scores`.
        gamma2: See `word_matching_scores`.
        gamma3: Sharpness of the softmax over the batch, positive.
        row_offset: First example whose losses are returned. A replica that gathered the features of
            the global batch computes only its own rows.
        num_rows: How many examples from there on. None: all, and `row_offset` must be 0.

    Returns:
        `{"word_image_to_text", "word_text_to_image", "sentence_image_to_text",
        "sentence_text_to_image"}`, each float32 of shape `(num_rows,)`.
    """
    regions = _flat_regions(image_features["region_features"])
    codes, sentences = image_features["image_code"], text_features["sentence_embedding"]
    words, batch_size = text_features["word_features"], ops.shape(regions)[0]

    def own(values):
        return values if num_rows is None else _rows(values, row_offset, num_rows)

    def score_words(regions, words, mask):
        return word_matching_scores(regions, words, mask, gamma1, gamma2)

    by_word = by_word_of_text = score_words(own(regions), words, padding_mask)
    by_sentence = by_sentence_of_text = sentence_matching_scores(own(codes), sentences)
    if num_rows is not None:  # the columns of these captions are not among the rows of the images
        by_word_of_text = score_words(regions, own(words), own(padding_mask))
        by_sentence_of_text = sentence_matching_scores(codes, own(sentences))
    scores = {
        "word_image_to_text": by_word,
        "word_text_to_image": ops.transpose(by_word_of_text),
        "sentence_image_to_text": by_sentence,
        "sentence_text_to_image": ops.transpose(by_sentence_of_text),
    }
    everyone = ops.arange(batch_size, dtype="int32")
    is_match = ops.expand_dims(own(everyone), 1) == everyone
    is_left_out = None
    if class_ids is not None:
        class_ids = ops.cast(class_ids, "int32")
        is_same_class = ops.expand_dims(own(class_ids), 1) == class_ids
        is_left_out = ops.logical_and(is_same_class, ops.logical_not(is_match))
    return {
        name: _cross_entropy(gamma3 * score, is_match, is_left_out)
        for name, score in scores.items()
    }


def _cross_entropy(scores, is_match, is_left_out):
    """Minus the log-probability of the match, under a softmax over what is not masked."""
    match = ops.sum(ops.where(is_match, scores, 0.0), axis=1)
    if is_left_out is not None:
        scores = ops.where(is_left_out, MASKED, scores)
    return ops.logsumexp(scores, axis=1) - match


def _flat_regions(region_features):
    regions = ops.cast(region_features, "float32")
    if len(regions.shape) == 4:
        _, height, width, dim = ops.shape(regions)
        regions = ops.reshape(regions, (-1, height * width, dim))
    return regions


def _norm(vectors):
    # The floor is inside the root: at a zero vector, as padding is, the root's slope is
    # infinite and its gradient would be no number.
    return ops.sqrt(ops.maximum(ops.sum(ops.square(vectors), axis=-1), EPSILON**2))


def _rows(values, offset, count):
    rest = ops.shape(values)[1:]
    return ops.slice(values, (offset,) + (0,) * len(rest), (count, *rest))
