"""Objectives of one's own, as `docs/extending.md` shows them: each trains by its formula."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from tiny_training import CONFIG, make_batch, make_dmgan, shared, take_step, values_of

from dmgan_tf.registry.catalogue import OBJECTIVES
from dmgan_tf.registry.lookup import Choice, allow_choice
from dmgan_tf.training.dmgan import gradient_of

FOLDER = pathlib.Path(__file__).parent
HINGE, R1 = "hinge_objective:Hinge(margin=0.5)", "r1_objective:R1(weight=30.0)"
BATCH = make_batch(0)


@pytest.fixture
def objective_of(monkeypatch):
    """Makes an objective as `--objective` names it."""
    monkeypatch.syspath_prepend(FOLDER)

    def make(text):
        choice = Choice.parse(text)
        allow_choice(choice)
        return OBJECTIVES.create(choice)

    return make


def model_with(objective, monkeypatch, **settings):
    """The tiny model, what its discriminators will see (real, drawn) in a step, and the text."""
    dmgan = shared(make_dmgan, **settings)
    monkeypatch.setattr(dmgan, "objective", objective)
    text = dmgan.text_encoder(BATCH["token_ids"], training=False)
    drawn = dmgan._draw(text, BATCH["token_ids"])["images"]
    return dmgan, list(zip(dmgan.discriminators, BATCH["images"], drawn, strict=True)), text


def numbers(logits):
    return [value.numpy() for value in logits.values()]


def test_hinge(objective_of, monkeypatch):
    dmgan, stages, text = model_with(objective_of(HINGE), monkeypatch)
    sentences, expected = text["sentence_embedding"], {}
    for network, real, drawn in stages:
        loss = sum(np.maximum(0, 0.5 - x).mean() for x in numbers(network(real, sentences)))
        loss += sum(np.maximum(0, 0.5 + x).mean() for x in numbers(network(drawn, sentences)))
        expected[f"discriminator_{network.image_size}_loss"] = loss
    before = values_of(dmgan.generator.trainable_variables)
    logs = take_step(dmgan, BATCH)
    for network, _, drawn in stages:  # which have made their step
        fooling = -sum(x.mean() for x in numbers(network(drawn, sentences)))
        expected[f"generator_{network.image_size}_loss"] = fooling
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    assert all(np.isfinite(value) for value in logs.values())
    after = values_of(dmgan.generator.trainable_variables)
    assert not any(np.array_equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_r1(objective_of, monkeypatch, precision, tolerance):
    """The loss is that of the paper and half the weight times the squared slope at real images."""
    dmgan, stages, text = model_with(objective_of(R1), monkeypatch, precision=precision)
    slopes = {}
    for network, real, _ in stages:
        with tf.GradientTape() as tape:
            tape.watch(real)
            logits = network(real, text["sentence_embedding"])
            total = tf.add_n([tf.reduce_sum(value) for value in logits.values()])
        slopes[network.image_size] = np.square(tape.gradient(total, real).numpy()).sum() / 4
    logs = take_step(dmgan, BATCH)
    paper = model_with(objective_of("paper"), monkeypatch, precision=precision)[0]
    plain = take_step(paper, BATCH)
    for size, slope in slopes.items():
        name = f"discriminator_{size}_loss"
        assert logs[name] - plain[name] == pytest.approx(15.0 * slope, rel=tolerance)
        assert 15.0 * slope > 0.01 * plain[name]
        name = f"discriminator_{size}_gradient_norm"
        assert abs(logs[name] - plain[name]) > 0.01 * plain[name]
    assert (logs["discriminators_bad_steps"], logs["generator_bad_steps"]) == (0, 0)


def test_r1_overflows_no_float16(objective_of, monkeypatch):
    dmgan = model_with(objective_of(R1), monkeypatch, precision="float16")[0]
    dmgan.discriminator_optimizer.dynamic_scale.assign(64.0)
    logs = take_step(dmgan, BATCH)
    full = take_step(model_with(objective_of(R1), monkeypatch)[0], BATCH)
    for name in ("loss", "gradient_norm"):
        name = f"discriminator_32_{name}"
        assert logs[name] == pytest.approx(full[name], rel=0.05)
    assert int(dmgan.discriminator_optimizer.iterations.numpy()) == 1


def test_the_slope_of_r1_trains_the_discriminator(objective_of, monkeypatch):
    """A gradient through a gradient, against a finite difference along it."""
    objective = objective_of(R1)
    dmgan, ((network, real, _), *_), text = model_with(objective, monkeypatch)
    sentences, convolution = text["sentence_embedding"], network.joint_block.convolution
    for _ in range(50):  # at the end of the power iteration its vectors are constants indeed
        convolution.singular_vector.assign(convolution.power_iteration()[1])
    kernel, start = convolution.kernel, convolution.kernel.numpy()

    def penalty():
        return tf.reduce_mean(
            objective.discriminator_penalty(network, real, None, sentences, gradient_of)
        )

    with tf.GradientTape() as tape:
        value = penalty()
    gradient = tape.gradient(value, kernel.value).numpy()
    length = np.linalg.norm(gradient)
    ends = []
    for side in (1, -1):
        kernel.assign(start + side * 1e-3 * gradient / length)
        ends.append(float(penalty()))
    assert (ends[0] - ends[1]) / 2e-3 == pytest.approx(length, rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("text", [HINGE, R1])
def test_two_replicas_train_as_one_device(objective_of, monkeypatch, two_replicas, text):
    one = take_step(model_with(objective_of(text), monkeypatch)[0], BATCH)
    with two_replicas.scope():
        dmgan = make_dmgan()
    monkeypatch.setattr(dmgan, "objective", objective_of(text))
    logs = take_step(dmgan, BATCH, two_replicas)
    for name in ("discriminator_32_loss", "discriminator_32_gradient_norm", "generator_32_loss"):
        assert logs[name] == pytest.approx(one[name], rel=1e-4), name


@pytest.mark.parametrize("name", ["hinge_objective", "r1_objective"])
def test_each_is_an_addition_of_at_most_forty_lines(name):
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) <= 40


@pytest.mark.parametrize("text", [HINGE, R1])
def test_what_config_json_keeps_makes_it_again(objective_of, text):
    description = OBJECTIVES.describe(objective_of(text))
    assert description["class"] == text.partition("(")[0] and len(description) == 2
    assert OBJECTIVES.describe(OBJECTIVES.create(Choice.of(description))) == description


def test_a_run_keeps_its_objective_in_the_model_and_in_checkpoints(finished_run):
    config = json.loads((finished_run / "model/config.json").read_text())
    assert config["objective"] == {"class": "paper"}
    with np.load(max((finished_run / "checkpoints").glob("*.npz"))) as file:
        metadata = json.loads(file["metadata"].tobytes())["metadata"]
    assert json.loads(metadata["objective"]) == {"class": "paper"}


@pytest.mark.slow
def test_the_command_trains_with_one(
    run_command, prepared_data, damsm_directory, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(FOLDER)
    config = dataclasses.replace(CONFIG, epochs=1, objective=R1)
    flags = {**dataclasses.asdict(config), "data": prepared_data, "damsm": damsm_directory}
    flags = [f"--{name}={value}" for name, value in flags.items() if value is not None]
    status, _, stderr = run_command("train", *flags, f"--run={tmp_path}")
    assert status == 0, stderr
    kept = json.loads((tmp_path / "model/config.json").read_text())["objective"]
    assert kept == {"class": "r1_objective:R1", "weight": 30.0}
