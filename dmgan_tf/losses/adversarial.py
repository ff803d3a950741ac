"""The conditional and unconditional adversarial losses of a stage."""

from keras import ops

OBJECTIVES = ("paper", "release")


def discriminator_loss(real, generated, mismatched=None, *, objective, mismatched_weights=None):
    """What a discriminator minimises: real images are 1, generated and mismatched ones are 0.

    The objective of the paper judges real and generated images, each alone and with its sentence.
    That of the authors' release also shows real images with the sentence of another, which makes
    the conditional head read the sentence instead of judging realism twice.

    Reference: DM-GAN (CVPR 2019), section 3.4, Eq. 12; mismatched pairs as in the authors' release.

    Args:
        real: `{"conditional_logits", "unconditional_logits"}` of real images, each `(batch,)`.
        generated: The same of generated images.
        mismatched: Conditional logits of real image i with sentence i+1, i = 0 ... batch-2, shape
            `(batch - 1,)`. Needed by the objective `"release"`, unused by `"paper"`.
        objective: `"paper"` (half of each sum) or `"release"`
            ((real + conditional real)/2 + (generated + conditional generated + mismatched)/3).
        mismatched_weights: Weights `(batch,)` of the mismatched pairs; `mismatched` then has
            `(batch,)` logits too. For batches shared by several devices, where the pairs that
            exist are counted over all of them. By default each of the `batch - 1` pairs weighs
            batch/(batch-1), so that the mean over examples equals the mean over pairs.

    Returns:
        One value an example, float32 of shape `(batch,)`.

    Raises:
        ValueError: If the objective is unknown, or `"release"` came without mismatched pairs.
    """
    _check_objective(objective)
    real_loss = _both(real, _loss_if_real)
    generated_loss = _both(generated, _loss_if_generated)
    if objective == "paper":
        return 0.5 * (real_loss + generated_loss)
    if mismatched is None:
        raise ValueError(
            "Expected `mismatched` logits: objective 'release' compares images with the sentences "
            "of others. Received: mismatched=None. Pass them, or use objective='paper'."
        )
    mismatched_loss = _loss_if_generated(mismatched)
    if mismatched_weights is None:
        pairs = ops.cast(ops.shape(mismatched_loss)[0], "float32")
        mismatched_loss *= (pairs + 1.0) / ops.maximum(pairs, 1.0)
        mismatched_loss = ops.concatenate([mismatched_loss, ops.zeros((1,), "float32")])
    else:
        mismatched_loss *= ops.cast(mismatched_weights, "float32")
    return real_loss / 2.0 + (generated_loss + mismatched_loss) / 3.0


def generator_loss(generated, *, objective):
    """What the generator minimises at one stage: its images should be taken for real.

    Reference: DM-GAN (CVPR 2019), section 3.4, Eq. 11.

    Args:
        generated: `{"conditional_logits", "unconditional_logits"}` of generated images, `(batch,)`.
        objective: `"paper"` (with the factor 1/2 of Eq. 11) or `"release"` (without).

    Returns:
        One value an example, float32 of shape `(batch,)`.

    Raises:
        ValueError: If the objective is unknown.
    """
    _check_objective(objective)
    loss = _both(generated, _loss_if_real)
    return 0.5 * loss if objective == "paper" else loss


def _loss_if_real(logits):
    return ops.softplus(-ops.cast(logits, "float32"))  # -log(sigmoid(x)), finite for any logit


def _loss_if_generated(logits):
    return ops.softplus(ops.cast(logits, "float32"))  # -log(1 - sigmoid(x))


def _both(logits, loss):
    return loss(logits["conditional_logits"]) + loss(logits["unconditional_logits"])


def _check_objective(objective):
    if objective not in OBJECTIVES:
        raise ValueError(
            f"Expected `objective` to be one of {OBJECTIVES}. Received: objective={objective!r}."
        )
