"""The dynamic memory: writing by relevance, reading by each pixel, and the response gate."""

import keras
from keras import layers, ops

from dmgan_tf.layers.attention import attend_to_words
from dmgan_tf.layers.initialization import Orthogonal


def _projection(units, dtype, name):
    """A 1x1 convolution followed by ReLU, as M_w, M_r and both phis in the release."""
    return layers.Dense(
        units, activation="relu", kernel_initializer=Orthogonal(), dtype=dtype, name=name
    )


def _gate(dtype, name, use_bias=True):
    """A 1x1 convolution to one channel, before its sigmoid."""
    return layers.Dense(
        1, use_bias=use_bias, kernel_initializer=Orthogonal(), dtype=dtype, name=name
    )


@keras.saving.register_keras_serializable(package="dmgan_tf")
class MemoryWriting(layers.Layer):
    """Writes one memory slot per word, mixing word and image by the word's relevance.

    Reference:
        Eq. 7 and 8; without the gate, Eq. 3. The image is its features' mean over all pixels,
        through which no gradient flows (the release).

    Args:
        memory_dim: Size of a memory slot (N_m).
        gated: Whether there is a writing gate; without it slots contain words only.

    Call arguments:
        word_features: Float tensor `(batch, words, word_dim)`.
        image_features: Float tensor `(batch, height, width, channels)`.

    Returns:
        Dict of `memory`, `(batch, words, memory_dim)`, and, when gated, `word_gate`,
        `(batch, words)` float32 in (0, 1): the weight of the word in its slot.
    """

    def __init__(self, memory_dim: int, gated: bool = True, **kwargs):
        super().__init__(**kwargs)
        # === Layers ===
        self.word_projection = _projection(memory_dim, self.dtype_policy, "word_projection")
        if gated:
            self.image_projection = _projection(memory_dim, self.dtype_policy, "image_projection")
            self.word_gate = _gate(self.dtype_policy, "word_gate", use_bias=False)
            self.image_gate = _gate(self.dtype_policy, "image_gate", use_bias=False)
        # === Config ===
        self.memory_dim = memory_dim
        self.gated = gated

    def build(self, word_features_shape, image_features_shape):
        self.word_projection.build(word_features_shape)
        if self.gated:
            image_shape = (image_features_shape[0], 1, image_features_shape[-1])
            self.image_projection.build(image_shape)
            self.word_gate.build(word_features_shape)
            self.image_gate.build(image_shape)

    def call(self, word_features, image_features):
        words = self.word_projection(word_features)
        if not self.gated:
            return {"memory": words}
        pixels = ops.cast(ops.stop_gradient(image_features), "float32")
        image = ops.expand_dims(ops.mean(pixels, axis=(1, 2)), 1)
        image = ops.cast(image, image_features.dtype)
        gate_logits = self.word_gate(word_features) + self.image_gate(image)
        gate = ops.sigmoid(ops.cast(gate_logits, "float32"))
        share = ops.cast(gate, words.dtype)
        memory = words * share + self.image_projection(image) * (1 - share)
        return {"memory": memory, "word_gate": ops.squeeze(gate, -1)}

    def get_config(self):
        return {**super().get_config(), "memory_dim": self.memory_dim, "gated": self.gated}


@keras.saving.register_keras_serializable(package="dmgan_tf")
class MemoryReading(layers.Layer):
    """Key addressing and value reading: each pixel reads the memory slots similar to it.

    Reference:
        Eq. 4 (key addressing) and Eq. 5 (value reading).

    Call arguments:
        image_features: Float tensor `(batch, height, width, channels)`; height and width static.
        memory: Float tensor `(batch, words, memory_dim)`.
        padding_mask: Bool tensor `(batch, words)`, true where there is a word.

    Returns:
        Dict of `reading`, `(batch, height, width, channels)`, and `attention_scores`,
        `(batch, height, width, words)` float32, which sum to 1 over the words of a caption.
    """

    def build(self, image_features_shape, memory_shape, padding_mask_shape=None):
        channels = image_features_shape[-1]
        self.key_projection = _projection(channels, self.dtype_policy, "key_projection")
        self.key_projection.build(memory_shape)
        self.value_projection = _projection(channels, self.dtype_policy, "value_projection")
        self.value_projection.build(memory_shape)

    def call(self, image_features, memory, padding_mask):
        reading, weights = attend_to_words(
            image_features,
            self.key_projection(memory),
            self.value_projection(memory),
            padding_mask,
        )
        return {"reading": reading, "attention_scores": weights}


