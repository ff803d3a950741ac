"""Training of the DAMSM: a text encoder and an image encoder for matching."""

import json
from collections.abc import Mapping

import keras
import tensorflow as tf

from dmgan_tf.losses import matching_losses, word_prediction_loss, word_reading_loss
from dmgan_tf.registry.catalogue import IMAGE_BACKBONES, WORD_EMBEDDINGS
from dmgan_tf.training.distribution import replicas
from dmgan_tf.training.distribution.replicated_model import ReplicatedModel
from dmgan_tf.training.guarded_step import GuardedStep, trained
from dmgan_tf.training.one_class import (
    ONE_CLASS_BATCHES,
    is_global_batch_of_one_class,
    is_of_one_class,
)

WORDS, MATCHING = "words", "matching"  # the phases of training
GAMMAS = ("gamma1", "gamma2", "gamma3")  # they are saved in the configuration of a DAMSM's model


class DAMSM(ReplicatedModel):
    """Deep attentional multimodal similarity model, in training.

    Both encoders learn together from the four matching losses, over the batches of
    `data.pipeline.training_dataset`. Build it and its encoders, and call `compile`, inside the
    strategy's scope.

    With an image encoder that predicts words, it also learns the words of all captions of an image:
    alone while `phase` is `WORDS`, when the text encoder stays as it is, and beside the matching
    losses afterwards. A contrastive loss over small batches needs few details, such as colours;
    this one teaches the image encoder all that captions name. A `WordReader` within it learns them
    too, in both phases.

    A step whose loss or gradient is not finite is skipped: weights, optimizer, its iteration count
    and the statistics of batch norm stay unchanged, bit for bit; dropout, the reader's random
    grey and the data advance.

    Reference: AttnGAN (CVPR 2018), section 3.2.

    Args:
        text_encoder: A `TextEncoder`.
        image_encoder: An `ImageEncoder`.
        image_size: Height and width of the images in pixels.
        gamma1: Sharpness of the attention over regions (Eq. 9).
        gamma2: Sharpness of the soft maximum over words (Eq. 10).
        gamma3: Sharpness of the softmax over the batch (Eq. 11).
        negatives: The negatives of a pair, where several devices share the batch.
            `"gathered"`: all other pairs of the global batch, so that the model does not depend on
            the number of devices; each device then exchanges the features of its images and
            captions (289 regions of `word_dim` floats an image, with Inception) in every step, and
            compares its rows with all of them, which takes memory and time in proportion to the
            number of devices. `"local"`: those of the same device, without exchange; with more
            devices the softmax is over fewer pairs and the task easier, as with a smaller batch.
        text_gradient_limit: Largest global norm of the text encoder's gradient.
    """

    phase = MATCHING

    def __init__(
        self,
        text_encoder: keras.Model,
        image_encoder: keras.Model,
        image_size: int,
        gamma1: float = 4.0,
        gamma2: float = 5.0,
        gamma3: float = 10.0,
        negatives: str = "gathered",
        text_gradient_limit: float = 0.25,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        self.gammas = {"gamma1": gamma1, "gamma2": gamma2, "gamma3": gamma3}
        self.negatives = negatives
        self.text_gradient_limit = text_gradient_limit
        if not text_encoder.built:
            text_encoder.build((None, None))
        if not image_encoder.built:
            image_encoder.build((None, image_size, image_size, 3))
        self.built = True

    def compile(self, optimizer: keras.optimizers.Optimizer):
        """Sets and builds the optimizer, as distributed training requires."""
        super().compile(optimizer=optimizer, jit_compile=False)
        optimizer.build(
            [v for part in self._trained_parts(MATCHING).values() for v in part.trainable_variables]
        )

    def _trained_parts(self, phase):
        """The networks that train in a phase, by their names in the logs."""
        parts = {} if phase == WORDS else {"text": self.text_encoder}
        parts["image"] = self.image_encoder
        return parts

    @property
    def described(self) -> dict[str, str]:
        """The classes and configurations of the image backbone and of the word embedding."""
        backbone = IMAGE_BACKBONES.describe(self.image_encoder.backbone)
        embedding = WORD_EMBEDDINGS.describe(self.text_encoder.embedding)
        return {
            "image backbone": json.dumps(backbone, sort_keys=True),
            "word embedding": json.dumps(embedding, sort_keys=True),
        }

    def call(self, batch, training=False):
        """Encodes a batch of the data pipeline: `(image features, text features)`."""
        return (
            self.image_encoder(batch["images"][-1], training=training),
            self.text_encoder(batch["token_ids"], training=training),
        )

    def losses_of(self, batch: Mapping, training: bool) -> dict[str, tf.Tensor]:
        """Returns the losses of this replica's examples in the current phase, each `(batch,)`."""
        image_features = self.image_encoder(batch["images"][-1], training=training)
        losses = {}
        if "word_logits" in image_features:
            losses["word_prediction"] = word_prediction_loss(
                image_features["word_logits"], batch["word_shares"]
            )
        reader = self.image_encoder.word_reader
        if reader is not None:
            losses["word_reading"] = word_reading_loss(
                reader(batch["images"][-1], training=training), batch["word_shares"], reader.groups
            )
        if self.phase == WORDS:
            return losses
        token_ids, class_ids = batch["token_ids"], batch["class_ids"]
        text_features = self.text_encoder(token_ids, training=training)
        if self.negatives == "local":
            matching = matching_losses(
                image_features, text_features, token_ids != 0, class_ids, **self.gammas
            )
        else:
            matching = gathered_matching_losses(
                image_features, text_features, token_ids, class_ids, **self.gammas
            )
        return losses | matching

    def train_step(self, batch: Mapping) -> dict[str, tf.Tensor]:
        """Takes one step of both encoders.

        Args:
            batch: As for `DMGAN.train_step`; only the last, largest images are used. Where words
                are predicted, also `word_shares`, see `data.pipeline.training_dataset`.

        Returns:
            Dict of scalars: the losses of the phase and their sum, the norm of each network's
            gradient, the text encoder's before it is clipped, 1 for a bad step, and 1 for a batch
            of one class, whose matching losses are 0.
        """
        parts = self._trained_parts(self.phase)
        step = GuardedStep(parts, self.optimizer, limits={"text": self.text_gradient_limit})
        weights = [weight for part in parts.values() for weight in trained(part)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            losses = self.losses_of(batch, training=True)
            loss = tf.reduce_mean(tf.add_n(list(losses.values())))
        outcome = step.make(step.gradients(tape, loss, weights), {"loss": loss})
        return {
            "loss": loss,
            **{name: tf.reduce_mean(values) for name, values in losses.items()},
            **outcome.norms,
            "bad_steps": outcome.is_bad,
            ONE_CLASS_BATCHES: self._is_of_one_class(batch["class_ids"]),
        }

    def _is_of_one_class(self, class_ids):
        if self.negatives == "local":
            return is_of_one_class(class_ids)
        return is_global_batch_of_one_class(class_ids)


def gathered_matching_losses(
    image_features: Mapping[str, tf.Tensor],
    text_features: Mapping[str, tf.Tensor],
    token_ids: tf.Tensor,
    class_ids: tf.Tensor,
    **gammas: float,
) -> dict[str, tf.Tensor]:
    """Returns the four DAMSM losses of this replica's examples, against those of every replica.

    Generator training always uses this loss: its batches are small, so that a softmax over a part
    of them is a weak signal, and the exchange is small compared with that of the gradients.

    Args:
        image_features: The output of `ImageEncoder` for this replica's images.
        text_features: The output of `TextEncoder` for its captions.
        token_ids: Int32 tensor `(batch, words)`; 0 is padding.
        class_ids: Int32 tensor `(batch,)`.
        **gammas: See `losses.matching_losses`.

    Returns:
        As `losses.matching_losses`, each float32 of shape `(batch,)`.
    """
    local_size = tf.shape(token_ids)[0]
    several = replicas.num_replicas() > 1
    return matching_losses(
        {name: replicas.gather(image_features[name]) for name in ("region_features", "image_code")},
        {name: replicas.gather(value) for name, value in text_features.items()},
        replicas.gather(tf.cast(token_ids != 0, tf.int32)),
        replicas.gather(class_ids),
        row_offset=replicas.replica_index() * local_size if several else 0,
        num_rows=local_size if several else None,
        **gammas,
    )
