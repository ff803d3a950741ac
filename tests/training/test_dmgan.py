"""The training step against the paper's formulas, written down once more without any trick."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_training import CONFIG, GuardedSGD, fit, make_batch, make_dmgan, values_of

from dmgan_tf.losses import matching_losses

OBJECTIVES = ["paper", "release"]
RATE = 0.05


def make_plain(**settings):
    """A `DMGAN` whose steps are the gradient times `RATE`, so that they show the gradient."""
    dmgan = make_dmgan(**settings)
    dmgan.compile(GuardedSGD(RATE), GuardedSGD(RATE))
    return dmgan


def assert_same_bytes(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def discriminator_values(dmgan):
    return [value for network in dmgan.discriminators for value in values_of(network.variables)]


def texts_and_inputs(dmgan, batch):
    text = dmgan.text_encoder(batch["token_ids"], training=False)
    noise, condition_noise = dmgan._draw_noise(CONFIG.batch_size)
    inputs = {"noise": noise, "condition_noise": condition_noise, **text}
    return text, {**inputs, "padding_mask": batch["token_ids"] != 0}


def mean_log(logits):
    return tf.reduce_mean(tf.math.log(tf.sigmoid(logits)))


def plain_discriminator_loss(discriminator, real, generated, sentences, objective):
    """Eq. 12, or the release's with its mismatched pairs; real and generated images apart."""
    of_real = discriminator(real, sentences, training=False)
    of_generated = discriminator(generated, sentences, training=False)
    heads = ("unconditional_logits", "conditional_logits")
    real_loss = -sum(mean_log(of_real[head]) for head in heads)
    generated_loss = -sum(mean_log(-of_generated[head]) for head in heads)
    if objective == "paper":
        return 0.5 * (real_loss + generated_loss)
    features = discriminator.extract_features(real, training=False)
    mismatched = discriminator.conditional_logits(features[:-1], sentences[1:], training=False)
    return real_loss / 2 + (generated_loss - mean_log(-mismatched)) / 3


def plain_generator_loss(dmgan, outputs, text, batch):
    """Eq. 10: the adversarial losses of Eq. 11, the divergence of Eq. 13, and the DAMSM's."""
    loss = 0.0
    for discriminator, image in zip(dmgan.discriminators, outputs["images"], strict=True):
        logits = discriminator(image, text["sentence_embedding"], training=False)
        loss -= mean_log(logits["unconditional_logits"]) + mean_log(logits["conditional_logits"])
    loss *= 0.5 if dmgan.objective == "paper" else 1.0
    mean, log_variance = outputs["condition_mean"], outputs["condition_log_variance"]
    divergence = 0.5 * tf.reduce_mean(mean**2 + tf.exp(log_variance) - 1 - log_variance)
    matching = matching_losses(
        dmgan.image_encoder(outputs["images"][-1], training=False),
        text,
        batch["token_ids"] != 0,
        batch["class_ids"],
    )
    damsm = sum(tf.reduce_mean(value) for value in matching.values())
    return loss + dmgan.kl_weight * divergence + dmgan.damsm_weight * damsm


def plain_step(dmgan, batch):
    """A step of each discriminator by a tape of its own, then one of the generator by another."""
    text, inputs = texts_and_inputs(dmgan, batch)
    sentences = text["sentence_embedding"]
    with tf.GradientTape() as generator_tape:
        outputs = dmgan.generator(inputs, training=True)
        with generator_tape.stop_recording():
            for discriminator, real, generated in zip(
                dmgan.discriminators, batch["images"], outputs["images"], strict=True
            ):
                with tf.GradientTape() as tape:
                    loss = plain_discriminator_loss(
                        discriminator, real, generated, sentences, dmgan.objective
                    )
                discriminator(real, sentences, training=True)  # stores the power iteration
                descend(tape, loss, discriminator.trainable_variables)
        loss = plain_generator_loss(dmgan, outputs, text, batch)
    descend(generator_tape, loss, dmgan.generator.trainable_variables)


