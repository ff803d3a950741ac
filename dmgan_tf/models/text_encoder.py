"""The text encoder: a caption's words and its sentence as vectors."""

from collections.abc import Mapping

import keras
from keras import layers, ops

from dmgan_tf.errors import InputError
from dmgan_tf.layers.dropout import Dropout
from dmgan_tf.layers.word_embedding import WordEmbedding
from dmgan_tf.registry.catalogue import WORD_EMBEDDINGS


@keras.saving.register_keras_serializable(package="dmgan_tf")
class TextEncoder(keras.Model):
    """Bidirectional LSTM over the words of a caption.

    Each word feature is the hidden states of the two directions at that word; the sentence
    embedding is the last hidden state of each direction, which for the backward one is its state
    at the first word. Captions of any length may share a batch: padding has no effect.

    Reference:
        Section 3.5, "Each word feature corresponds to the hidden states of two directions".

    Args:
        vocabulary_size: Number of ids, including the padding's 0.
        word_dim: Size of a word feature and of the sentence embedding (N_w); even.
        embedding_dim: Size of the embedding of a word.
        dropout: Dropout rate of the embedding, in [0, 1).
        word_embedding: The word embedding: a registered name, `module:Class`, such a name with
            options, see `registry`, or a `WordEmbedding`.

    Call arguments:
        token_ids: Int32 tensor `(batch, words)`; 0 is padding, on the right.
        training: Whether dropout is on.

    Returns:
        Dict of `word_features`, `(batch, words, word_dim)` with zeros at the padding, and
        `sentence_embedding`, `(batch, word_dim)`.

    Raises:
        InputError: If `word_dim` is odd, or `word_embedding` unknown or of another size.
    """

    def __init__(
        self,
        vocabulary_size: int,
        word_dim: int = 256,
        embedding_dim: int = 300,
        dropout: float = 0.5,
        word_embedding: str | Mapping | WordEmbedding = "learned",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if word_dim % 2:
            raise InputError(
                "word_dim is for two directions of equal size, so it must be even. "
                f"Received: word_dim={word_dim}."
            )
        # === Layers ===
        sizes = {"vocabulary_size": vocabulary_size, "embedding_dim": embedding_dim}
        self.embedding = WORD_EMBEDDINGS.make(
            word_embedding, sizes, dtype=self.dtype_policy, name="embedding"
        )
        own = self.embedding.get_config()
        differing = [name for name, size in sizes.items() if own.get(name, size) != size]
        if differing:
            raise InputError(
                f"Expected a word embedding of the encoder's own sizes, {sizes}. Received: "
                f"{differing[0]}={own[differing[0]]}. Leave it out."
            )
        self.dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")
        self.recurrence = layers.Bidirectional(
            layers.LSTM(
                word_dim // 2, return_sequences=True, return_state=True, dtype=self.dtype_policy
            ),
            dtype=self.dtype_policy,
            name="recurrence",
        )
        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.word_dim = word_dim
        self.embedding_dim = embedding_dim
        self.dropout_rate = dropout

    def build(self, input_shape=None):
        self.embedding.build((None, None))
        token_ids = keras.KerasTensor((None, None), "int32")
        size = self.embedding.compute_output_spec(token_ids).shape[-1]
        if size not in (None, self.embedding_dim):
            raise InputError(
                f"Expected a word embedding that gives {self.embedding_dim} values a word, the "
                f"encoder's embedding_dim. Received: {size} values from "
                f"{WORD_EMBEDDINGS.name_of(type(self.embedding))}."
            )
        self.recurrence.build((None, None, self.embedding_dim))

    def call(self, token_ids, training=False):
        padding_mask = ops.not_equal(token_ids, 0)
        embedded = self.dropout(self.embedding(token_ids), training=training)
        words, forward, _, backward, _ = self.recurrence(
            embedded, mask=padding_mask, training=training
        )
        return {
            "word_features": words * ops.cast(ops.expand_dims(padding_mask, -1), words.dtype),
            "sentence_embedding": ops.concatenate([forward, backward], axis=-1),
        }

    def get_config(self):
        sizes = {"vocabulary_size": self.vocabulary_size, "embedding_dim": self.embedding_dim}
        config = {
            **super().get_config(),
            **sizes,
            "word_dim": self.word_dim,
            "dropout": self.dropout_rate,
        }
        embedding = WORD_EMBEDDINGS.describe_briefly(self.embedding, sizes)
        # Keeps the files of the default readable by versions before this option.
        return config if embedding == "learned" else {**config, "word_embedding": embedding}
