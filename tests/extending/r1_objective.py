"""The R1 penalty of Mescheder et al. 2018, for `--objective="r1_objective:R1(weight=10.0)"`."""

from keras import ops

from dmgan_tf.losses import PaperObjective


class R1(PaperObjective):
    """The paper's objective, and a cost of a discriminator's slope at real images.

    Args:
        weight: Of half the squared gradient of both logits, gamma of their Eq. 9.
    """

    def __init__(self, weight=10.0):
        self.weight = weight

    def discriminator_penalty(
        self, discriminator, real_images, generated_images, sentences, gradient_of
    ):
        def judge(images):
            logits = discriminator(images, sentences)
            return logits["conditional_logits"] + logits["unconditional_logits"]

        gradient = ops.cast(gradient_of(judge, real_images), "float32")
        return self.weight / 2 * ops.sum(ops.square(gradient), axis=(1, 2, 3))

    def get_config(self):
        return {"weight": self.weight}
