"""Exact fast inference: the same pictures from a generator that computes less.

What changes: batch normalisation is folded into the kernels; an upsampling block works on the
small image (`folding.phase_kernels` and `folding.product_kernels`); the convolution over a feature
that stands twice becomes one over the feature; the sigmoid of a GLU becomes a tanh; and biases,
residual additions and conversions of type are joined to the convolutions or gone. At the paper's
size 21.7 instead of the release's 32.8 thousand million multiplications an image are left; most of
that holds in training, too (`UpsampleConv2D` and `ResidualBlock`), and the rest of the time is won
by reading and writing the images less often.
"""

import keras

from dmgan_tf.errors import InputError
from dmgan_tf.layers.attention import WordAttention
from dmgan_tf.layers.conditioning import ConditioningAugmentation
from dmgan_tf.layers.initialization import without_initial_values
from dmgan_tf.layers.memory import DynamicMemory
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.serving.fast_layers import (
    FoldedInitialStage,
    FoldedLayer,
    FoldedResidual,
    FoldedToImage,
    FoldedUpsampling,
)
from dmgan_tf.serving.folding import merge_twin_inputs, to_float64


def fast_model(model, dtype=None, compiled=False):
    """The same model with a `FastGenerator`, for inference only.

    Args:
        model: A `DMGANTextToImage`. It stays as it is, and keeps its own weights in memory for as
            long as something else refers to its generator.
        dtype: Keras dtype policy of the new generator, such as `"mixed_bfloat16"`; that of the old
            one if `None`. The text encoder keeps its own.
        compiled: See `FastGenerator`.

    Returns:
        A `DMGANTextToImage` that draws the same images, to 1e-4 on [-1, 1] in float32.

    Raises:
        InputError: If the model has a `FastGenerator` already, or TensorFlow is not Keras' backend.

    Example:
        >>> model = fast_model(DMGANTextToImage.from_preset("runs/birds"))  # doctest: +SKIP
        >>> images = model.generate(["a red bird"])  # doctest: +SKIP
    """
    return DMGANTextToImage(
        model.vocabulary,
        model.text_encoder,
        FastGenerator(model.generator, dtype=dtype, compiled=compiled),
        discriminators=model.discriminators,
        image_encoder=model.image_encoder,
        extra=model.extra,
        readme=model.readme,
    )


class FastGenerator(Generator):
    """A generator rewritten for inference: the inputs and outputs of `Generator`, sooner.

    It can be neither trained nor saved; keep the model that it was made from.

    Args:
        generator: A built `Generator`, whose weights are read once.
        dtype: Keras dtype policy; that of `generator` if `None`.
        compiled: Whether XLA joins what is done pixel by pixel. On a processor whose bfloat16
            convolutions are quick that is up to a third sooner, after seconds of compiling for
            each new batch size. A server may have been built without XLA.

    Call arguments:
        inputs: As of `Generator`.

    Returns:
        As of `Generator`. In a `tf.function`, what nobody reads is not computed.

    Raises:
        InputError: If `generator` is a `FastGenerator`, or TensorFlow is not Keras' backend, or on
            an attempt to train or to save.
    """

    def __init__(self, generator, dtype=None, compiled=False):
        if keras.backend.backend() != "tensorflow":
            raise InputError(
                "Expected Keras on TensorFlow for fast inference. Received: "
                f"{keras.backend.backend()}. Set KERAS_BACKEND=tensorflow, or use the model as is."
            )
        if isinstance(generator, FastGenerator):
            raise InputError(
                "Expected a generator as it was trained. Received: a fast one. Make each fast "
                "model from the original."
            )
        # Not `Generator.__init__`: its layers are what is replaced here.
        super(Generator, self).__init__(dtype=dtype or generator.dtype_policy, name="generator")
        for name in (
            *("channels", "noise_dim", "condition_dim", "word_dim", "memory_dim", "base_size"),
            *("num_residual_blocks", "num_stages", "refinement", "writing_gate", "response_gate"),
        ):
            setattr(self, name, getattr(generator, name))
        options = {"compiled": compiled, "dtype": self.dtype_policy}
        self.conditioning = ConditioningAugmentation(self.condition_dim, dtype=self.dtype_policy)
        _copy_weights(generator.conditioning, self.conditioning, (None, self.word_dim))
        self.initial_stage = FoldedInitialStage(generator.initial_stage, **options)
        self.refinement_stages = [
            FoldedRefinement(stage, size, self.word_dim, **options)
            for stage, size in zip(generator.refinement_stages, self.image_sizes, strict=False)
        ]
        self.to_images = [FoldedToImage(layer, **options) for layer in generator.to_images]
        self.trainable = False
        self.built = True

    def build(self, input_shape=None):
        """Nothing is left to build."""

    def __call__(self, inputs, training=False, **options):
        if training:  # here, because Keras adds lines to an error that comes from `call`
            raise self._not_here("train")
        return super().__call__(inputs, **options)

    def _image(self, stage, features):
        return self.to_images[stage](features)

    def get_config(self):
        raise self._not_here("save")

    def save(self, *arguments, **options):
        raise self._not_here("save")

    def save_weights(self, *arguments, **options):
        raise self._not_here("save")

    def load_weights(self, *arguments, **options):
        raise self._not_here("load weights into")

    def _not_here(self, action):
        return InputError(
            f"Expected a generator as it was trained, to {action} it. Received: a fast one, whose "
            f"weights are folded for inference. Use the model that it was made from."
        )


class FoldedRefinement(FoldedLayer):
    """What a `RefinementStage` does in inference; the same call.

    Args:
        stage: The built `RefinementStage`.
        side: Height and width of its input, in pixels.
        word_dim: Size of word features.
    """

    def __init__(self, stage, side, word_dim, **kwargs):
        super().__init__(**kwargs)
        options = {"compiled": self.compiled, "dtype": self.dtype_policy}
        if stage.refinement == "memory":
            self.word_reader = DynamicMemory(
                stage.memory_dim, stage.writing_gate, stage.response_gate, dtype=self.dtype_policy
            )
        else:
            self.word_reader = WordAttention(dtype=self.dtype_policy)
        image_shape = (None, side, side, stage.channels)
        _copy_weights(stage.word_reader, self.word_reader, image_shape, (None, None, word_dim))
        upsampling, residuals = stage.upsample_block, stage.residual_blocks
        first = residuals[0].first_convolution if residuals else upsampling.convolution
        kernel = to_float64(first.kernel)
        reads_twins = stage.refinement == "memory" and stage.response_gate
        first_kernel = merge_twin_inputs(kernel) if reads_twins else kernel
        kernels = [first_kernel] + [None] * len(residuals)
        self.residuals = [
            FoldedResidual(block, kernel, **options)
            for block, kernel in zip(residuals, kernels, strict=False)
        ]
        self.upsampling = FoldedUpsampling(upsampling, side, kernels[len(residuals)], **options)

    def call(self, image_features, word_features, padding_mask, training=False):
        outputs = self.word_reader(image_features, word_features, padding_mask)
        shortcut = outputs["features"]
        x = outputs.pop("half_features", shortcut)
        for residual in self.residuals:
            x = shortcut = residual(x, shortcut)
        return {**outputs, "features": self.upsampling(x)}


def _copy_weights(layer, other, *shapes):
    """Builds another layer of the same configuration, with the same weights."""
    with without_initial_values():
        other.build(*shapes)
    other.set_weights(layer.get_weights())
