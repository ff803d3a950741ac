"""Losses of the words that an image encoder predicts from an image alone."""

from typing import Any

from keras import ops

from dmgan_tf.losses.matching import MASKED


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
    shares = ops.cast(word_shares, "float32")
    target = shares / ops.maximum(ops.sum(shares, axis=-1, keepdims=True), 1e-6)
    return -ops.sum(target * ops.log_softmax(ops.cast(logits, "float32"), axis=-1), axis=-1)


def drawn_words_loss(logits: Any, token_ids: Any, word_shares: Any) -> Any:
    """Returns how poorly the words of its caption are predicted from a generated image.

    The cross-entropy between the predicted words and those of the caption, less its minimum. Words
    of other captions of the same image are left out of the prediction: they are true of it as well.
    Unlike the matching losses, which need few words to tell a caption from those of a batch, it has
    a gradient for every word that the image lacks.

    Args:
        logits: `word_logits` of an `ImageEncoder` for the generated images, `(batch, words)`.
        token_ids: Their captions, integers `(batch, length)`; 0 is padding.
        word_shares: See `word_prediction_loss`, of all captions of the real image.

    Returns:
        One value of 0 or more an example, float32 of shape `(batch,)`; 0 where a caption has no
        word that is predicted.
    """
    num_words = ops.shape(logits)[-1]
    said = ops.max(ops.one_hot(token_ids, num_words), axis=1)
    said = said * ops.cast(ops.arange(num_words) > 0, "float32")  # not the padding
    also_true = ops.logical_and(ops.cast(word_shares, "float32") > 0, said == 0)
    logits = ops.where(also_true, MASKED, ops.cast(logits, "float32"))
    target = said / ops.maximum(ops.sum(said, axis=-1, keepdims=True), 1.0)
    surprise = ops.log(ops.where(said > 0, target, 1.0)) - ops.log_softmax(logits, axis=-1)
    return ops.sum(ops.where(said > 0, target * surprise, 0.0), axis=-1)
