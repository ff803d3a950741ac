"""The loss of predicting, from an image alone, which words its captions contain."""

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
    shares = ops.cast(word_shares, "float32")
    target = shares / ops.maximum(ops.sum(shares, axis=-1, keepdims=True), 1e-6)
    return -ops.sum(target * ops.log_softmax(ops.cast(logits, "float32"), axis=-1), axis=-1)
