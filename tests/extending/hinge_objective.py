"""The hinge loss of Miyato et al. 2018, for `--objective="hinge_objective:Hinge(margin=1.0)"`."""

from keras import ops

from dmgan_tf.losses import Objective


class Hinge(Objective):
    """Logits beyond the margin cost a discriminator nothing; the generator wants them high.

    Args:
        margin: How far a logit has to be on its side of 0.
    """

    def __init__(self, margin=1.0):
        self.margin = margin

    def loss_of_real(self, logits):
        return ops.relu(self.margin - logits)

    def loss_of_generated(self, logits):
        return ops.relu(self.margin + logits)

    def loss_of_fooling(self, logits):
        return -logits

    def get_config(self):
        return {"margin": self.margin}
