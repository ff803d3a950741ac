"""DM-GAN in training: the alternating step over generator and discriminators."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.losses import (
    Objective,
    code_distance,
    conditioning_divergence,
    drawn_words_loss,
    misread_words_loss,
    mode_seeking_loss,
)
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.registry.catalogue import DISCRIMINATORS, OBJECTIVES
from dmgan_tf.training.damsm import gathered_matching_losses
from dmgan_tf.training.differentiable_augmentation import augment
from dmgan_tf.training.distribution import replicas
from dmgan_tf.training.distribution.replicated_model import ReplicatedModel
from dmgan_tf.training.ema import ExponentialMovingAverage
from dmgan_tf.training.guarded_step import GuardedStep, trained
from dmgan_tf.training.one_class import ONE_CLASS_BATCHES, is_global_batch_of_one_class
from dmgan_tf.training.recombination import exchange_colors


class DMGAN(ReplicatedModel):
    """Generator and discriminators, with the frozen encoders that they are trained with.

    Make it, and call `compile`, inside the scope of the distribution strategy. Batches come from
    `dmgan_tf.data.pipeline.training_dataset`. All randomness is a function of `seed` and of the
    number of steps taken, so that a resumed run equals an uninterrupted one, and a step on several
    replicas equals one on a single replica.

    A step whose loss or gradient is not finite is skipped: weights, optimizer, average and
    statistics of all discriminators, or of the generator, stay unchanged, bit for bit. Only
    `steps_done` advances, and with it noise and data.

    Reference:
        Section 3.4, Eq. 10 to 13. One forward pass of the generator serves both steps. The last
        image enters the adversarial loss and those of the DAMSM, words included, through one
        identity each, so that one backward pass also gives the gradients of both at the image,
        whose norms are in the logs.

    Args:
        generator: A built `Generator`.
        average_generator: A second one of the same configuration, for the moving average.
        discriminators: A built `Discriminator` per stage, smallest image first.
        text_encoder: A built `TextEncoder`, not trained here.
        image_encoder: A built `ImageEncoder` of the same DAMSM, not trained here.
        objective: The adversarial `Objective`.
        damsm_weight: Weight of the DAMSM losses at the last stage (lambda 2).
        gammas: `gamma1` to `gamma3` of the DAMSM's training, where they are not 4, 5, 10.
        word_weight: Weight of `drawn_words_loss` at the last stage; above 0, the image encoder must
            predict words.
        mode_seeking_weight: Weight of `mode_seeking_loss`, for every second caption; above 0, the
            generator draws these twice, and every replica has an even number of captions.
        recombination_weight: Weight of `misread_words_loss`, for every second caption with one
            colour exchanged; above 0, the image encoder must have a `WordReader`.
        exchanges: With that, how often each of its colours is exchanged for each other one, the
            result of `exchange_probabilities`.
        kl_weight: Weight of the conditioning divergence (lambda 1).
        ema_decay: Decay of the generator's moving average, in [0, 1).
        ema_warmup: Whether the decay is smaller in the first steps.
        augmentation: Whether the discriminators' images are shifted, with a square blanked.
        seed: Seed of all noise.
    """

    def __init__(
        self,
        generator: keras.Model,
        average_generator: keras.Model,
        discriminators: Sequence[keras.Model],
        text_encoder: keras.Model,
        image_encoder: keras.Model,
        objective: Objective,
        damsm_weight: float = 5.0,
        gammas: Mapping[str, float] | None = None,
        word_weight: float = 0.0,
        mode_seeking_weight: float = 0.0,
        recombination_weight: float = 0.0,
        exchanges: np.ndarray | None = None,
        kl_weight: float = 1.0,
        ema_decay: float = 0.999,
        ema_warmup: bool = False,
        augmentation: bool = False,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        # === Networks ===
        self.generator = generator
        self.average_generator = average_generator
        self.discriminators = list(discriminators)
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        for frozen in (average_generator, text_encoder, image_encoder):
            frozen.trainable = False
        self.average = ExponentialMovingAverage(generator, average_generator, ema_decay, ema_warmup)
        self.average.copy()
        self.steps_done = self.add_weight(
            name="steps_done",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        # === Config ===
        self.objective = objective
        self.damsm_weight = damsm_weight
        self.gammas = dict(gammas or {})
        self.word_weight = word_weight
        self.mode_seeking_weight = mode_seeking_weight
        self.recombination_weight = recombination_weight
        self.exchanges = exchanges
        self.kl_weight = kl_weight
        self.augmentation = augmentation
        self.seed = seed
        self.built = True

    @property
    def described(self) -> dict[str, str]:
        """The classes and configurations of the objective and of the first discriminator."""
        return {
            "objective": json.dumps(OBJECTIVES.describe(self.objective), sort_keys=True),
            "discriminator": json.dumps(
                DISCRIMINATORS.describe(self.discriminators[0]), sort_keys=True
            ),
        }

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
    ):
        """Sets and builds the two optimizers, as distributed training requires.

        Args:
            generator_optimizer: `training.optimizer.adam`, or another, for the generator.
            discriminator_optimizer: One for all discriminators.
        """
        super().compile(optimizer=generator_optimizer, jit_compile=False)
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(
            [v for network in self.discriminators for v in network.trainable_variables]
        )

    def train_step(self, batch: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Takes one step of every discriminator, then one of the generator.

        Args:
            batch: Dict of `images`, a tuple of float32 `(batch, size, size, 3)` in [-1, 1], one per
                stage; `token_ids`, int32 `(batch, words)`; `class_ids`, int32 `(batch,)`.

        Returns:
            Dict of scalars: each network's loss and the norm of its gradient, the mean
            probabilities that the discriminators give to real and to generated images, the largest
            singular value of each of their spectrally normalised layers, the norm at the image of
            each term's gradient, 1 for a bad step, of discriminators and generator, and 1 for a
            batch of one class, whose DAMSM loss is 0.
        """
        step = GuardedStep({"generator": self.generator}, self.optimizer)
        text = self.text_encoder(batch["token_ids"], training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained(self.generator))
            drawn = self._draw(text, batch["token_ids"])
            with tape.stop_recording():
                logs = self._train_discriminators(batch["images"], drawn["images"], text)
            loss, losses, seen = self._generator_loss(drawn, text, batch)
        gradients = step.gradients(tape, loss, [*trained(self.generator), *seen.values()])
        outcome = step.make(gradients, losses, at_images=seen)
        self.average.update(self.steps_done, outcome.is_good)
        self.steps_done.assign_add(1)
        return {
            **logs,
            **losses,
            **outcome.norms,
            "generator_bad_steps": outcome.is_bad,
            ONE_CLASS_BATCHES: is_global_batch_of_one_class(batch["class_ids"]),
        }

    def _draw(self, text, token_ids):
        """The generator's outputs for this replica's captions."""
        noise = self._draw_noise(tf.shape(token_ids)[0], self._step_seed())
        return self.generator(generator_inputs(text, token_ids, *noise), training=True)

    def _generator_loss(self, drawn, text, batch):
        """The generator's loss, its terms, and the last image as input of two of them.

        Reference: Eq. 10, of means over this replica's examples; the losses of words and of
            likeness are not in it.
        """
        images = [tf.identity(image) for image in drawn["images"]]
        last_image = tf.identity(drawn["images"][-1])
        L_G = {
            f"generator_{discriminator.image_size}_loss": self._adversarial_loss(
                discriminator, image, text["sentence_embedding"]
            )
            for discriminator, image in zip(self.discriminators, images, strict=True)
        }
        L_CA = tf.reduce_mean(
            conditioning_divergence(drawn["condition_mean"], drawn["condition_log_variance"])
        )
        features = self.image_encoder(last_image, training=False)
        L_DAMSM = self._damsm_loss(features, text, batch)
        loss = sum(L_G.values()) + self.kl_weight * L_CA + self.damsm_weight * L_DAMSM
        terms = {**L_G, "damsm_loss": L_DAMSM, "conditioning_divergence": L_CA}
        if self.word_weight or self.mode_seeking_weight:
            of_real = self.image_encoder(batch["images"][-1], training=False)
        if self.word_weight:
            terms["word_loss"] = tf.reduce_mean(
                drawn_words_loss(
                    features["word_logits"], of_real["word_logits"], batch["token_ids"]
                )
            )
            loss += self.word_weight * terms["word_loss"]
        if self.mode_seeking_weight:
            terms["mode_seeking_loss"] = self._mode_seeking_loss(
                features["image_code"], of_real["image_code"], text, batch["token_ids"]
            )
            loss += self.mode_seeking_weight * terms["mode_seeking_loss"]
        if self.recombination_weight:
            terms["recombination_loss"] = self._recombination_loss(batch)
            loss += self.recombination_weight * terms["recombination_loss"]
        return loss, terms, {"adversarial": images[-1], "damsm": last_image}

    def _adversarial_loss(self, discriminator, images, sentences):
        """L_Gi, Eq. 11."""
        images = self._augmented(images, discriminator, kind=2)
        loss = self.objective.generator_loss(discriminator(images, sentences, training=False))
        penalty = self.objective.generator_penalty(discriminator, images, sentences, gradient_of)
        return tf.reduce_mean(loss if penalty is None else loss + penalty)

    def _damsm_loss(self, features, text, batch):
        """L_DAMSM, the sum of the four matching losses."""
        losses = gathered_matching_losses(
            features,
            text,
            batch["token_ids"],
            batch["class_ids"],
            **self.gammas,
        )
        return tf.reduce_mean(tf.add_n(list(losses.values())))

    def _mode_seeking_loss(self, codes, real_codes, text, token_ids):
        """Of a second image for every second caption."""
        text = {name: values[::2] for name, values in text.items()}
        again = self._draw_every_second(text, token_ids[::2], number=0)
        other_codes = self.image_encoder(again, training=False)["image_code"]
        real_distance = code_distance(real_codes, tf.roll(real_codes, -1, axis=0))
        return tf.reduce_mean(mode_seeking_loss(codes[::2], other_codes, real_distance[::2]))

    def _recombination_loss(self, batch):
        """Of an image for every second caption with one colour exchanged."""
        reader, of_real = self.image_encoder.word_reader, batch["token_ids"][::2]
        token_ids = exchange_colors(of_real, reader.color_ids, self.exchanges, self._seed_of(-1))
        text = self.text_encoder(token_ids, training=False)
        drawn = self._draw_every_second(text, token_ids, number=-2)
        read, read_of_real = (
            reader(images, training=False) for images in (drawn, batch["images"][-1][::2])
        )
        return tf.reduce_mean(misread_words_loss(read, read_of_real, token_ids, of_real))

    def _draw_every_second(self, text, token_ids, number):
        """The last images of every second caption, with noise of its own; see `_seed_of`."""
        noise = self._draw_noise(2 * tf.shape(token_ids)[0], self._seed_of(number))
        inputs = generator_inputs(text, token_ids, *(part[::2] for part in noise))
        return self.generator(inputs, training=True)["images"][-1]

    def _train_discriminators(self, real_images, generated_images, text):
        """Computes each discriminator's gradient, and takes one step of their optimizer."""
        names = [f"discriminator_{network.image_size}" for network in self.discriminators]
        networks = dict(zip(names, self.discriminators, strict=True))
        step = GuardedStep(networks, self.discriminator_optimizer)
        gradients, losses, logs = [], {}, {}
        for (name, network), *images in zip(
            networks.items(), real_images, generated_images, strict=True
        ):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(trained(network))
                loss, probabilities = self._discriminator_loss(
                    network, *images, text["sentence_embedding"]
                )
            gradients += step.gradients(tape, loss, trained(network))
            losses[f"{name}_loss"] = loss
            logs |= {f"{name}_{kind}": value for kind, value in probabilities.items()}
        outcome = step.make(gradients, losses)
        for name, network in networks.items():
            logs |= {
                f"{name}_sigma_{key}": value for key, value in network.singular_values().items()
            }
        return {**losses, **logs, **outcome.norms, "discriminators_bad_steps": outcome.is_bad}

    def _discriminator_loss(self, discriminator, real_images, generated_images, sentences):
        """L_Di, Eq. 12, with real and generated images in one pass; and its outputs."""
        generated_images = tf.stop_gradient(tf.cast(generated_images, real_images.dtype))
        images = [
            self._augmented(of_kind, discriminator, kind)
            for kind, of_kind in enumerate((real_images, generated_images))
        ]
        features = discriminator.extract_features(tf.concat(images, axis=0), training=True)
        pairs, weights = [(features, tf.concat([sentences, sentences], axis=0))], None
        if self.objective.uses_mismatched_pairs:
            other_sentences, weights = _mismatched_sentences(sentences)
            pairs.append((tf.split(features, 2)[0], other_sentences))
        conditional = discriminator.conditional_logits(
            *(tf.concat(parts, axis=0) for parts in zip(*pairs, strict=True)), training=True
        )
        conditional = tf.split(conditional, len(pairs) + 1)  # real, generated, mismatched
        unconditional = tf.split(discriminator.unconditional_logits(features), 2)
        real, generated = (
            {"conditional_logits": conditional[kind], "unconditional_logits": unconditional[kind]}
            for kind in range(2)
        )
        mismatched = None
        if weights is not None:
            mismatched = {"conditional_logits": conditional[2], "weights": weights}
        loss = self.objective.discriminator_loss(real, generated, mismatched)
        penalty = self.objective.discriminator_penalty(
            discriminator, *images, sentences, gradient_of
        )
        return tf.reduce_mean(loss if penalty is None else loss + penalty), {
            "real_probability": _probability(real["unconditional_logits"]),
            "real_match_probability": _probability(real["conditional_logits"]),
            "generated_probability": _probability(generated["unconditional_logits"]),
            "generated_match_probability": _probability(generated["conditional_logits"]),
        }

    def _draw_noise(self, local_batch_size, seed):
        sizes = [self.generator.noise_dim, self.generator.condition_dim]
        noise = tf.random.stateless_normal(
            [local_batch_size * replicas.num_replicas(), sum(sizes)], seed
        )
        return tf.split(replicas.replica_rows(noise), sizes, axis=1)

    def _augmented(self, images, discriminator, kind):
        """A discriminator's input images; `kind` identifies the random draws of one step."""
        if not self.augmentation:
            return images
        seed = self._seed_of(1 + 3 * self.discriminators.index(discriminator) + kind)
        rows = tf.shape(images)[0] * replicas.num_replicas()
        draws = tf.random.stateless_uniform([rows, 4], seed)
        return augment(images, replicas.replica_rows(draws))

    def _seed_of(self, number):
        """One of the step's further seeds, by numbers from 1 for augmentation, else up to 0."""
        return tf.random.fold_in(self._step_seed(), tf.constant(number, tf.int64))

    def _step_seed(self):
        return tf.stack([tf.constant(self.seed, tf.int64), self.steps_done.value])


def gradient_of(function: Callable[[Any], tf.Tensor], inputs: Any) -> Any:
    """Returns the gradient of the sum of `function(inputs)`, itself differentiable.

    Args:
        function: The function to differentiate.
        inputs: A tensor, or a structure of tensors; the result has the same structure.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        outputs = function(inputs)
    return tape.gradient(outputs, inputs)


def _probability(logits):
    return tf.reduce_mean(tf.sigmoid(logits))


def _mismatched_sentences(sentences):
    """For image i of the global batch, sentence i + 1, and the weight of that pair.

    The last image of the batch has no such sentence; its weight is divided among the others, so
    that the mean over examples is the release's mean over pairs.
    """
    everyones = replicas.gather(sentences)
    batch_size = tf.shape(everyones)[0]
    weight = tf.cast(batch_size, tf.float32) / tf.cast(tf.maximum(batch_size - 1, 1), tf.float32)
    weights = tf.where(tf.range(batch_size) < batch_size - 1, weight, 0.0)
    shifted = tf.roll(everyones, shift=-1, axis=0)
    return replicas.replica_rows(shifted), replicas.replica_rows(weights)
