"""Training of the DAMSM: a text encoder and an image encoder that find each other's match."""

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.losses import matching_losses
from dmgan_tf.metrics.r_precision import retrieval_accuracy
from dmgan_tf.training.distribution import replicas
from dmgan_tf.training.distribution.replicated_model import ReplicatedModel
from dmgan_tf.training.guarded_step import Statistics, judge, sum_over_replicas
from dmgan_tf.training.optimizer import GuardedAdam, GuardedLossScaleOptimizer

GAMMAS = ("gamma1", "gamma2", "gamma3")  # they travel in the configuration of a DAMSM's model
LOSS_NAMES = (
    "word_image_to_text",
    "word_text_to_image",
    "sentence_image_to_text",
    "sentence_text_to_image",
)


@keras.saving.register_keras_serializable(package="dmgan_tf")
class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls by a constant factor an epoch, down to a share of its start.

    A function of the step alone, so a resumed run needs nothing else to go on with it.

    Reference: AttnGAN (CVPR 2018), the authors' release, `pretrain_DAMSM.py`.

    Args:
        initial: Learning rate of the first epoch.
        steps_per_epoch: Training steps an epoch.
        factor: What an epoch multiplies it by, in (0, 1].
        floor: Smallest share of `initial`, in (0, 1].
    """

    def __init__(self, initial, steps_per_epoch, factor=0.98, floor=0.1):
        self.initial = initial
        self.steps_per_epoch = steps_per_epoch
        self.factor = factor
        self.floor = floor

    def __call__(self, step):
        epoch = keras.ops.floor(keras.ops.cast(step, "float32") / self.steps_per_epoch)
        return self.initial * keras.ops.maximum(self.factor**epoch, self.floor)

    def get_config(self):
        return {
            "initial": self.initial,
            "steps_per_epoch": self.steps_per_epoch,
            "factor": self.factor,
            "floor": self.floor,
        }


class DAMSM(ReplicatedModel):
    """Deep attentional multimodal similarity model, in training.

    Both encoders learn together from the four matching losses, over the batches of
    `data.pipeline.training_dataset`. Build it, its encoders and its optimizer inside the strategy's
    scope: `create_optimizer` and this constructor do.

    A step whose loss or gradient is not finite is left out: weights, optimizer and the statistics
    of batch norm stay as they were, to the bit. The count of iterations is the optimizer's, so it
    stays, too; dropout and the data move on.

    Reference: AttnGAN (CVPR 2018), section 3.2.

    Args:
        text_encoder: A `TextEncoder`.
        image_encoder: An `ImageEncoder`.
        image_size: Height and width of the images in pixels.
        gamma1: Sharpness of the attention over regions (Eq. 9).
        gamma2: Sharpness of the soft maximum over words (Eq. 10).
        gamma3: Sharpness of the softmax over the batch (Eq. 11).
        negatives: What a pair is told apart from, where several devices share the batch.
            `"gathered"`: all other pairs of the global batch, so that the model does not depend on
            the number of devices; each device then exchanges the features of its images and
            captions (289 regions of `word_dim` floats an image, with Inception) in every step, and
            compares its rows with all of them, which takes memory and time in proportion to the
            number of devices. `"local"`: those of the same device, without exchange; with more
            devices the softmax is over fewer pairs and the task easier, as with a smaller batch.
        text_gradient_limit: Largest global norm of the text encoder's gradient.
    """

    def __init__(
        self,
        text_encoder,
        image_encoder,
        image_size,
        gamma1=4.0,
        gamma2=5.0,
        gamma3=10.0,
        negatives="gathered",
        text_gradient_limit=0.25,
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

    def call(self, batch, training=False):
        """Encodes a batch of the data pipeline: `(image features, text features)`."""
        return (
            self.image_encoder(batch["images"][-1], training=training),
            self.text_encoder(batch["token_ids"], training=training),
        )

    def matching_losses(self, batch, training):
        """The four losses of this replica's examples, each `(batch,)`."""
        image_features, text_features = self(batch, training=training)
        token_ids, class_ids = batch["token_ids"], batch["class_ids"]
        if self.negatives == "local":
            return matching_losses(
                image_features, text_features, token_ids != 0, class_ids, **self.gammas
            )
        return gathered_matching_losses(
            image_features, text_features, token_ids, class_ids, **self.gammas
        )

    def train_step(self, batch):
        """One step of both encoders.

        Args:
            batch: As `DMGAN.train_step` takes it; of the images the last, largest ones are used.

        Returns:
            Dict of scalars: the four losses and their sum, the norm of each encoder's gradient, the
            text encoder's before it is clipped, and 1 for a bad step.
        """
        global_size = tf.shape(batch["token_ids"])[0] * replicas.num_replicas()
        statistics = Statistics([self.text_encoder, self.image_encoder])
        with tf.GradientTape() as tape:
            losses = self.matching_losses(batch, training=True)
            per_example = tf.add_n([losses[name] for name in LOSS_NAMES])
            loss = replicas.global_batch_mean(per_example, global_size)
            scaled_loss = self.optimizer.scale_loss(loss)
        text, image = (
            self.text_encoder.trainable_variables,
            self.image_encoder.trainable_variables,
        )
        gradients = tape.gradient(scaled_loss, [*text, *image])
        gradients, losses_sum = sum_over_replicas(gradients, tf.reshape(loss, (1,)))
        norms = self._gradient_norms(gradients, len(text))
        verdict = judge(losses_sum, tf.stack(list(norms.values())), self.optimizer)
        # Keras' `global_clipnorm` acts on each replica before the sum, which clips another vector.
        limit = self.text_gradient_limit
        factor = limit / tf.maximum(norms["text_gradient_norm"], limit)
        gradients[: len(text)] = [gradient * factor for gradient in gradients[: len(text)]]
        self.optimizer.apply(gradients, [*text, *image], **verdict.for_optimizer())
        statistics.restore_unless(verdict.is_good)
        return {
            "loss": tf.reduce_mean(per_example),
            **{name: tf.reduce_mean(losses[name]) for name in LOSS_NAMES},
            **norms,
            "bad_steps": verdict.bad_steps,
        }

    def _gradient_norms(self, gradients, num_text):
        """Norms of the text encoder's gradient, the first so many, and of the image encoder's."""
        scale = self.optimizer.scale_loss(1.0)
        return {
            "text_gradient_norm": tf.linalg.global_norm(gradients[:num_text]) / scale,
            "image_gradient_norm": tf.linalg.global_norm(gradients[num_text:]) / scale,
        }


