"""The text encoder: padding, its two directions, and saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.layers.word_embedding import WordEmbedding
from dmgan_tf.models.text_encoder import TextEncoder

TOKEN_IDS = np.array([[3, 1, 4, 2, 5], [2, 6, 0, 0, 0], [5, 0, 0, 0, 0]], "int32")


def text_encoder():
    encoder = TextEncoder(7, word_dim=6, embedding_dim=4)
    encoder.build()
    return encoder


def test_padding_changes_nothing():
    encoder = text_encoder()
    together = encoder(TOKEN_IDS)
    assert together["word_features"].shape == (3, 5, 6)
    assert together["sentence_embedding"].shape == (3, 6)
    for row, length in enumerate((5, 2, 1)):
        alone = encoder(TOKEN_IDS[row : row + 1, :length])
        words = together["word_features"][row]
        np.testing.assert_allclose(words[:length], alone["word_features"][0], atol=1e-6)
        assert np.all(np.asarray(words[length:]) == 0.0)
        sentence = together["sentence_embedding"][row]
        np.testing.assert_allclose(sentence, alone["sentence_embedding"][0], atol=1e-6)


def test_the_sentence_is_the_last_state_of_each_direction():
    encoder = text_encoder()
    outputs = encoder(TOKEN_IDS)
    words, sentence = (np.asarray(outputs[n]) for n in ("word_features", "sentence_embedding"))
    for row, length in enumerate((5, 2, 1)):
        np.testing.assert_allclose(sentence[row, :3], words[row, length - 1, :3], atol=1e-6)
        np.testing.assert_allclose(sentence[row, 3:], words[row, 0, 3:], atol=1e-6)


def test_dropout_only_in_training():
    encoder = text_encoder()
    plain = encoder(TOKEN_IDS)["sentence_embedding"]
    np.testing.assert_array_equal(encoder(TOKEN_IDS)["sentence_embedding"], plain)
    assert np.any(encoder(TOKEN_IDS, training=True)["sentence_embedding"] != plain)


def test_batch_and_caption_length_may_vary():
    encoder = text_encoder()
    graph = tf.function(encoder, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    for part in (TOKEN_IDS, TOKEN_IDS[:1, :3], np.pad(TOKEN_IDS, ((0, 0), (0, 4)))):
        for name, value in graph(part).items():
            np.testing.assert_allclose(value, encoder(part)[name], atol=1e-6)
    assert graph.experimental_get_tracing_count() == 1


def test_two_directions_need_an_even_size():
    with pytest.raises(InputError, match="even. Received: word_dim=5"):
        TextEncoder(7, word_dim=5)


def test_configuration_weights_and_keras_file(tmp_path):
    encoder = text_encoder()
    expected = encoder(TOKEN_IDS)
    copy = TextEncoder.from_config(encoder.get_config())
    assert copy.get_config() == encoder.get_config()
    copy.build()
    encoder.save_weights(tmp_path / "text_encoder.weights.h5")
    copy.load_weights(tmp_path / "text_encoder.weights.h5")
    encoder.save(tmp_path / "text_encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "text_encoder.keras")
    for restored in (copy, loaded):
        keras.tree.map_structure(np.testing.assert_array_equal, restored(TOKEN_IDS), expected)


def test_an_embedding_of_another_size_is_refused():
    with pytest.raises(InputError, match="own sizes.*Received: embedding_dim=7"):
        TextEncoder(9, 8, embedding_dim=6, word_embedding="learned(embedding_dim=7)")


class NarrowEmbedding(WordEmbedding):
    """An embedding that takes a size and gives another."""

    def __init__(self, vocabulary_size, embedding_dim, **kwargs):
        super().__init__(**kwargs)

    def call(self, token_ids):
        return keras.ops.one_hot(token_ids, 3)


def test_an_embedding_whose_output_has_another_size_is_refused():
    encoder = TextEncoder(9, 8, embedding_dim=6, word_embedding=NarrowEmbedding(9, 6))
    with pytest.raises(InputError, match="gives 6 values a word.*3 values from .*NarrowEmbedding"):
        encoder.build()