def descend(tape, loss, variables):
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.assign(variable - RATE * gradient)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_is_that_of_the_plain_formulas(objective):
    settings = {"objective": objective, "kl_weight": 2.0, "damsm_weight": 0.3}
    ours, plain = make_plain(**settings), make_plain(**settings)
    start = values_of(ours.generator.variables) + discriminator_values(ours)
    fit(ours, [make_batch(0)])
    plain_step(plain, make_batch(0))
    pairs = [(ours.generator, plain.generator)]
    pairs += zip(ours.discriminators, plain.discriminators, strict=True)
    num_moved = 0
    for network, expected in pairs:
        paths = [variable.path for variable in network.variables]
        values = values_of(network.variables), values_of(expected.variables)
        for path, one, other in zip(paths, *values, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6, err_msg=path)
            num_moved += np.max(np.abs(one - start.pop(0))) > 1e-5
    assert num_moved > 60 and not start  # so far apart that the comparison above says something


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_of_one_side_leaves_the_other_alone(objective):
    dmgan, batch = make_dmgan(objective=objective), make_batch(0)
    text, inputs = texts_and_inputs(dmgan, batch)
    with tf.GradientTape() as tape:
        outputs = dmgan.generator(inputs, training=True)
        divergence = tf.reduce_mean(outputs["condition_mean"] ** 2)
    images, sentences = outputs["images"], text["sentence_embedding"]

    generator, discriminators = values_of(dmgan.generator.variables), discriminator_values(dmgan)
    dmgan._train_discriminators(batch["images"], images, sentences)
    assert_same_bytes(generator, values_of(dmgan.generator.variables))
    trained = discriminator_values(dmgan)
    assert not any(np.array_equal(*pair) for pair in zip(discriminators, trained, strict=True))

    gradients, losses = dmgan._adversarial_gradients(images, sentences)
    matching_gradient, _ = dmgan._matching_gradient(images[-1], text, batch)
    dmgan._train_generator(tape, images, divergence, losses, gradients, matching_gradient)
    assert_same_bytes(trained, discriminator_values(dmgan))
    weights = dmgan.generator.trainable_variables
    assert np.any(generator[0] != values_of(weights)[0])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_fit_logs_finite_numbers_and_leaves_the_encoders_alone(objective):
    dmgan = make_dmgan(objective=objective)
    encoders = values_of([*dmgan.text_encoder.variables, *dmgan.image_encoder.variables])
    logs = fit(dmgan, [make_batch(seed) for seed in range(3)])
    expected = {"damsm_loss", "damsm_gradient_norm", "adversarial_gradient_norm"}
    expected |= {"conditioning_divergence", "generator_gradient_norm"}
    expected |= {"generator_bad_steps", "discriminators_bad_steps"}
    for size in CONFIG.image_sizes:
        sides = [side for side in (16, 8, 4) if side < size]
        layers = ["joint", *(f"downsample_{side}" for side in sides)]
        expected |= {f"discriminator_{size}_sigma_{name}" for name in layers}
        expected.add(f"discriminator_{size}_gradient_norm")
        kinds = ("real", "real_match", "generated", "generated_match")
        expected |= {f"discriminator_{size}_{kind}_probability" for kind in kinds}
        expected |= {f"discriminator_{size}_loss", f"generator_{size}_loss"}
    assert set(logs) == expected
    assert all(np.isscalar(value) and np.isfinite(value) for value in logs.values())
    assert all(0 < value < 1 for name, value in logs.items() if name.endswith("probability"))
    assert int(dmgan.steps_done.numpy()) == 3
    assert_same_bytes(
        encoders, values_of([*dmgan.text_encoder.variables, *dmgan.image_encoder.variables])
    )


def test_the_norms_in_the_logs_are_those_of_the_gradients():
    dmgan, batch = make_plain(), make_batch(0)
    text, inputs = texts_and_inputs(dmgan, batch)
    image = dmgan.generator(inputs, training=False)["images"][-1]
    networks = [dmgan.generator, *dmgan.discriminators]
    before = [values_of(network.trainable_variables) for network in networks]
    logs = fit(dmgan, [batch])
    names = ["generator", *(f"discriminator_{size}" for size in CONFIG.image_sizes)]
    for name, network, start in zip(names, networks, before, strict=True):
        after = values_of(network.trainable_variables)
        move = [new - old for new, old in zip(after, start, strict=True)]
        norm = np.sqrt(sum(np.sum(np.square(one)) for one in move)) / RATE
        assert logs[f"{name}_gradient_norm"] == pytest.approx(norm, rel=1e-3) and norm > 0
    dmgan = make_plain()
    image = dmgan.generator(inputs, training=True)["images"][-1]
    gradient, _ = dmgan._matching_gradient(image, text, batch)
    assert logs["damsm_gradient_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)


def test_the_singular_values_in_the_logs_are_those_of_the_kernels():
    dmgan = make_dmgan()
    logs = fit(dmgan, [make_batch(0)])
    kernel, _, vector = values_of(dmgan.discriminators[0].joint_block.convolution.variables)
    expected = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]) @ vector)
    assert logs["discriminator_16_sigma_joint"] == pytest.approx(expected, rel=1e-5)