def gathered_matching_losses(image_features, text_features, token_ids, class_ids, **gammas):
    """The four DAMSM losses of this replica's examples, against those of every replica.

    In training a generator it is always this one: its batches are small, so that a softmax over a
    part of them says little, and the exchange is small beside that of the gradients.

    Args:
        image_features: What `ImageEncoder` gives for this replica's images.
        text_features: What `TextEncoder` gives for its captions.
        token_ids: Int32 tensor `(batch, words)`; 0 is padding.
        class_ids: Int32 tensor `(batch,)`.
        **gammas: See `losses.matching_losses`.

    Returns:
        Dict of the names in `LOSS_NAMES`, each float32 of shape `(batch,)`.
    """
    local_size = tf.shape(token_ids)[0]
    several = replicas.num_replicas() > 1
    return matching_losses(
        {name: replicas.gather(value) for name, value in image_features.items()},
        {name: replicas.gather(value) for name, value in text_features.items()},
        replicas.gather(tf.cast(token_ids != 0, tf.int32)),
        replicas.gather(class_ids),
        row_offset=replicas.replica_index() * local_size if several else 0,
        num_rows=local_size if several else None,
        **gammas,
    )


def create_optimizer(model, learning_rate, beta_1=0.5, beta_2=0.999):
    """Adam as in the release, with loss scaling where the encoders compute in float16.

    Args:
        model: A `DAMSM`; the optimizer is built for its variables.
        learning_rate: A number or a schedule.
        beta_1: Decay of the mean gradient.
        beta_2: Decay of the mean squared gradient.

    Returns:
        A built Keras optimizer.
    """
    optimizer = GuardedAdam(learning_rate, beta_1, beta_2, epsilon=1e-8)
    if model.text_encoder.compute_dtype == "float16":
        optimizer = GuardedLossScaleOptimizer(optimizer)
    optimizer.build(
        [*model.text_encoder.trainable_variables, *model.image_encoder.trainable_variables]
    )
    return optimizer


class RetrievalValidation(keras.callbacks.Callback):
    """Adds the retrieval accuracy on held-out classes to the logs of every epoch.

    Put it before the callbacks that are to report it.

    Args:
        damsm: The `DAMSM`.
        dataset: An `evaluation_dataset` of the held-out split.
        num_candidates: See `retrieval_accuracy`.
        seed: See `retrieval_accuracy`.
    """

    def __init__(self, damsm, dataset, num_candidates=100, seed=0):
        super().__init__()
        self.damsm = damsm
        self.dataset = dataset
        self.num_candidates = num_candidates
        self.seed = seed
        self._encode = tf.function(self._codes, reduce_retracing=True, autograph=False)

    def evaluate(self):
        """Encodes the split and gives `(accuracy, chance)`."""
        columns = [], [], []
        for batch in self.dataset:
            images, token_ids = batch["images"][-1], batch["token_ids"]
            image_codes, sentences = self._encode(images, token_ids)
            for column, value in zip(
                columns, (image_codes, sentences, batch["class_ids"]), strict=True
            ):
                column.append(value.numpy())
        images, sentences, classes = (np.concatenate(column) for column in columns)
        return retrieval_accuracy(images, sentences, classes, self.num_candidates, self.seed)

    def on_epoch_end(self, epoch, logs=None):
        accuracy, chance = self.evaluate()
        logs["retrieval_accuracy"] = accuracy
        logs["retrieval_chance"] = chance

    def _codes(self, images, token_ids):
        image_features, text_features = self.damsm({"images": (images,), "token_ids": token_ids})
        codes = image_features["image_code"], text_features["sentence_embedding"]
        return tuple(tf.cast(code, tf.float32) for code in codes)
