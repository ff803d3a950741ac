"""For `pretrain_damsm --word_embedding="another_embedding:SpelledEmbedding(letters='aelpr')"`."""

import numpy as np
from keras import layers, ops

from dmgan_tf.layers.word_embedding import WordEmbedding


class SpelledEmbedding(WordEmbedding):
    """An embedding by how often a word has each letter, for words never seen in training too."""

    def __init__(self, vocabulary_size, embedding_dim, letters="aeiou", **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.letters = letters
        self.projection = layers.Dense(embedding_dim, dtype=self.dtype_policy, name="projection")

    def build(self, input_shape):
        shape = (self.vocabulary_size, len(self.letters))
        self.table = self.add_weight(shape=shape, name="table", trainable=False)
        self.projection.build((None, None, len(self.letters)))

    def start_from(self, words):
        self.table.assign(np.float32([[word.count(x) for x in self.letters] for word in words]))

    def call(self, token_ids):
        return self.projection(ops.take(self.table, token_ids, axis=0))

    def get_config(self):
        own = ("vocabulary_size", "embedding_dim", "letters")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
