"""The objectives: adversarial losses of discriminators and generator at each stage.

An objective is chosen by its name (`--objective`), or is a custom class, `module:Class`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

Logits = Mapping[str, Any]  # {"conditional_logits", "unconditional_logits"}, each (batch,)


class Objective:
    """Adversarial losses of both networks at one stage; a subclass changes a part of them.

    - criterion: `loss_of_real` and `loss_of_generated`, of a discriminator's logits, and
      `loss_of_fooling`, the generator's;
    - weighting: `real_weight`, `generated_weight` and `generator_weight`;
    - pairing: `uses_mismatched_pairs`, whether a discriminator also sees real images with the
      sentences of others, which trains its conditional head to use the sentence instead of scoring
      realism again;
    - regularisers: `discriminator_penalty` and `generator_penalty`.

    The criterion here is the cross-entropy of Eq. 11 and 12, without their weights of 1/2.
    A custom class takes its settings as keyword arguments, and returns them by `get_config`.

    Reference: DM-GAN (CVPR 2019), section 3.4, Eq. 11 and 12.
    """

    real_weight = 1.0
    generated_weight = 1.0
    generator_weight = 1.0
    uses_mismatched_pairs = False

    def loss_of_real(self, logits: Any) -> Any:
        """Returns the discriminator's loss for each logit, float32, of a real image."""
        return ops.softplus(-logits)  # -log(sigmoid(x)), finite for any logit

    def loss_of_generated(self, logits: Any) -> Any:
        """Returns the discriminator's loss for each logit of a generated or mismatched image."""
        return ops.softplus(logits)  # -log(1 - sigmoid(x))

    def loss_of_fooling(self, logits: Any) -> Any:
        """Returns the generator's loss for each logit of its images."""
        return self.loss_of_real(logits)

    def discriminator_loss(
        self, real: Logits, generated: Logits, mismatched: Logits | None = None
    ) -> Any:
        """Returns a discriminator's loss, float32 `(batch,)`.

        Args:
            real: Logits of real images, with their sentences and alone.
            generated: Logits of generated images.
            mismatched: Where `uses_mismatched_pairs`: the `conditional_logits` of real images with
                the sentences of others, and the `weights` of these pairs, both `(batch,)`. The last
                image of a batch has no such sentence and weight 0, the others `batch / (batch - 1)`
                each, so that the mean over examples is the mean over pairs.
        """
        of_generated = _both(self.loss_of_generated, generated)
        if mismatched is not None:
            of_mismatched = self.loss_of_generated(_float32(mismatched["conditional_logits"]))
            of_generated += _float32(mismatched["weights"]) * of_mismatched
        of_real = _both(self.loss_of_real, real)
        return self.real_weight * of_real + self.generated_weight * of_generated

    def generator_loss(self, generated: Logits) -> Any:
        """Returns the generator's loss at a stage, float32 `(batch,)`.

        Args:
            generated: Logits of its images.
        """
        return self.generator_weight * _both(self.loss_of_fooling, generated)

    def discriminator_penalty(
        self,
        discriminator: Callable[[Any, Any], Logits],
        real_images: Any,
        generated_images: Any,
        sentences: Any,
        gradient_of: Callable[[Callable[[Any], Any], Any], Any],
    ) -> Any:
        """Returns a term added to `discriminator_loss`, `(batch,)`; None, as here, for nothing.

        Args:
            discriminator: Returns the logits of images with sentences.
            real_images: `(batch, height, width, 3)` in [-1, 1], as the discriminator sees them.
            generated_images: The same of the generator's; constants here.
            sentences: Their sentence embeddings, `(batch, dim)`.
            gradient_of: Called as `gradient_of(function, inputs)`, it returns the gradient of the
                sum of `function(inputs)` by `inputs`, a tensor or a tuple of tensors. It is
                differentiable, so it can be used in the loss.
        """

    def generator_penalty(
        self,
        discriminator: Callable[[Any, Any], Logits],
        generated_images: Any,
        sentences: Any,
        gradient_of: Callable[[Callable[[Any], Any], Any], Any],
    ) -> Any:
        """Returns a term added to `generator_loss`, `(batch,)`; None, as here, for nothing.

        The arguments are those of `discriminator_penalty`; here the gradient flows to the images.
        """

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that recreate this object, JSON values."""
        return {}


class PaperObjective(Objective):
    """The objective of the paper, for images alone and with their own sentences.

    Reference: DM-GAN (CVPR 2019), section 3.4, Eq. 11 and 12.
    """

    real_weight = generated_weight = generator_weight = 0.5


class ReleaseObjective(Objective):
    """The objective of the authors' release: mismatched pairs, and other weights."""

    real_weight = 1 / 2
    generated_weight = 1 / 3
    uses_mismatched_pairs = True


def _both(criterion, logits):
    conditional, unconditional = logits["conditional_logits"], logits["unconditional_logits"]
    return criterion(_float32(conditional)) + criterion(_float32(unconditional))


def _float32(values):
    return ops.cast(values, "float32")
