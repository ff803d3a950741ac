"""Every exported layer comes back from its configuration, from a `.keras` file and from weights."""

import keras
import numpy as np
import pytest

from dmgan_tf import layers

IMAGE = (None, 4, 4, 4)
WORDS = (None, None, 3)
MASK = (None, None)
# The layer's arguments, other than defaults, and its inputs' shapes.
CASES = {
    "BatchNorm": ({"momentum": 0.7, "epsilon": 1e-3}, [IMAGE]),
    "ConditioningAugmentation": ({"condition_dim": 2}, [(None, 3), (None, 2)]),
    "DownsampleBlock": ({"filters": 5, "kernel_size": 3, "strides": 1}, [IMAGE]),
    "DynamicMemory": (
        {"memory_dim": 2, "writing_gate": False, "response_gate": False},
        [IMAGE, WORDS, MASK],
    ),
    "GLU": ({}, [IMAGE]),
    "GatedResponse": ({}, [IMAGE, IMAGE]),
    "MemoryReading": ({}, [IMAGE, WORDS, MASK]),
    "MemoryWriting": ({"memory_dim": 2, "gated": False}, [WORDS, IMAGE]),
    "ResidualBlock": ({}, [IMAGE]),
    "SpectralConv2D": ({"filters": 5, "kernel_size": 3, "strides": 2}, [IMAGE]),
    "UpsampleBlock": ({"filters": 3}, [IMAGE]),
    "UpsampleConv2D": ({"filters": 3}, [IMAGE]),
    "WordAttention": ({}, [IMAGE, WORDS, MASK]),
}
DEFAULT_GATES = [
    ("DynamicMemory", {"memory_dim": 2}, [IMAGE, WORDS, MASK]),
    ("MemoryWriting", {"memory_dim": 2}, [WORDS, IMAGE]),
]
ALL_CASES = [(name, *case) for name, case in CASES.items()] + DEFAULT_GATES


def model_with(layer, shapes):
    """A functional model of one layer, with weights and moving averages unlike new ones."""
    inputs = [
        keras.Input(batch_shape=shape, dtype="bool" if shape == MASK else "float32")
        for shape in shapes
    ]
    model = keras.Model(inputs, layer(*inputs))
    random = np.random.RandomState(0)
    for variable in model.weights:
        variable.assign(variable + random.uniform(0.1, 0.5, variable.shape))
    return model


def example(shapes, batch=2, words=3, seed=0):
    random = np.random.RandomState(seed)
    arrays = []
    for shape in shapes:
        sizes = [batch, *(words if size is None else size for size in shape[1:])]
        array = random.normal(size=sizes).astype("float32")
        arrays.append(np.arange(words) < random.randint(1, words + 1, (batch, 1)))
        if shape != MASK:
            arrays[-1] = array
    return arrays


def assert_equal(a, b):
    a, b = keras.tree.flatten(a), keras.tree.flatten(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def test_every_exported_layer_has_a_case():
    assert set(CASES) == set(layers.__all__)


@pytest.mark.parametrize(("name", "arguments", "shapes"), ALL_CASES)
def test_configuration_weights_and_keras_file(name, arguments, shapes, tmp_path):
    layer = getattr(layers, name)(**arguments, name="tested")
    config = layer.get_config()
    assert arguments.items() <= config.items()
    copy = type(layer).from_config(config)
    assert copy.get_config() == config

    model, inputs = model_with(layer, shapes), example(shapes)
    expected = model(inputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("tested")) is type(layer)
    assert_equal(loaded(inputs), expected)

    rebuilt = model_with(copy, shapes)
    model.save_weights(tmp_path / "model.weights.h5")
    for variable in rebuilt.weights:
        variable.assign(np.zeros(variable.shape))
    rebuilt.load_weights(tmp_path / "model.weights.h5")
    assert_equal(rebuilt(inputs), expected)


@pytest.mark.parametrize(("name", "arguments", "shapes"), ALL_CASES)
def test_one_layer_takes_any_batch_and_caption_length(name, arguments, shapes):
    model = model_with(getattr(layers, name)(**arguments), shapes)
    for batch, words in ((1, 2), (3, 6)):
        inputs = example(shapes, batch, words)
        for one in range(batch):
            alone = model([array[one : one + 1] for array in inputs])
            together = keras.tree.map_structure(lambda x, one=one: x[one : one + 1], model(inputs))
            for x, y in zip(keras.tree.flatten(alone), keras.tree.flatten(together), strict=True):
                np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=1e-5)


@pytest.mark.parametrize(("name", "arguments", "shapes"), ALL_CASES)
def test_symbolic_shapes_are_the_real_ones(name, arguments, shapes):
    model = model_with(getattr(layers, name)(**arguments), shapes)
    outputs = model(example(shapes, batch=2, words=3))
    symbolic = keras.tree.flatten(model.output)
    for spec, value in zip(symbolic, keras.tree.flatten(outputs), strict=True):
        assert spec.dtype == keras.backend.standardize_dtype(value.dtype)
        for declared, size in zip(spec.shape, value.shape, strict=True):
            assert declared in (None, size)
