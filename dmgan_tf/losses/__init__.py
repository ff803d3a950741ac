"""The objectives: adversarial, image-text matching (DAMSM) and conditioning divergence.

Every loss gives one float32 value an example. Averaging is left to the training step, which knows
the global batch when several devices share it.
"""

from dmgan_tf.losses.adversarial import discriminator_loss, generator_loss
from dmgan_tf.losses.divergence import conditioning_divergence
from dmgan_tf.losses.matching import matching_losses, sentence_matching_scores, word_matching_scores

__all__ = [
    "conditioning_divergence",
    "discriminator_loss",
    "generator_loss",
    "matching_losses",
    "sentence_matching_scores",
    "word_matching_scores",
]