def test_the_average_follows_the_generator():
    dmgan = make_dmgan(ema_decay=0.75)
    before = values_of(dmgan.generator.variables)
    assert_same_bytes(before, values_of(dmgan.average_generator.variables))
    fit(dmgan, [make_batch(0)])
    is_averaged = [variable.trainable for variable in dmgan.generator.variables]
    networks = values_of(dmgan.generator.variables), values_of(dmgan.average_generator.variables)
    for averaged, old, new, average in zip(is_averaged, before, *networks, strict=True):
        expected = 0.75 * old + 0.25 * new if averaged else new
        np.testing.assert_allclose(average, expected, rtol=1e-6, atol=1e-7)


def test_terms_can_be_switched_off():
    logs = fit(make_dmgan(damsm_weight=0.0, kl_weight=0.0), [make_batch(0)])
    assert logs["damsm_gradient_norm"] == 0.0
    assert all(np.isfinite(value) for value in logs.values())


@pytest.mark.parametrize("settings", [{"refinement": "attention"}, {"num_stages": 1}])
def test_other_architectures_train(settings):
    dmgan, batch = make_dmgan(**settings), make_batch(0)
    batch["images"] = batch["images"][: len(dmgan.discriminators)]
    before = values_of(dmgan.generator.trainable_variables)
    fit(dmgan, [batch])
    after = values_of(dmgan.generator.trainable_variables)
    assert not any(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_noise_is_a_function_of_seed_and_step():
    dmgan = make_dmgan()
    first = np.concatenate(dmgan._draw_noise(4), axis=1)
    np.testing.assert_array_equal(first, np.concatenate(make_dmgan()._draw_noise(4), axis=1))
    dmgan.steps_done.assign(1)
    assert np.all(first != np.concatenate(dmgan._draw_noise(4), axis=1))
    assert np.all(first != np.concatenate(make_dmgan(seed=4)._draw_noise(4), axis=1))


def test_discriminators_see_augmented_images_if_told_so():
    batch = make_batch(0)
    runs = {on: make_dmgan(discriminator_augmentation=on) for on in (False, True)}
    logs = {on: fit(dmgan, [batch]) for on, dmgan in runs.items()}
    assert logs[True] != logs[False]
    assert all(np.isfinite(value) for value in logs[True].values())

    dmgan = runs[True]
    image = batch["images"][0]
    first, second = dmgan.discriminators

    def seen(discriminator, kind):
        return dmgan._seen(image, discriminator, kind).numpy().tobytes()

    different = {seen(first, kind) for kind in range(3)} | {seen(first, 0), image.numpy().tobytes()}
    assert len(different) == 4
    dmgan.steps_done.assign_add(1)
    assert seen(first, 0) not in different
    assert seen(second, 0) != seen(first, 0)
    assert runs[False]._seen(image, first, 0) is image


@pytest.fixture(scope="module")
def full_precision_logs():
    return fit(make_dmgan(), [make_batch(0), make_batch(1)])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_in_float32_weights(precision, full_precision_logs):
    dmgan = make_dmgan(precision=precision)
    if precision == "float16":
        for optimizer in (dmgan.optimizer, dmgan.discriminator_optimizer):
            optimizer.dynamic_scale.assign(64.0)  # where a longer run would have arrived
    before = values_of(dmgan.generator.trainable_variables)
    logs = fit(dmgan, [make_batch(0), make_batch(1)])
    after = values_of(dmgan.generator.trainable_variables)
    assert all(np.isfinite(value) for value in logs.values())
    assert all(value.dtype == np.float32 and np.all(np.isfinite(value)) for value in after)
    assert not any(np.array_equal(*pair) for pair in zip(before, after, strict=True))
    for name in ("damsm_gradient_norm", "adversarial_gradient_norm"):  # without the loss scale
        assert logs[name] == pytest.approx(full_precision_logs[name], rel=0.2)
