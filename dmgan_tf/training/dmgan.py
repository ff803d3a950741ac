"""DM-GAN in training: the alternating step over generator and discriminators."""

import tensorflow as tf

from dmgan_tf.losses import conditioning_divergence, discriminator_loss, generator_loss
from dmgan_tf.training.damsm import gathered_matching_losses
from dmgan_tf.training.differentiable_augmentation import augment
from dmgan_tf.training.distribution import replicas
from dmgan_tf.training.distribution.replicated_model import ReplicatedModel
from dmgan_tf.training.ema import ExponentialMovingAverage
from dmgan_tf.training.guarded_step import Statistics, judge, sum_over_replicas


class DMGAN(ReplicatedModel):
    """Generator and discriminators, with the frozen encoders that they are trained against.

    Make it, and call `compile`, inside the scope of the distribution strategy. Batches come from
    `dmgan_tf.data.pipeline.training_dataset`. All randomness is a function of `seed` and of the
    number of steps taken, so that a resumed run repeats an uninterrupted one, and a step over
    several replicas that over one.

    A step whose loss or gradient is not finite is left out: of all discriminators, or of the
    generator, weights, optimizer, average and statistics stay as they were, to the bit. Only
    `steps_done` moves on, and with it noise and data.

    Reference:
        Section 3.4, Eq. 10 to 13. One forward pass of the generator serves both steps, and the
        gradient of each term is known at the image before it enters the generator: the norms in
        the logs cost nothing.

    Args:
        generator: A built `Generator`.
        average_generator: A second one of the same configuration, for the moving average.
        discriminators: A built `Discriminator` a stage, smallest image first.
        text_encoder: A built `TextEncoder`, not trained here.
        image_encoder: A built `ImageEncoder` of the same DAMSM, not trained here.
        objective: `"paper"` (Eq. 11 and 12) or `"release"` (mismatched pairs, other weights).
        damsm_weight: Weight of the DAMSM losses at the last stage (lambda 2).
        gammas: `gamma1` to `gamma3` that the DAMSM was trained with, those that are not 4, 5, 10.
        kl_weight: Weight of the conditioning divergence (lambda 1).
        ema_decay: Decay of the generator's moving average, in [0, 1).
        ema_warmup: Whether the average forgets its first steps faster.
        augmentation: Whether discriminators see their images shifted and with a square blanked.
        seed: Seed of all noise.
    """

    def __init__(
        self,
        generator,
        average_generator,
        discriminators,
        text_encoder,
        image_encoder,
        objective="paper",
        damsm_weight=5.0,
        gammas=None,
        kl_weight=1.0,
        ema_decay=0.999,
        ema_warmup=False,
        augmentation=False,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator = generator
        self.average_generator = average_generator
        self.discriminators = list(discriminators)
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        for frozen in (average_generator, text_encoder, image_encoder):
            frozen.trainable = False
        self.objective = objective
        self.damsm_weight = damsm_weight
        self.gammas = dict(gammas or {})
        self.kl_weight = kl_weight
        self.seed = seed
        self.augmentation = augmentation
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
        self.built = True

    def compile(self, generator_optimizer, discriminator_optimizer):
        """Sets the two optimizers, and builds them, as distributed training needs.

        Args:
            generator_optimizer: `GuardedAdam`, or another of `training.optimizer`'s kind, for the
                generator.
            discriminator_optimizer: One for all discriminators.
        """
        super().compile(optimizer=generator_optimizer, jit_compile=False)
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self._discriminator_variables())

    def train_step(self, batch):
        """One step of every discriminator, then one of the generator.

        Args:
            batch: Dict of `images`, a tuple of float32 `(batch, size, size, 3)` in [-1, 1], one a
                stage; `token_ids`, int32 `(batch, words)`; `class_ids`, int32 `(batch,)`.

        Returns:
            Dict of scalars: each network's loss and the norm of its gradient, the mean
            probabilities that the discriminators give to real and to generated images, the largest
            singular value of each of their spectrally normalised layers, the norm at the image of
            each term's gradient, and 1 for a bad step, of discriminators and generator.
        """
        statistics = Statistics([self.generator])
        text = self.text_encoder(batch["token_ids"], training=False)
        noise, condition_noise = self._draw_noise(tf.shape(batch["token_ids"])[0])
        with tf.GradientTape() as tape:
            generated = self.generator(
                {
                    "noise": noise,
                    "condition_noise": condition_noise,
                    "padding_mask": batch["token_ids"] != 0,
                    **text,
                },
                training=True,
            )
            divergence = self._batch_mean(
                conditioning_divergence(
                    generated["condition_mean"], generated["condition_log_variance"]
                )
            )
        images = generated["images"]
        logs = self._train_discriminators(batch["images"], images, text["sentence_embedding"])

        adversarial_gradients, losses = self._adversarial_gradients(
            images, text["sentence_embedding"]
        )
        matching_gradient, losses["damsm_loss"] = self._matching_gradient(images[-1], text, batch)
        losses["conditioning_divergence"] = divergence * replicas.num_replicas()
        is_good, generator_logs = self._train_generator(
            tape, images, divergence, losses, adversarial_gradients, matching_gradient
        )
        statistics.restore_unless(is_good)
        self.average.update(self.steps_done, is_good)
        self.steps_done.assign_add(1)
        return {**logs, **generator_logs}

    def _train_discriminators(self, real_images, generated_images, sentences):
        """Gives each discriminator its gradient, and makes one step of their optimizer."""
        statistics = Statistics(self.discriminators)
        gradients, losses, logs = [], {}, {}
        for discriminator, real, generated in zip(
            self.discriminators, real_images, generated_images, strict=True
        ):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([v.value for v in discriminator.trainable_variables])
                per_example, probabilities = self._discriminator_losses(
                    discriminator, real, tf.stop_gradient(generated), sentences
                )
                loss = self.discriminator_optimizer.scale_loss(self._batch_mean(per_example))
            gradients += tape.gradient(loss, [v.value for v in discriminator.trainable_variables])
            size = discriminator.image_size
            losses[f"discriminator_{size}_loss"] = tf.reduce_mean(per_example)
            for name, value in probabilities.items():
                logs[f"discriminator_{size}_{name}"] = value
        gradients, sums = sum_over_replicas(gradients, tf.stack(list(losses.values())))
        norms = self._discriminator_gradient_norms(gradients)
        optimizer = self.discriminator_optimizer
        verdict = judge(sums, tf.stack(list(norms.values())), optimizer)
        optimizer.apply(gradients, self._discriminator_variables(), **verdict.for_optimizer())
        statistics.restore_unless(verdict.is_good)
        return {
            **losses,
            **logs,
            **norms,
            **self._singular_values(),
            "discriminators_bad_steps": verdict.bad_steps,
        }

    def _discriminator_gradient_norms(self, gradients):
        """Norm of each discriminator's gradient, of all their gradients in order."""
        scale = self.discriminator_optimizer.scale_loss(tf.constant(1.0))
        remaining, norms = iter(gradients), {}
        for network in self.discriminators:
            own = [next(remaining) for _ in network.trainable_variables]
            name = f"discriminator_{network.image_size}_gradient_norm"
            norms[name] = tf.linalg.global_norm(own) / scale
        return norms

    def _singular_values(self):
        """The largest one of each spectrally normalised layer, as it now is."""
        return {
            f"discriminator_{network.image_size}_sigma_{block.name}": (
                block.convolution.largest_singular_value()
            )
            for network in self.discriminators
            for block in (*network.image_blocks, network.joint_block)
        }

    def _discriminator_losses(self, discriminator, real, generated, sentences):
        """Loss of each example, with real and generated images in one pass."""
        both = [
            self._seen(images, discriminator, kind)
            for kind, images in enumerate((real, tf.cast(generated, real.dtype)))
        ]
        features = discriminator.extract_features(tf.concat(both, axis=0), training=True)
        real_features = tf.split(features, 2)[0]
        pairs = [(features, tf.concat([sentences, sentences], axis=0))]
        if self.objective == "release":
            other_sentences, mismatched_weights = _mismatched_sentences(sentences)
            pairs.append((real_features, other_sentences))
        conditional = discriminator.conditional_logits(
            *(tf.concat(parts, axis=0) for parts in zip(*pairs, strict=True)), training=True
        )
        unconditional = discriminator.unconditional_logits(features)
        real_conditional, generated_conditional, *mismatched = tf.split(conditional, len(pairs) + 1)
        real_unconditional, generated_unconditional = tf.split(unconditional, 2)
        losses = discriminator_loss(
            {
                "conditional_logits": real_conditional,
                "unconditional_logits": real_unconditional,
            },
            {
                "conditional_logits": generated_conditional,
                "unconditional_logits": generated_unconditional,
            },
            mismatched[0] if mismatched else None,
            objective=self.objective,
            mismatched_weights=mismatched_weights if mismatched else None,
        )
        probabilities = {
            "real_probability": tf.reduce_mean(tf.sigmoid(real_unconditional)),
            "real_match_probability": tf.reduce_mean(tf.sigmoid(real_conditional)),
            "generated_probability": tf.reduce_mean(tf.sigmoid(generated_unconditional)),
            "generated_match_probability": tf.reduce_mean(tf.sigmoid(generated_conditional)),
        }
        return losses, probabilities

    def _adversarial_gradients(self, images, sentences):
        """Gradient of each stage's adversarial loss at its images, and these losses."""
        gradients, losses = [], {}
        for discriminator, image in zip(self.discriminators, images, strict=True):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(image)
                seen = self._seen(image, discriminator, kind=2)
                logits = discriminator(seen, sentences, training=False)
                per_example = generator_loss(logits, objective=self.objective)
                loss = self.optimizer.scale_loss(self._batch_mean(per_example))
            gradients.append(tape.gradient(loss, image))
            losses[f"generator_{discriminator.image_size}_loss"] = tf.reduce_mean(per_example)
        return gradients, losses

    def _matching_gradient(self, images, text, batch):
        """Gradient of the weighted DAMSM losses at the last stage's images, and their sum."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            losses = gathered_matching_losses(
                self.image_encoder(images, training=False),
                text,
                batch["token_ids"],
                batch["class_ids"],
                **self.gammas,
            )
            per_example = tf.add_n(list(losses.values()))
            loss = self.damsm_weight * self._batch_mean(per_example)
            loss = self.optimizer.scale_loss(loss)
        return tape.gradient(loss, images), tf.reduce_mean(per_example)

    def _train_generator(
        self, tape, images, divergence, losses, image_gradients, matching_gradient
    ):
        """Carries the gradients at the images into the generator, and makes its step."""
        squares = [_squares(image_gradients[-1]), _squares(matching_gradient)]
        image_gradients = [*image_gradients[:-1], image_gradients[-1] + matching_gradient]
        divergence_gradient = self.optimizer.scale_loss(tf.constant(self.kl_weight, tf.float32))
        variables = self.generator.trainable_variables
        gradients = tape.gradient(
            [*images, divergence],
            [v.value for v in variables],
            output_gradients=[*image_gradients, divergence_gradient],
        )
        scalars = tf.stack([*losses.values(), *squares])
        gradients, sums = sum_over_replicas(gradients, scalars)
        norm = tf.linalg.global_norm(gradients)
        verdict = judge(sums[: len(losses)], norm, self.optimizer)
        norms = tf.stack([norm, *tf.unstack(tf.sqrt(sums[len(losses) :]))])
        norms /= self.optimizer.scale_loss(tf.constant(1.0))
        self.optimizer.apply(gradients, variables, **verdict.for_optimizer())
        names = "generator_gradient_norm", "adversarial_gradient_norm", "damsm_gradient_norm"
        return verdict.is_good, {
            **losses,
            **dict(zip(names, tf.unstack(norms), strict=True)),
            "generator_bad_steps": verdict.bad_steps,
        }

    def _draw_noise(self, local_batch_size):
        sizes = [self.generator.noise_dim, self.generator.condition_dim]
        noise = tf.random.stateless_normal(
            [local_batch_size * replicas.num_replicas(), sum(sizes)],
            seed=tf.stack([tf.constant(self.seed, tf.int64), self.steps_done.value]),
        )
        return tf.split(replicas.replica_rows(noise), sizes, axis=1)

    def _seen(self, images, discriminator, kind):
        """What a discriminator sees of images; `kind` tells apart the draws of one step."""
        if not self.augmentation:
            return images
        rows = tf.shape(images)[0] * replicas.num_replicas()
        seed = tf.stack([tf.constant(self.seed, tf.int64), self.steps_done.value])
        # The noise is drawn from the seed as it is; none of these numbers comes twice in a step.
        number = 1 + 3 * self.discriminators.index(discriminator) + kind
        seed = tf.random.fold_in(seed, tf.constant(number, tf.int64))
        draws = tf.random.stateless_uniform([rows, 4], seed)
        return augment(images, replicas.replica_rows(draws))

    def _discriminator_variables(self):
        return [v for network in self.discriminators for v in network.trainable_variables]

    def _batch_mean(self, per_example):
        global_batch_size = tf.shape(per_example)[0] * replicas.num_replicas()
        return replicas.global_batch_mean(per_example, global_batch_size)


def _squares(gradient):
    return tf.reduce_sum(tf.square(tf.cast(gradient, tf.float32)))


def _mismatched_sentences(sentences):
    """For image i of the global batch, sentence i + 1, and the weight of that pair.

    The last image of the batch has no such sentence; the others share its weight, so that the mean
    over examples is the release's mean over pairs.
    """
    everyones = replicas.gather(sentences)
    batch_size = tf.shape(everyones)[0]
    weight = tf.cast(batch_size, tf.float32) / tf.cast(tf.maximum(batch_size - 1, 1), tf.float32)
    weights = tf.where(tf.range(batch_size) < batch_size - 1, weight, 0.0)
    shifted = tf.roll(everyones, shift=-1, axis=0)
    return replicas.replica_rows(shifted), replicas.replica_rows(weights)
