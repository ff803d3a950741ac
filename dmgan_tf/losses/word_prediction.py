"""Losses of the words that an image encoder predicts from an image alone."""

from typing import Any

from keras import ops


def word_prediction_loss(logits: Any, word_shares: Any) -> Any:
    """Returns the cross-entropy between the predicted and the actual words of an image's captions.

    The target is a distribution over the vocabulary: each word's share of the captions, divided by
    the sum. Every word is learned from every image, while a contrastive loss hardly depends on
    details that are not needed to tell the captions of a batch apart.

    Reference: Huang et al., "Classification Done Right for Vision-Language Pre-Training" (NeurIPS
    2024), Eq. 2, for several captions an image and without weights of rare words.

    Args:
        logits: `(batch, words)`.
        word_shares: The share of an image's captions that contain each word, `(batch, words)`, in
            [0, 1].

    Returns:
        One value an example, float32 of shape `(batch,)`; 0 where no caption has a word.
    """
    return _cross_entropy(ops.log_softmax(ops.cast(logits, "float32"), axis=-1), word_shares)


def word_reading_loss(log_probabilities: Any, word_shares: Any, groups: Any) -> Any:
    """Returns the cross-entropy of words that are read group by group.

    The sum of `word_prediction_loss` over the groups, each a distribution of its own.

    Args:
        log_probabilities: Of a `WordReader`, `(batch, words)`.
        word_shares: As in `word_prediction_loss`.
        groups: The reader's, `(groups, words)`.

    Returns:
        One value an example, float32 of shape `(batch,)`.
    """
    return sum(
        _cross_entropy(log_probabilities, word_shares * ops.cast(group, "float32"))
        for group in groups
    )


def _cross_entropy(log_probabilities, word_shares):
    shares = ops.cast(word_shares, "float32")
    target = shares / ops.maximum(ops.sum(shares, axis=-1, keepdims=True), 1e-6)
    return -ops.sum(target * log_probabilities, axis=-1)


def drawn_words_loss(logits: Any, real_logits: Any, token_ids: Any) -> Any:
    """Returns how much less clearly a generated image shows the words of its caption.

    The mean, over these words, of the log-probability that each loses compared with the real image,
    0 where it loses nothing. Unlike the matching losses, which need few words to tell a caption
    from those of a batch, it has a gradient for every word that the image lacks. What the caption
    leaves open costs nothing, however it is drawn: it lowers the probability of the caption's words
    as much in the real image.

    Args:
        logits: `word_logits` of an `ImageEncoder` for the generated images, `(batch, words)`.
        real_logits: The same for the real images of the captions.
        token_ids: The captions, integers `(batch, length)`; 0 is padding.

    Returns:
        One value of 0 or more an example, float32 of shape `(batch,)`; 0 where a caption has no
        word that is predicted.
    """
    num_words = ops.shape(logits)[-1]
    said = ops.max(ops.one_hot(token_ids, num_words), axis=1)
    said = said * ops.cast(ops.arange(num_words) > 0, "float32")  # not the padding
    drawn, real = (ops.log_softmax(ops.cast(x, "float32"), axis=-1) for x in (logits, real_logits))
    return _mean_lost(said, real, drawn)


def misread_words_loss(
    log_probabilities: Any, real_log_probabilities: Any, token_ids: Any, real_token_ids: Any
) -> Any:
    """Returns how much less clearly an image of a changed caption shows its words.

    As `drawn_words_loss`, but each word is compared with the one at the same place in the caption
    of the real image.

    Args:
        log_probabilities: Of a `WordReader` for the generated images, `(batch, words)`.
        real_log_probabilities: The same for the real images.
        token_ids: The changed captions, integers `(batch, length)`; 0 is padding.
        real_token_ids: The captions of the real images, of the same lengths.

    Returns:
        One value of 0 or more an example, float32 of shape `(batch,)`; 0 where a caption has no
        word that is read.
    """
    num_words = ops.shape(log_probabilities)[-1]
    said = (real_token_ids > 0) & (real_token_ids < num_words)
    drawn, real = (
        ops.take_along_axis(values, ops.where(said, ids, 1), axis=-1)
        for values, ids in (
            (log_probabilities, token_ids),
            (real_log_probabilities, real_token_ids),
        )
    )
    return _mean_lost(ops.cast(said, "float32"), real, drawn)


def _mean_lost(said, real, drawn):
    """The mean over words said of the log-probability that each loses, 0 where there are none."""
    lost = ops.sum(said * ops.relu(real - drawn), axis=-1)
    return lost / ops.maximum(ops.sum(said, axis=-1), 1.0)
