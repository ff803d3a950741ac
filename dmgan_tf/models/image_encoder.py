"""The image encoder of the DAMSM: region features and one code of an image."""

from collections.abc import Mapping, Sequence

import keras
from keras import ops

from dmgan_tf.layers.resize import resize
from dmgan_tf.models.backbones import ImageBackbone
from dmgan_tf.models.word_reader import WordReader
from dmgan_tf.registry.catalogue import IMAGE_BACKBONES


@keras.saving.register_keras_serializable(package="dmgan_tf")
class ImageEncoder(keras.Model):
    """Image encoder of the DAMSM: features of image regions, and one code of the whole image.

    Both are in the space of the text encoder's words and sentences. It is trained with the text
    encoder, then frozen and used as a loss for the generator, and for R-precision.

    Reference:
        Xu et al., AttnGAN (CVPR 2018), section 3.2, "The image encoder"; used by DM-GAN,
        section 3.4.

    Args:
        embedding_dim: Size of the common space.
        backbone: The network below the two projections: a registered name, `"inception_v3"` (paper;
            needs weights pretrained on ImageNet), `"efficientnet_lite0"`, which needs those of a
            package, or `"small_cnn"`, which trains from scratch on a CPU; `module:Class`; such a
            name with options, see `registry`; or an `ImageBackbone`.
        channels: Width of the first convolution, for backbones that take `channels`.
        input_size: Height and width in pixels to which images are resized first. `None` means the
            backbone's own: 299 for `inception_v3`, 128 for `efficientnet_lite0`, 64 for
            `small_cnn`.
        freeze_backbone: Whether only the two projections train, as in the release. `None` means
            the backbone's default: `False` for `small_cnn`, `True` for the others.
        inception_variant: The variant of `inception_v3`'s published weights, see `InceptionV3`.
        num_predicted_words: The number of word ids, from 0, whose presence in the captions is
            predicted from the code; 0 for none. Not in the paper, see `word_prediction_loss`.
        color_ids: Those of them that name colours: with any, it has a `WordReader`.

    Call arguments:
        images: Float tensor `(batch, height, width, 3)` in [-1, 1]; height and width static.
        training: Whether batch normalisation uses the batch's own statistics. A frozen backbone
            never does.

    Returns:
        A dict of float32: `"region_features"` `(batch, rows, columns, embedding_dim)`, 17 x 17 for
        `inception_v3`, `input_size / 16` for `efficientnet_lite0`, `input_size / 8` for
        `small_cnn`; `"image_code"` `(batch, embedding_dim)`; and with `num_predicted_words` also
        `"word_logits"` `(batch, num_predicted_words)`.

    Raises:
        InputError: If `backbone` is unknown or `input_size` does not suit it.

    Example:

    >>> encoder = ImageEncoder(embedding_dim=256, backbone="small_cnn")
    >>> encoder(keras.ops.zeros((2, 128, 128, 3)))["region_features"].shape
    (2, 8, 8, 256)
    """

    def __init__(
        self,
        embedding_dim: int = 256,
        backbone: str | Mapping | ImageBackbone = "inception_v3",
        channels: int = 32,
        input_size: int | None = None,
        freeze_backbone: bool | None = None,
        inception_variant: str = "torchvision",
        num_predicted_words: int = 0,
        color_ids: Sequence[int] = (),
        **kwargs,
    ):
        # Images stay float32 until they are resized; the layers cast for themselves.
        super().__init__(autocast=False, **kwargs)
        # === Layers ===
        self.channels = channels
        self.inception_variant = inception_variant
        self.backbone = IMAGE_BACKBONES.make(backbone, self._offered, dtype=self.dtype_policy)
        # Checkpoints identify variables by the names of their layers, which Keras else numbers.
        self.backbone.name = self.backbone_name.rpartition(":")[2]
        if freeze_backbone is None:
            freeze_backbone = self.backbone.is_frozen
        self.backbone.trainable = not freeze_backbone
        self.region_projection = keras.layers.Conv2D(
            embedding_dim,
            1,
            data_format="channels_last",
            use_bias=False,
            dtype=self.dtype_policy,
            name="region_projection",
        )
        self.code_projection = keras.layers.Dense(
            embedding_dim, dtype=self.dtype_policy, name="code_projection"
        )
        self.word_prediction = None
        if num_predicted_words:
            self.word_prediction = keras.layers.Dense(
                num_predicted_words, dtype=self.dtype_policy, name="word_prediction"
            )
        self.word_reader = None
        if color_ids:
            self.word_reader = WordReader(
                num_predicted_words, color_ids, dtype=self.dtype_policy, name="word_reader"
            )
        # === Config ===
        self.embedding_dim = embedding_dim
        self.input_size = input_size or self.backbone.default_input_size
        self.backbone.check_input_size(self.input_size)
        self.freeze_backbone = freeze_backbone
        self.num_predicted_words = num_predicted_words
        self.color_ids = tuple(color_ids)

    @property
    def _offered(self):
        """Arguments for backbones that accept them, where only a name is given."""
        return {"channels": self.channels, "inception_variant": self.inception_variant}

    @property
    def backbone_name(self) -> str:
        """The registered name of the backbone's class, or its `module:Class`."""
        return IMAGE_BACKBONES.name_of(type(self.backbone))

    def build(self, input_shape=None):
        self.backbone.build((None, self.input_size, self.input_size, 3))
        region_channels, pooled_channels = self.backbone.output_channels(self.input_size)
        self.region_projection.build((None, None, None, region_channels))
        self.code_projection.build((None, pooled_channels))
        if self.word_prediction is not None:
            self.word_prediction.build((None, self.embedding_dim))
        if self.word_reader is not None:
            self.word_reader.build()

    def call(self, images, training=False):
        images = resize(images, self.input_size, **self.backbone.resizing)
        features = self.backbone(images, training=training and not self.freeze_backbone)
        outputs = {
            "region_features": self.region_projection(features["region_map"]),
            "image_code": self.code_projection(features["pooled"]),
        }
        if self.word_prediction is not None:
            outputs["word_logits"] = self.word_prediction(outputs["image_code"])
        return {name: ops.cast(output, "float32") for name, output in outputs.items()}

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "backbone": IMAGE_BACKBONES.describe_briefly(self.backbone, self._offered),
            **self._offered,
            "input_size": self.input_size,
            "freeze_backbone": self.freeze_backbone,
            "num_predicted_words": self.num_predicted_words,
            "color_ids": list(self.color_ids),
        }
