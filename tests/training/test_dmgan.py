"""The training step against the paper's formulas, written down once more without any trick."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_training import (
    COLOR_IDS,
    CONFIG,
    SGD,
    fit,
    make_batch,
    make_dmgan,
    shared,
    take_step,
    values_of,
)

from dmgan_tf.losses import (
    PaperObjective,
    ReleaseObjective,
    drawn_words_loss,
    matching_losses,
    misread_words_loss,
)
from dmgan_tf.training.recombination import exchange_colors

OBJECTIVES = [PaperObjective(), ReleaseObjective()]
RATE = 0.05


def make_plain():
    """A `DMGAN` whose steps are the gradient times `RATE`, so that they show the gradient."""
    dmgan = make_dmgan(kl_weight=2.0, damsm_weight=0.3)
    dmgan.compile(SGD(RATE), SGD(RATE))
    return dmgan


def make_another_plain():
    """A second one, to be compared with."""
    return make_plain()


def with_attributes(monkeypatch, dmgan, **attributes):
    for name, value in attributes.items():
        monkeypatch.setattr(dmgan, name, value)
    return dmgan


def assert_same_bytes(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def discriminator_values(dmgan):
    return [value for network in dmgan.discriminators for value in values_of(network.variables)]


def texts_and_inputs(dmgan, batch):
    text = dmgan.text_encoder(batch["token_ids"], training=False)
    noise, condition_noise = dmgan._draw_noise(CONFIG.batch_size, dmgan._step_seed())
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
    if isinstance(objective, PaperObjective):
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
    loss *= 0.5 if isinstance(dmgan.objective, PaperObjective) else 1.0
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


@pytest.mark.parametrize("objective", OBJECTIVES, ids=["paper", "release"])
def test_a_step_is_that_of_the_plain_formulas(monkeypatch, objective):
    ours, plain = (
        with_attributes(monkeypatch, shared(make), objective=objective)
        for make in (make_plain, make_another_plain)
    )
    start = values_of(ours.generator.variables) + discriminator_values(ours)
    take_step(ours, make_batch(0))
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


@pytest.mark.parametrize("objective", OBJECTIVES, ids=["paper", "release"])
def test_a_step_of_one_side_leaves_the_other_alone(monkeypatch, objective):
    dmgan = with_attributes(monkeypatch, shared(make_dmgan), objective=objective)
    text, inputs = texts_and_inputs(dmgan, make_batch(0))
    images = dmgan.generator(inputs, training=True)["images"]
    generator, discriminators = values_of(dmgan.generator.variables), discriminator_values(dmgan)
    dmgan._train_discriminators(make_batch(0)["images"], images, text)
    assert_same_bytes(generator, values_of(dmgan.generator.variables))
    trained = discriminator_values(dmgan)
    assert not any(np.array_equal(*pair) for pair in zip(discriminators, trained, strict=True))

    monkeypatch.setattr(dmgan, "_train_discriminators", lambda *_: {})
    take_step(dmgan, make_batch(0))
    assert_same_bytes(trained, discriminator_values(dmgan))
    assert not np.array_equal(generator[0], values_of(dmgan.generator.variables)[0])


@pytest.fixture(scope="module")
def three_steps():
    """Three traced steps: their count, logs and weights; the encoders before and after."""
    dmgan = shared(make_dmgan)
    encoders = values_of([*dmgan.text_encoder.variables, *dmgan.image_encoder.variables])
    logs = fit(dmgan, [make_batch(seed) for seed in range(3)])
    after = values_of([*dmgan.text_encoder.variables, *dmgan.image_encoder.variables])
    weights = values_of(dmgan.generator.variables) + discriminator_values(dmgan)
    return int(dmgan.steps_done.numpy()), logs, weights, (encoders, after)


def test_fit_logs_finite_numbers_and_leaves_the_encoders_alone(three_steps):
    steps_done, logs, _, encoders = three_steps
    expected = {"damsm_loss", "damsm_gradient_norm", "adversarial_gradient_norm"}
    expected |= {"conditioning_divergence", "generator_gradient_norm"}
    expected |= {"generator_bad_steps", "discriminators_bad_steps", "one_class_batches"}
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
    assert steps_done == 3
    assert_same_bytes(*encoders)


def test_eager_steps_are_those_of_fit(three_steps):
    """So that the other tests, which trace nothing, speak of it."""
    dmgan = shared(make_dmgan)
    logs = [take_step(dmgan, make_batch(seed)) for seed in range(3)][-1]
    assert logs == pytest.approx(three_steps[1], rel=1e-3)
    weights = values_of(dmgan.generator.variables) + discriminator_values(dmgan)
    for one, other in zip(weights, three_steps[2], strict=True):
        # Adam makes a full step of what is rounding alone, as of a bias before batch norm.
        np.testing.assert_allclose(one, other, atol=3 * 2 * CONFIG.generator_learning_rate)


def test_the_norms_in_the_logs_are_those_of_the_gradients():
    dmgan, batch = shared(make_plain), make_batch(0)
    text, inputs = texts_and_inputs(dmgan, batch)
    image = dmgan.generator(inputs, training=True)["images"][-1]
    networks = [dmgan.generator, *dmgan.discriminators]
    before = [values_of(network.trainable_variables) for network in networks]
    logs = take_step(dmgan, batch)
    names = ["generator", *(f"discriminator_{size}" for size in CONFIG.image_sizes)]
    for name, network, start in zip(names, networks, before, strict=True):
        after = values_of(network.trainable_variables)
        move = [new - old for new, old in zip(after, start, strict=True)]
        norm = np.sqrt(sum(np.sum(np.square(one)) for one in move)) / RATE
        assert logs[f"{name}_gradient_norm"] == pytest.approx(norm, rel=1e-3) and norm > 0
    losses = {
        "damsm": lambda: 0.3 * dmgan._damsm_loss(dmgan.image_encoder(image), text, batch),
        "adversarial": lambda: dmgan._adversarial_loss(
            dmgan.discriminators[-1], image, text["sentence_embedding"]
        ),
    }
    for name, loss in losses.items():
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = loss()
        norm = np.linalg.norm(tape.gradient(value, image))
        assert logs[f"{name}_gradient_norm"] == pytest.approx(norm, rel=1e-4)


def test_words_that_an_image_lacks_are_a_loss_of_the_generator(monkeypatch):
    dmgan, batch = shared(make_plain), make_batch(0)
    without = take_step(dmgan, batch)
    assert "word_loss" not in without
    dmgan = with_attributes(monkeypatch, shared(make_plain), word_weight=3.0)
    _, inputs = texts_and_inputs(dmgan, batch)
    variables = [variable.value for variable in dmgan.generator.trainable_variables]
    with tf.GradientTape() as tape:
        image = dmgan.generator(inputs, training=True)["images"][-1]
        loss = tf.reduce_mean(
            drawn_words_loss(
                dmgan.image_encoder(image)["word_logits"],
                dmgan.image_encoder(batch["images"][-1])["word_logits"],
                batch["token_ids"],
            )
        )
    gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    moves = []
    for weight in (0.0, 3.0):
        dmgan = with_attributes(monkeypatch, shared(make_plain), word_weight=weight)
        before = values_of(dmgan.generator.trainable_variables)
        logs = take_step(dmgan, batch)
        after = values_of(dmgan.generator.trainable_variables)
        moves.append([new - old for new, old in zip(after, before, strict=True)])
    assert logs["word_loss"] == pytest.approx(float(loss), rel=1e-5) and loss > 0
    for without, with_words, gradient in zip(*moves, gradients, strict=True):
        np.testing.assert_allclose(
            with_words - without, -RATE * 3.0 * gradient, rtol=1e-3, atol=1e-6
        )


def test_images_of_one_caption_that_are_alike_are_a_loss_of_the_generator(monkeypatch):
    batch = make_batch(0)
    batch["images"] = tuple(30 * image for image in batch["images"])  # far from one another
    dmgan = with_attributes(monkeypatch, shared(make_plain), mode_seeking_weight=3.0)
    _, inputs = texts_and_inputs(dmgan, batch)
    seed = tf.random.fold_in(dmgan._step_seed(), tf.constant(0, tf.int64))
    other = dict(zip(("noise", "condition_noise"), dmgan._draw_noise(4, seed), strict=True))
    assert np.abs(other["noise"] - inputs["noise"]).min() > 0
    again = {name: values[::2] for name, values in {**inputs, **other}.items()}
    images = dmgan.generator(inputs, training=True)["images"][-1][::2]
    other_images = dmgan.generator(again, training=True)["images"][-1]
    codes, other_codes, real_codes = (
        dmgan.image_encoder(image)["image_code"]
        for image in (images, other_images, batch["images"][-1])
    )
    apart = np.linalg.norm(codes - other_codes, axis=1)
    apart_real = np.linalg.norm(real_codes[::2] - real_codes[1::2], axis=1)
    expected = -np.log((np.minimum(apart / apart_real / 0.5, 1) + 1e-3) / 1.001).mean()
    logs = take_step(dmgan, batch)
    assert logs["mode_seeking_loss"] == pytest.approx(expected, rel=1e-4) and expected > 0
    with_likeness = values_of(dmgan.generator.trainable_variables)
    dmgan = with_attributes(monkeypatch, shared(make_plain), mode_seeking_weight=0.0)
    assert "mode_seeking_loss" not in take_step(dmgan, batch)
    without = values_of(dmgan.generator.trainable_variables)
    assert max(np.abs(a - b).max() for a, b in zip(with_likeness, without, strict=True)) > 1e-5


def make_recombining():
    dmgan = make_dmgan(recombination_weight=3.0, damsm_weight=0.3)
    dmgan.compile(SGD(RATE), SGD(RATE))
    return dmgan


def test_words_that_an_image_of_an_exchanged_colour_lacks_are_a_loss(monkeypatch):
    batch, dmgan = make_batch(0), shared(make_recombining)
    of_real = batch["token_ids"][::2]
    token_ids = exchange_colors(of_real, COLOR_IDS, dmgan.exchanges, dmgan._seed_of(-1))
    assert np.any(token_ids != of_real)
    text = dmgan.text_encoder(token_ids, training=False)
    other = zip(("noise", "condition_noise"), dmgan._draw_noise(4, dmgan._seed_of(-2)), strict=True)
    inputs = {**text, **{name: values[::2] for name, values in other}}
    inputs["padding_mask"] = token_ids != 0
    reader = dmgan.image_encoder.word_reader
    variables = [variable.value for variable in dmgan.generator.trainable_variables]
    with tf.GradientTape() as tape:
        drawn = reader(dmgan.generator(inputs, training=True)["images"][-1])
        of_images = drawn, reader(batch["images"][-1][::2])
        loss = tf.reduce_mean(misread_words_loss(*of_images, token_ids, of_real))
    gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    moves = []
    for weight in (0.0, 3000.0):  # untrained, the reader hardly sees a difference
        dmgan = with_attributes(monkeypatch, shared(make_recombining), recombination_weight=weight)
        before = values_of(dmgan.generator.trainable_variables)
        logs = take_step(dmgan, batch)
        assert ("recombination_loss" in logs) == (weight > 0)
        after = values_of(dmgan.generator.trainable_variables)
        moves.append([new - old for new, old in zip(after, before, strict=True)])
    assert logs["recombination_loss"] == pytest.approx(float(loss), rel=1e-4) and loss > 0
    for without, with_it, gradient in zip(*moves, gradients, strict=True):
        np.testing.assert_allclose(with_it - without, -RATE * 3000 * gradient, rtol=1e-3, atol=1e-5)


def test_the_singular_values_in_the_logs_are_those_of_the_kernels():
    dmgan = shared(make_dmgan)
    logs = take_step(dmgan, make_batch(0))
    kernel, _, vector = values_of(dmgan.discriminators[0].joint_block.convolution.variables)
    expected = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]) @ vector)
    assert logs["discriminator_16_sigma_joint"] == pytest.approx(expected, rel=1e-5)


def test_the_average_follows_the_generator(monkeypatch):
    dmgan = shared(make_dmgan)
    monkeypatch.setattr(dmgan.average, "decay", 0.75)
    before = values_of(dmgan.generator.variables)
    assert_same_bytes(before, values_of(dmgan.average_generator.variables))
    take_step(dmgan, make_batch(0))
    networks = values_of(dmgan.generator.variables), values_of(dmgan.average_generator.variables)
    for old, new, average in zip(before, *networks, strict=True):
        np.testing.assert_allclose(average, 0.75 * old + 0.25 * new, rtol=1e-6, atol=1e-7)


def test_terms_can_be_switched_off(monkeypatch):
    attributes = {"damsm_weight": 0.0, "kl_weight": 0.0}
    dmgan = with_attributes(monkeypatch, shared(make_dmgan), **attributes)
    logs = take_step(dmgan, make_batch(0))
    assert logs["damsm_gradient_norm"] == 0.0
    assert all(np.isfinite(value) for value in logs.values())


@pytest.mark.parametrize("settings", [{"refinement": "attention"}, {"num_stages": 1}])
def test_other_architectures_train(settings):
    dmgan, batch = make_dmgan(**settings), make_batch(0)
    batch["images"] = batch["images"][: len(dmgan.discriminators)]
    before = values_of(dmgan.generator.trainable_variables)
    take_step(dmgan, batch)
    after = values_of(dmgan.generator.trainable_variables)
    assert not any(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_noise_is_a_function_of_seed_and_step(monkeypatch):
    dmgan = shared(make_dmgan)

    def noise():
        return np.concatenate(dmgan._draw_noise(4, dmgan._step_seed()), axis=1)

    first = noise()
    np.testing.assert_array_equal(first, noise())
    dmgan.steps_done.assign(1)
    assert np.all(first != noise())
    dmgan.steps_done.assign(0)
    monkeypatch.setattr(dmgan, "seed", 4)
    assert np.all(first != noise())


def test_discriminators_see_augmented_images_if_told_so(monkeypatch):
    batch, image = make_batch(0), make_batch(0)["images"][0]
    plain_logs = take_step(shared(make_dmgan), batch)
    assert shared(make_dmgan)._augmented(image, None, 0) is image
    dmgan = with_attributes(monkeypatch, shared(make_dmgan), augmentation=True)
    logs = take_step(dmgan, batch)
    for name in ("discriminator_16_loss", "generator_16_loss"):
        assert logs[name] != pytest.approx(plain_logs[name], rel=1e-3)
    assert all(np.isfinite(value) for value in logs.values())
    dmgan.steps_done.assign(0)
    first, second = dmgan.discriminators

    def seen(discriminator, kind):
        return dmgan._augmented(image, discriminator, kind).numpy().tobytes()

    different = {seen(first, kind) for kind in range(3)} | {seen(first, 0), image.numpy().tobytes()}
    assert len(different) == 4
    dmgan.steps_done.assign_add(1)
    assert seen(first, 0) not in different
    assert seen(second, 0) != seen(first, 0)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_in_float32_weights(precision):
    full_precision, dmgan = shared(make_dmgan), shared(make_dmgan, precision=precision)
    if precision == "float16":
        for optimizer in (dmgan.optimizer, dmgan.discriminator_optimizer):
            optimizer.dynamic_scale.assign(64.0)  # where a longer run would have arrived
    before = values_of(dmgan.generator.trainable_variables)
    logs = [take_step(dmgan, make_batch(seed)) for seed in range(2)][-1]
    expected = [take_step(full_precision, make_batch(seed)) for seed in range(2)][-1]
    after = values_of(dmgan.generator.trainable_variables)
    assert all(np.isfinite(value) for value in logs.values())
    assert all(value.dtype == np.float32 and np.all(np.isfinite(value)) for value in after)
    assert not any(np.array_equal(*pair) for pair in zip(before, after, strict=True))
    for name in ("damsm_gradient_norm", "adversarial_gradient_norm"):  # without the loss scale
        assert logs[name] == pytest.approx(expected[name], rel=0.2)
