"""The embedding by fixed vectors, a trained projection and learned vectors."""

import keras
import numpy as np

from dmgan_tf.layers.word_embedding import WordVectorEmbedding

VECTORS = np.float16([[0, 0], [1, 2], [0.5, 0], [0, 0], [3, 1]])
PROJECTION = np.float32([[1, 0, 2], [0, 1, 1]])


def embedding_with(learned=0.0, **options):
    layer = WordVectorEmbedding(5, 3, vector_dim=2, num_trained=3, **options)
    layer.build((None, None))
    layer.set_vectors(VECTORS)
    layer.projection.assign(PROJECTION)
    layer.learned.assign(np.full((4, 3), learned, "float32"))
    return layer


def test_the_sum_by_hand():
    """A word without a vector has what was learned alone, and a new word its vector alone."""
    out = np.asarray(embedding_with(learned=10.0)(np.array([[1, 2, 3, 4, 0]])))[0]
    expected = [[11, 12, 14], [10.5, 10, 11], [10, 10, 10], [3, 1, 7], [0, 0, 0]]
    np.testing.assert_array_equal(out, expected)


def test_what_is_learned_starts_at_zero_and_the_table_is_not_trained():
    layer = WordVectorEmbedding(5, 3, vector_dim=2, num_trained=3)
    layer.build((None, None))
    assert not np.any(layer.learned) and not np.any(layer.vectors)
    assert [weight.name for weight in layer.trainable_weights] == ["projection", "learned"]
    assert layer.vectors.dtype == "float16"


def test_it_comes_back_in_mixed_precision(tmp_path):
    layer = embedding_with(learned=10.0, source="glove")
    again = WordVectorEmbedding.from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    assert again.source == "glove"
    again.build((None, None))
    again.set_weights(layer.get_weights())
    ids = np.array([[1, 4, 3]])
    out = again(ids)
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    np.testing.assert_allclose(np.float32(out), layer(ids), rtol=0.01)
