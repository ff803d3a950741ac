"""How the text encoder turns words into vectors; others than the learned one are written here."""

from collections.abc import Sequence

import keras
from keras import initializers, layers


class WordEmbedding(layers.Layer):
    """A base of the layers that embed the words of a caption.

    One is chosen by its name in `dmgan_tf.registry.catalogue`, or as `module:Class`. It is called
    and built as any Keras layer, and `get_config` holds its own options.

    Args:
        vocabulary_size: Number of ids, the padding's 0 included.
        embedding_dim: Size of the embedding of a word.

    Call arguments:
        token_ids: Int32 tensor `(batch, words)`; 0 is padding.

    Returns:
        Float tensor `(batch, words, embedding_dim)`; what it holds at the padding does not matter.
    """

    def start_from(self, words: Sequence[str]) -> None:
        """Sets the weights of a new embedding by the words that it is for; called once, built.

        A trained one gets all its weights, those that are not trainable too, from its model's file,
        so that what is read here need not be there again. By default, nothing is set.

        Args:
            words: The words of the vocabulary, in the order of their ids; the first is padding.
        """


@keras.saving.register_keras_serializable(package="dmgan_tf")
class LearnedEmbedding(layers.Embedding, WordEmbedding):
    """Vectors that are drawn at random and learned, one a word.

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