@keras.saving.register_keras_serializable(package="dmgan_tf")
class GatedResponse(layers.Layer):
    """Mixes, for each pixel, the memory's response with the image features.

    Reference:
        Eq. 9, with one gate per pixel as in the release.

    Call arguments:
        image_features: Float tensor `(batch, height, width, channels)`.
        reading: Float tensor of the same shape.

    Returns:
        Dict of `features`, of that shape, and `response_gate`, `(batch, height, width)` float32 in
        (0, 1): the weight of the memory.
    """

    def build(self, image_features_shape, reading_shape=None):
        self.gate = _gate(self.dtype_policy, "gate")
        self.gate.build((*image_features_shape[:-1], 2 * image_features_shape[-1]))

    def call(self, image_features, reading):
        logits = self.gate(ops.concatenate([image_features, reading], axis=-1))
        gate = ops.sigmoid(ops.cast(logits, "float32"))
        share = ops.cast(gate, image_features.dtype)
        features = reading * share + image_features * (1 - share)
        return {"features": features, "response_gate": ops.squeeze(gate, -1)}


@keras.saving.register_keras_serializable(package="dmgan_tf")
class DynamicMemory(layers.Layer):
    """The paper's dynamic memory: writing, key addressing, value reading and response.

    Reference:
        Sections 3.1 to 3.3, Eq. 3 to 9. Without the response gate the reading is concatenated with
        the image features (Eq. 6); with it, the gated features are doubled, as in the release, so
        that the following network is the same in both cases.

    Args:
        memory_dim: Size of a memory slot (N_m).
        writing_gate: Whether slots mix word and image (Eq. 7 and 8) or contain words (Eq. 3).
        response_gate: Whether reading and image are mixed (Eq. 9) or concatenated (Eq. 6).

    Call arguments:
        image_features: Float tensor `(batch, height, width, channels)`; height and width static.
        word_features: Float tensor `(batch, words, word_dim)`.
        padding_mask: Bool tensor `(batch, words)`, true where there is a word.

    Returns:
        Dict of `features`, `(batch, height, width, 2 * channels)`, `attention_scores`, and, with
        the gates, `word_gate` and `response_gate`, as `MemoryWriting`, `MemoryReading` and
        `GatedResponse` return them; with the response gate also `half_features`, the gated features
        that `features` contains twice.
    """

    def __init__(
        self, memory_dim: int, writing_gate: bool = True, response_gate: bool = True, **kwargs
    ):
        super().__init__(**kwargs)
        # === Layers ===
        self.writing = MemoryWriting(
            memory_dim, gated=writing_gate, dtype=self.dtype_policy, name="writing"
        )
        self.reading = MemoryReading(dtype=self.dtype_policy, name="reading")
        if response_gate:
            self.response = GatedResponse(dtype=self.dtype_policy, name="response")
        # === Config ===
        self.memory_dim = memory_dim
        self.writing_gate = writing_gate
        self.response_gate = response_gate

    def build(self, image_features_shape, word_features_shape, padding_mask_shape=None):
        self.writing.build(word_features_shape, image_features_shape)
        memory_shape = (*word_features_shape[:-1], self.memory_dim)
        self.reading.build(image_features_shape, memory_shape)
        if self.response_gate:
            self.response.build(image_features_shape)

    def call(self, image_features, word_features, padding_mask):
        outputs = self.writing(word_features, image_features)
        outputs.update(self.reading(image_features, outputs.pop("memory"), padding_mask))
        reading = outputs.pop("reading")
        if self.response_gate:
            outputs.update(self.response(image_features, reading))
            outputs["half_features"] = outputs["features"]
            pair = [outputs["features"], outputs["features"]]
        else:
            pair = [reading, image_features]
        outputs["features"] = ops.concatenate(pair, axis=-1)
        return outputs

    def get_config(self):
        return {
            **super().get_config(),
            "memory_dim": self.memory_dim,
            "writing_gate": self.writing_gate,
            "response_gate": self.response_gate,
        }
