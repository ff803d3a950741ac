"""The generator: an initial image, then refinements of it guided by the words."""

import numbers
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from dmgan_tf.errors import InputError
from dmgan_tf.layers.blocks import convolution_3x3
from dmgan_tf.layers.conditioning import ConditioningAugmentation
from dmgan_tf.layers.stages import InitialStage, RefinementStage


def generator_inputs(
    text: Mapping[str, Any], token_ids: Any, noise: Any, condition_noise: Any
) -> dict[str, Any]:
    """Returns the inputs of a `Generator`.

    Args:
        text: The output of the `TextEncoder`: `word_features` and `sentence_embedding`.
        token_ids: Tensor or array `(batch, words)`, 0 where there is no word.
        noise: Standard normal `(batch, noise_dim)`.
        condition_noise: Standard normal `(batch, condition_dim)`.
    """
    return {
        "noise": noise,
        "condition_noise": condition_noise,
        "word_features": text["word_features"],
        "sentence_embedding": text["sentence_embedding"],
        "padding_mask": token_ids != 0,
    }


@keras.saving.register_keras_serializable(package="dmgan_tf")
class Generator(keras.Model):
    """DM-GAN's generator: one image per stage from caption features and noise.

    The defaults are the paper's: 64, 128 and 256 pixels. Noise is an input, so the same inputs
    give the same images.

    Reference:
        Section 3 and Figure 2; sizes in section 3.5.

    Args:
        channels: Channels of the image features (N_r).
        noise_dim: Size of the noise.
        condition_dim: Size of the augmented condition.
        word_dim: Size of word features and sentence embedding (N_w).
        memory_dim: Size of a memory slot (N_m); twice `channels` if not given.
        num_residual_blocks: Residual blocks per refinement stage: 2 (CUB) or 3 (COCO).
        base_size: Side of the first image, in pixels; a power of two from 16 up.
        num_stages: Number of images, each twice the size of the previous one.
        refinement: `"memory"`, or `"attention"` for the baseline of Table 3.
        writing_gate: Whether the memory has its writing gate (Table 3).
        response_gate: Whether the memory has its response gate (Table 3).

    Call arguments:
        inputs: Dict, as `generator_inputs` returns it, of `noise` `(batch, noise_dim)` and
            `condition_noise` `(batch, condition_dim)`, both standard normal; `word_features`
            `(batch, words, word_dim)`; `sentence_embedding` `(batch, word_dim)`; `padding_mask`
            `(batch, words)`, true where there is a word.
        training: Whether batch norm uses, and learns from, this batch.

    Returns:
        Dict of `images`, one float32 `(batch, size, size, 3)` in [-1, 1] a stage;
        `attention_scores`, one `(batch, size / 2, size / 2, words)` a refinement; `word_gates`
        `(batch, words)` and `response_gates` `(batch, size / 2, size / 2)` likewise, empty where
        there is no such gate; `condition_mean` and `condition_log_variance`,
        `(batch, condition_dim)`.

    Raises:
        InputError: If a size is not as above.

    Example:
        >>> generator = Generator(channels=8, base_size=16, num_stages=2)
        >>> outputs = generator(
        ...     {
        ...         "noise": keras.random.normal((1, 100)),
        ...         "condition_noise": keras.random.normal((1, 100)),
        ...         "word_features": keras.random.normal((1, 5, 256)),
        ...         "sentence_embedding": keras.random.normal((1, 256)),
        ...         "padding_mask": keras.ops.ones((1, 5), "bool"),
        ...     }
        ... )
        >>> [tuple(image.shape) for image in outputs["images"]]
        [(1, 16, 16, 3), (1, 32, 32, 3)]
    """

    # The generator's parts; a subclass may use others. Keras continues to track a layer that is
    # replaced, so they must be right from the start.
    initial_stage_class = InitialStage
    refinement_stage_class = RefinementStage

    def __init__(
        self,
        channels: int = 64,
        noise_dim: int = 100,
        condition_dim: int = 100,
        word_dim: int = 256,
        memory_dim: int | None = None,
        num_residual_blocks: int = 2,
        base_size: int = 64,
        num_stages: int = 3,
        refinement: str = "memory",
        writing_gate: bool = True,
        response_gate: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not _is_whole(base_size, 16) or base_size & (base_size - 1):
            raise InputError(
                "The first image's size must be a power of two from 16 up. "
                f"Received: base_size={base_size}."
            )
        memory_dim = 2 * channels if memory_dim is None else memory_dim
        for name, value, lowest in (
            ("num_stages", num_stages, 1),
            ("channels", channels, 1),
            ("noise_dim", noise_dim, 1),
            ("condition_dim", condition_dim, 1),
            ("word_dim", word_dim, 1),
            ("memory_dim", memory_dim, 1),
            ("num_residual_blocks", num_residual_blocks, 0),
        ):
            if not _is_whole(value, lowest):
                raise InputError(
                    f"A generator's {name} is a whole number from {lowest} up. "
                    f"Received: {name}={value!r}."
                )
        dtype = self.dtype_policy
        # === Layers ===
        self.conditioning = ConditioningAugmentation(condition_dim, dtype=dtype)
        self.initial_stage = self.initial_stage_class(
            channels, base_size, dtype=dtype, name="initial_stage"
        )
        self.refinement_stages = [
            self.refinement_stage_class(
                channels,
                memory_dim,
                num_residual_blocks,
                refinement,
                writing_gate,
                response_gate,
                dtype=dtype,
                name=f"refinement_{i}",
            )
            for i in range(1, num_stages)
        ]
        self.add_to_images(num_stages)
        # === Config ===
        self.channels = channels
        self.noise_dim = noise_dim
        self.condition_dim = condition_dim
        self.word_dim = word_dim
        self.memory_dim = memory_dim
        self.num_residual_blocks = num_residual_blocks
        self.base_size = base_size
        self.num_stages = num_stages
        self.refinement = refinement
        self.writing_gate = writing_gate
        self.response_gate = response_gate

    def add_to_images(self, num_stages: int) -> None:
        """Makes the layers that turn features into images; a subclass may have others."""
        self.to_images = [
            convolution_3x3(3, self.dtype_policy, name=f"to_image_{i}") for i in range(num_stages)
        ]

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """The sides of the stages' images, in pixels, smallest first."""
        return tuple(self.base_size * 2**i for i in range(self.num_stages))

    def build(self, input_shape=None):
        self.conditioning.build((None, self.word_dim))
        self.initial_stage.build((None, self.condition_dim), (None, self.noise_dim))
        words_shape = (None, None, self.word_dim)
        for size, stage in zip(self.image_sizes, self.refinement_stages, strict=False):
            stage.build((None, size, size, self.channels), words_shape)
        for size, to_image in zip(self.image_sizes, self.to_images, strict=True):
            to_image.build((None, size, size, self.channels))

    def call(self, inputs, training=False):
        condition = self.conditioning(inputs["sentence_embedding"], inputs["condition_noise"])
        features = self.initial_stage(
            ops.cast(condition["condition"], self.compute_dtype),
            inputs["noise"],
            training=training,
        )
        outputs = {
            "images": [self._image(0, features)],
            "attention_scores": [],
            "word_gates": [],
            "response_gates": [],
            "condition_mean": condition["mean"],
            "condition_log_variance": condition["log_variance"],
        }
        for i, stage in enumerate(self.refinement_stages, start=1):
            refined = stage(
                features, inputs["word_features"], inputs["padding_mask"], training=training
            )
            features = refined["features"]
            outputs["images"].append(self._image(i, features))
            outputs["attention_scores"].append(refined["attention_scores"])
            for gate in ("word_gate", "response_gate"):
                if gate in refined:
                    outputs[f"{gate}s"].append(refined[gate])
        return outputs

    def _image(self, stage, features):
        # tanh in float32: half precision has too few values near -1 and 1, as on white backgrounds.
        return ops.tanh(ops.cast(self.to_images[stage](features), "float32"))

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "noise_dim": self.noise_dim,
            "condition_dim": self.condition_dim,
            "word_dim": self.word_dim,
            "memory_dim": self.memory_dim,
            "num_residual_blocks": self.num_residual_blocks,
            "base_size": self.base_size,
            "num_stages": self.num_stages,
            "refinement": self.refinement,
            "writing_gate": self.writing_gate,
            "response_gate": self.response_gate,
        }


def _is_whole(value, lowest):
    return isinstance(value, numbers.Integral) and value >= lowest
