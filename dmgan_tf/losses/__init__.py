"""The losses: adversarial objectives, image-text matching (DAMSM), words, likeness and divergence.

Every loss returns one float32 value per example. The training step averages them, because it knows
the global batch when several devices share it.
"""

from dmgan_tf.losses.divergence import conditioning_divergence
from dmgan_tf.losses.matching import matching_losses, sentence_matching_scores, word_matching_scores
from dmgan_tf.losses.mode_seeking import code_distance, mode_seeking_loss
from dmgan_tf.losses.objective import Objective, PaperObjective, ReleaseObjective
from dmgan_tf.losses.word_prediction import (
    drawn_words_loss,
    misread_words_loss,
    word_prediction_loss,
    word_reading_loss,
)

__all__ = [
    "Objective",
    "PaperObjective",
    "ReleaseObjective",
    "code_distance",
    "conditioning_divergence",
    "drawn_words_loss",
    "matching_losses",
    "misread_words_loss",
    "mode_seeking_loss",
    "sentence_matching_scores",
    "word_matching_scores",
    "word_prediction_loss",
    "word_reading_loss",
]
