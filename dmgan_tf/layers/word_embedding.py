"""The text encoder's word embeddings."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import initializers, layers, ops


class WordEmbedding(layers.Layer):
    """A base of the layers that embed the words of a caption.

    One is chosen by its name in `dmgan_tf.registry.catalogue`, or as `module:Class`. It is called
    and built as any Keras layer, and `get_config` returns its options.

    Args:
        vocabulary_size: Number of ids, including the padding's 0.
        embedding_dim: Size of the embedding of a word.

    Call arguments:
        token_ids: Int32 tensor `(batch, words)`; 0 is padding.

    Returns:
        Float tensor `(batch, words, embedding_dim)`; its values at the padding are ignored.
    """

    def start_from(self, words: Sequence[str]) -> None:
        """Sets the weights of a new, built embedding for its words; called once.

        A trained one gets all its weights, including those that are not trainable, from its model's
        file, so that files read here are not needed again. By default, nothing is set.

        Args:
            words: The words of the vocabulary, in the order of their ids; the first is padding.
        """


@keras.saving.register_keras_serializable(package="dmgan_tf")
class LearnedEmbedding(layers.Embedding, WordEmbedding):
    """Randomly initialised, learned vectors, one per word.

    Reference:
        The authors' release: uniform in [-0.1, 0.1].

    Args:
        vocabulary_size, embedding_dim: As of every `WordEmbedding`.
    """

    def __init__(self, vocabulary_size: int, embedding_dim: int, **kwargs):
        super().__init__(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=initializers.RandomUniform(-0.1, 0.1),
            **kwargs,
        )

    def get_config(self):
        config = super().get_config()
        return {
            **{name: config[name] for name in ("name", "trainable", "dtype")},
            "vocabulary_size": self.input_dim,
            "embedding_dim": self.output_dim,
        }


@keras.saving.register_keras_serializable(package="dmgan_tf")
class WordVectorEmbedding(WordEmbedding):
    """Fixed vectors of many words under a trained projection, plus learned ones of a few words.

    The fixed vectors also represent words that no training caption has; the learned vector of a
    caption's word is added and starts at zero. The table is stored in float16.

    Reference:
        Pennington, Socher and Manning: GloVe: Global Vectors for Word Representation. EMNLP 2014.

    Args:
        vocabulary_size, embedding_dim: As of every `WordEmbedding`.
        vector_dim: Values of a fixed vector.
        num_trained: How many words, with the ids from 1 on, also have a learned vector.
        source: Origin of the vectors: `"glove"`, or the name of a file; for the model card.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        vector_dim: int,
        num_trained: int,
        source: str = "",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.vector_dim = vector_dim
        self.num_trained = num_trained
        self.source = source

    def build(self, input_shape=None):
        self.vectors = self.add_weight(
            shape=(self.vocabulary_size, self.vector_dim),
            initializer="zeros",
            dtype="float16",
            trainable=False,
            autocast=False,
            name="vectors",
        )
        self.projection = self.add_weight(
            shape=(self.vector_dim, self.embedding_dim),
            initializer="glorot_uniform",
            name="projection",
        )
        self.learned = self.add_weight(
            shape=(self.num_trained + 1, self.embedding_dim),
            initializer="zeros",
            autocast=False,
            name="learned",
        )

    def set_vectors(self, vectors: np.ndarray) -> None:
        """Sets the table: `(vocabulary_size, vector_dim)`, a row an id; zeros for no vector."""
        self.vectors.assign(vectors)

    def call(self, token_ids, training=False):
        # Cast as a whole, since LiteRT cannot take rows of float16.
        table = ops.cast(self.vectors, self.compute_dtype)
        vectors = ops.take(table, token_ids, axis=0)
        is_trained = ops.logical_and(token_ids > 0, token_ids <= self.num_trained)
        learned = ops.take(self.learned, ops.where(is_trained, token_ids, 0), axis=0)
        share = ops.expand_dims(is_trained, -1)
        learned, share, projection = (
            ops.cast(value, self.compute_dtype) for value in (learned, share, self.projection)
        )
        return ops.matmul(vectors, projection) + share * learned

    def get_config(self):
        own = ("vocabulary_size", "embedding_dim", "vector_dim", "num_trained", "source")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
