"""Exact fast inference: the same pictures from the same network, with folded normalisation.

The generator keeps its classes. Only the expensive blocks are replaced by those of `fast_layers`:
batch normalisation is folded into the kernels, upsampling convolves the small image, the sigmoid of
a GLU becomes a tanh, and biases and residual additions are fused with the convolutions. At the
paper's size this needs 21.7 instead of the release's 32.8 thousand million multiplications per
image.
"""

from keras import layers

from dmgan_tf.errors import InputError
from dmgan_tf.layers.blocks import GLU
from dmgan_tf.layers.initialization import without_initial_values
from dmgan_tf.layers.normalization import fold_normalization
from dmgan_tf.layers.stages import InitialStage, RefinementStage
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.serving.fast_layers import FoldedResidual, FoldedToImage, FoldedUpsampling


def fast_model(model: DMGANTextToImage, dtype: str | None = None) -> DMGANTextToImage:
    """Returns the same model with a `FastGenerator`, for inference only.

    Args:
        model: The model. It stays unchanged, and its weights stay in memory as long as its
            generator is referenced.
        dtype: Keras dtype policy of the new generator, such as `"mixed_bfloat16"`; that of the old
            one if `None`. The text encoder keeps its own.

    Returns:
        A model that draws the same images, to 1e-4 on [-1, 1] in float32.

    Raises:
        InputError: If the model has a `FastGenerator` already, or TensorFlow is not Keras' backend.

    Example:
        >>> model = fast_model(DMGANTextToImage.from_preset("runs/birds"))  # doctest: +SKIP
        >>> images = model.generate(["a red bird"])  # doctest: +SKIP
    """
    return DMGANTextToImage(
        model.vocabulary,
        model.text_encoder,
        FastGenerator(model.generator, dtype=dtype),
        discriminators=model.discriminators,
        image_encoder=model.image_encoder,
        extra=model.extra,
        readme=model.readme,
    )


def _refuse(action):
    """A method of a `FastGenerator` that raises an error with the reason."""

    def refuse(self, *arguments, **options):
        raise InputError(
            f"Expected a generator as it was trained, to {action} it. Received: a fast one, whose "
            "weights are folded for inference. Use the model that it was made from."
        )

    return refuse


class FastInitialStage(InitialStage):
    """An `InitialStage` whose layers `fold` makes from those of a trained one."""

    def add_layers(self, num_blocks: int) -> None:
        """Makes none: `fold` does."""

    def fold(self, trained: InitialStage, **options) -> None:
        """Makes the layers; `options` are those of the folded ones."""
        # Its values have the compute dtype, so that no call has to convert them.
        self.dense = layers.Dense(trained.dense.units, dtype=self.compute_dtype)
        self.normalization = layers.Identity(dtype=self.dtype_policy)
        self.activation = GLU(dtype=self.dtype_policy)
        self.upsample_blocks = [
            FoldedUpsampling(block, **options) for block in trained.upsample_blocks
        ]


class FastRefinementStage(RefinementStage):
    """A `RefinementStage` whose blocks `fold` makes from those of a trained one."""

    def add_blocks(self, channels: int, num_residual_blocks: int) -> None:
        """Makes none: `fold` does."""

    def fold(self, trained: RefinementStage, **options) -> None:
        """Makes the blocks; `options` are those of the folded ones."""
        twins = trained.refinement == "memory" and trained.response_gate
        self.residual_blocks = [
            FoldedResidual(block, twins=twins and i == 0, **options)
            for i, block in enumerate(trained.residual_blocks)
        ]
        self.upsample_block = FoldedUpsampling(trained.upsample_block, **options)


class FastGenerator(Generator):
    """A generator with folded blocks: the inputs and outputs of `Generator`, faster.

    It can be neither trained nor saved; keep the model that it was made from.

    Args:
        generator: A built `Generator`, whose weights are read once.
        dtype: Keras dtype policy; that of `generator` if `None`.
        compiled: Whether XLA fuses elementwise operations. On a processor with fast bfloat16
            convolutions this is up to a third faster, after seconds of compiling for each new batch
            size. A server may have been built without XLA.

    Call arguments:
        inputs: As of `Generator`.

    Returns:
        As of `Generator`. In a `tf.function`, unused outputs are not computed.

    Raises:
        InputError: If `generator` is a `FastGenerator`, or TensorFlow is not Keras' backend, or on
            an attempt to train or to save.
    """

    initial_stage_class = FastInitialStage
    refinement_stage_class = FastRefinementStage

    def __init__(self, generator: Generator, dtype: str | None = None, compiled: bool = False):
        check_tensorflow("fast inference")
        if isinstance(generator, FastGenerator):
            raise InputError(
                "Expected a generator as it was trained. Received: a fast one. Make each fast "
                "model from the original."
            )
        config = Generator.get_config(generator)
        super().__init__(**{**config, "dtype": dtype or generator.dtype_policy})

        # === Layers ===
        options = {"compiled": compiled, "dtype": self.dtype_policy}
        initial, trained = self.initial_stage, generator.initial_stage
        initial.fold(trained, **options)
        stages = list(zip(self.refinement_stages, generator.refinement_stages, strict=True))
        for ours, theirs in stages:
            ours.fold(theirs, **options)
        self.to_images = [FoldedToImage(layer, **options) for layer in generator.to_images]

        # === Weights ===
        with without_initial_values():
            self.build()
        initial.dense.set_weights(fold_normalization(trained.dense.kernel, trained.normalization))
        self.conditioning.set_weights(generator.conditioning.get_weights())
        for ours, theirs in stages:
            ours.word_reader.set_weights(theirs.word_reader.get_weights())
        self.trainable = False

    def add_to_images(self, num_stages: int) -> None:
        """Makes none: the constructor folds those of the trained generator."""

    def __call__(self, inputs, training=False, **options):
        if training:  # here, because Keras adds lines to an error raised in `call`
            _refuse("train")(self)
        return super().__call__(inputs, **options)

    get_config = save = save_weights = _refuse("save")
    load_weights = _refuse("load weights into")
