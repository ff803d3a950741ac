"""For `train --discriminator="another_discriminator:ProjectionDiscriminator(slope=0.1)"`.

Miyato and Koyama, cGANs with Projection Discriminator (ICLR 2018), Eq. 7.
"""

from keras import layers, ops

from dmgan_tf.models.discriminator import DiscriminatorBase


class ProjectionDiscriminator(DiscriminatorBase):
    """A discriminator that adds the likeness of image and sentence to what the image gets alone."""

    def __init__(self, image_size, channels=32, sentence_dim=256, slope=0.2, **kwargs):
        super().__init__(image_size, channels, sentence_dim, **kwargs)
        self.slope = slope
        widths = [channels * 2**i for i in range(image_size.bit_length() - 3)]
        self.convolutions = [
            layers.Conv2D(width, 4, 2, "same", dtype=self.dtype_policy) for width in widths
        ]
        self.judge = layers.Dense(1, dtype="float32")
        self.read = layers.Dense(widths[-1], use_bias=False, dtype="float32")

    def extract_features(self, images, training=False):
        x = images
        for convolution in self.convolutions:
            x = ops.leaky_relu(convolution(x), self.slope)
        return ops.mean(ops.cast(x, "float32"), axis=(1, 2))

    def unconditional_logits(self, features):
        return self.judge(features)[:, 0]

    def conditional_logits(self, features, sentence_embedding, training=False):
        likeness = ops.sum(features * self.read(sentence_embedding), axis=-1)
        return self.unconditional_logits(features) + likeness

    def get_config(self):
        return {**super().get_config(), "slope": self.slope}
