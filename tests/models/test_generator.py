"""The generator: shapes, stages, ablations, masks, gradients, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.layers.stages import InitialStage, RefinementStage
from dmgan_tf.models.generator import Generator

SMALL = {
    "channels": 4,
    "noise_dim": 5,
    "condition_dim": 3,
    "word_dim": 6,
    "num_residual_blocks": 1,
    "base_size": 16,
    "num_stages": 2,
}


def generator(**options):
    model = Generator(**{**SMALL, **options})
    model.build()
    random = np.random.RandomState(0)
    for variable in model.weights:  # moving averages too, away from where they start
        variable.assign(variable + random.uniform(-0.1, 0.1, variable.shape))
    return model


def example(lengths=(2, 4), words=4, seed=0):
    random = np.random.RandomState(seed)
    batch = len(lengths)
    return {
        "noise": random.normal(size=(batch, 5)).astype("float32"),
        "condition_noise": random.normal(size=(batch, 3)).astype("float32"),
        "word_features": random.normal(size=(batch, words, 6)).astype("float32"),
        "sentence_embedding": random.normal(size=(batch, 6)).astype("float32"),
        "padding_mask": np.arange(words) < np.array(lengths)[:, None],
    }


def shapes(values):
    return [tuple(value.shape) for value in values]


def test_outputs_of_every_stage():
    outputs = generator(num_stages=3)(example())
    assert shapes(outputs["images"]) == [(2, size, size, 3) for size in (16, 32, 64)]
    assert shapes(outputs["attention_scores"]) == [(2, 16, 16, 4), (2, 32, 32, 4)]
    assert shapes(outputs["word_gates"]) == [(2, 4), (2, 4)]
    assert shapes(outputs["response_gates"]) == [(2, 16, 16), (2, 32, 32)]
    assert shapes([outputs["condition_mean"], outputs["condition_log_variance"]]) == [(2, 3)] * 2
    for image in outputs["images"]:
        assert np.abs(image).max() <= 1.0
        assert 0.01 < np.std(image) < 0.9  # neither grey nor saturated


@pytest.mark.parametrize(
    ("options", "sizes"),
    [({"num_stages": 1}, (16,)), ({"base_size": 32, "num_stages": 2}, (32, 64))],
)
def test_any_number_of_stages_and_any_base_size(options, sizes):
    model = generator(**options)
    assert model.image_sizes == sizes
    outputs = model(example())
    assert shapes(outputs["images"]) == [(2, size, size, 3) for size in sizes]
    assert len(outputs["attention_scores"]) == len(sizes) - 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_size": 24}, "power of two from 16 up. Received: base_size=24"),
        ({"base_size": 8}, "base_size=8"),
        ({"num_stages": 0}, "num_stages=0"),
        ({"refinement": "magic"}, "'memory' or 'attention'. Received: refinement='magic'"),
    ],
)
def test_sizes_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Generator(**{**SMALL, **options})


@pytest.mark.parametrize(
    ("options", "gates"),
    [
        ({}, {"word_gates", "response_gates"}),
        ({"response_gate": False}, {"word_gates"}),
        ({"writing_gate": False}, {"response_gates"}),
        ({"writing_gate": False, "response_gate": False}, set()),
        ({"refinement": "attention"}, set()),
    ],
)
def test_rows_of_table_3(options, gates, tmp_path):
    model = generator(**options)
    outputs = model(example())
    assert {name for name in ("word_gates", "response_gates") if outputs[name]} == gates
    np.testing.assert_allclose(np.sum(outputs["attention_scores"][0], -1), 1.0, atol=1e-6)
    # Every variable of a variant is used: none is left over from the full network.
    with tf.GradientTape() as tape:
        outputs = model(example(), training=True)
        total = sum(tf.reduce_mean(image**2) for image in outputs["images"])
    for variable, gradient in zip(
        model.trainable_variables,
        tape.gradient(total, [v.value for v in model.trainable_variables]),
        strict=True,
    ):
        assert gradient is not None, variable.path
        assert np.all(np.isfinite(gradient)), variable.path
    model.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    keras.tree.map_structure(np.testing.assert_array_equal, loaded(example()), model(example()))


def test_each_caption_meets_its_own_padding():
    model, inputs = generator(), example(lengths=(2, 4))
    together = model(inputs)
    alone = {name: value[:1] for name, value in inputs.items()}
    alone["word_features"] = alone["word_features"][:, :2]
    alone["padding_mask"] = alone["padding_mask"][:, :2]
    for x, y in zip(model(alone)["images"], together["images"], strict=True):
        np.testing.assert_allclose(x[0], y[0], atol=1e-5)
    assert np.all(np.asarray(together["attention_scores"][0])[0, ..., 2:] == 0.0)


def test_noise_is_an_input_so_that_images_repeat():
    model, inputs = generator(), example()
    first = model(inputs)["images"][-1]
    np.testing.assert_array_equal(model(inputs)["images"][-1], first)
    for name in ("noise", "condition_noise", "word_features", "sentence_embedding"):
        other = model({**inputs, name: example(seed=1)[name]})["images"][-1]
        assert np.any(np.asarray(other) != np.asarray(first)), name


def test_batch_and_caption_length_may_vary():
    model = generator()
    signature = {
        name: tf.TensorSpec([None, None, 6] if value.ndim == 3 else [None, *value.shape[1:]])
        for name, value in example().items()
    }
    signature["padding_mask"] = tf.TensorSpec([None, None], tf.bool)
    graph = tf.function(model, input_signature=[signature])
    for lengths, words in (((1,), 2), ((3, 6, 2), 6)):
        inputs = example(lengths, words)
        for x, y in zip(graph(inputs)["images"], model(inputs)["images"], strict=True):
            np.testing.assert_allclose(x, y, atol=1e-5)
    assert graph.experimental_get_tracing_count() == 1


def test_inference_changes_no_variable_and_training_only_moving_averages():
    model = generator()
    for training in (False, True):
        before = [variable.numpy().tobytes() for variable in model.weights]
        model(example(), training=training)
        after = [variable.numpy().tobytes() for variable in model.weights]
        for variable, old, new in zip(model.weights, before, after, strict=True):
            assert (old != new) == (training and "moving" in variable.path), variable.path


def test_configuration_and_weights_come_back(tmp_path):
    model = generator(memory_dim=7)
    copy = Generator.from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    copy.build()
    model.save_weights(tmp_path / "generator.weights.h5")
    copy.load_weights(tmp_path / "generator.weights.h5")
    keras.tree.map_structure(np.testing.assert_array_equal, copy(example()), model(example()))


@pytest.mark.parametrize(
    ("stage_class", "arguments"),
    [
        (InitialStage, {"channels": 4, "size": 16}),
        (RefinementStage, {"channels": 4, "memory_dim": 6, "refinement": "attention"}),
    ],
)
def test_stages_have_a_configuration(stage_class, arguments):
    config = stage_class(**arguments).get_config()
    assert arguments.items() <= config.items()
    assert stage_class.from_config(config).get_config() == config


@pytest.mark.parametrize(
    ("size", "value"),
    [
        ("channels", 0),
        ("channels", 4.0),
        ("noise_dim", 0),
        ("condition_dim", -1),
        ("word_dim", None),
        ("memory_dim", 0),
        ("memory_dim", "8"),
        ("num_residual_blocks", -1),
        ("num_stages", 0),
        ("base_size", 16.0),
    ],
)
def test_sizes_that_cannot_be_are_refused_by_name(size, value):
    with pytest.raises(InputError, match=f"Received: {size}={value!r}"):
        generator(**{size: value})
