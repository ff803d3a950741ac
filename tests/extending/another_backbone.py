"""For `pretrain_damsm --image_backbone="another_backbone:PatchBackbone(patch=4)"`."""

from keras import layers, ops

from dmgan_tf.models.backbones import ImageBackbone


class PatchBackbone(ImageBackbone):
    """A backbone that sees an image as patches, and mixes neighbouring ones."""

    default_input_size = 128

    def __init__(self, channels=32, patch=8, **kwargs):  # `channels` is --backbone_channels
        super().__init__(**kwargs)
        self.channels = channels
        self.patch = patch
        options = {"padding": "same", "activation": "gelu", "dtype": self.dtype_policy}
        self.patches = layers.Conv2D(channels, patch, patch, name="patches", **options)
        self.mixing = layers.Conv2D(2 * channels, 3, name="mixing", **options)

    def call(self, images, training=False):
        region_map = self.mixing(self.patches(images))
        return {"region_map": region_map, "pooled": ops.mean(region_map, axis=(1, 2))}

    def get_config(self):
        return {**super().get_config(), "channels": self.channels, "patch": self.patch}
