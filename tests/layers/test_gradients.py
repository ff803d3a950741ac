"""Gradients of the memory and of spectral normalisation against independent formulas in float64."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from differences import check_difference

from dmgan_tf.layers import (
    DynamicMemory,
    GatedResponse,
    MemoryReading,
    MemoryWriting,
    SpectralConv2D,
    WordAttention,
)

CHANNELS, WORD_DIM, MEMORY_DIM = 3, 4, 5
IMAGE = np.random.RandomState(0).normal(size=(2, 2, 3, CHANNELS))
WORDS = np.random.RandomState(1).normal(size=(2, 4, WORD_DIM))
MEMORY = np.random.RandomState(2).normal(size=(2, 4, MEMORY_DIM))
READING = np.random.RandomState(3).normal(size=IMAGE.shape)
MASK = np.arange(4) < np.array([[4], [2]])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def project(weights, name, inputs):
    """A 1x1 convolution followed by ReLU."""
    return np.maximum(inputs @ weights[f"{name}/kernel"] + weights[f"{name}/bias"], 0)


# The formulas' constants: no gradient flows through the pooled image.
POOLED = IMAGE.mean(axis=(1, 2))[:, None]


def write(weights, words, image=None):
    """Eq. 7 and 8, or Eq. 3 where there is no gate."""
    slots = project(weights, "word_projection", words)
    if "word_gate/kernel" not in weights:
        return {"memory": slots}
    gate = sigmoid(words @ weights["word_gate/kernel"] + POOLED @ weights["image_gate/kernel"])
    memory = slots * gate + project(weights, "image_projection", POOLED) * (1 - gate)
    return {"memory": memory, "word_gate": gate[..., 0]}


def attend(image, keys, values):
    """Eq. 4 and 5, one pixel after another and over the words of its caption only."""
    scores, reading = np.zeros((*image.shape[:-1], keys.shape[1])), np.zeros(image.shape)
    for b, y, x in np.ndindex(*image.shape[:-1]):
        words = np.flatnonzero(MASK[b])
        likeness = np.exp(keys[b, words] @ image[b, y, x])
        scores[b, y, x, words] = likeness / likeness.sum()
        reading[b, y, x] = scores[b, y, x] @ values[b]
    return reading, scores


def read(weights, image, memory):
    keys, values = (project(weights, f"{name}_projection", memory) for name in ("key", "value"))
    reading, scores = attend(image, keys, values)
    return {"reading": reading, "attention_scores": scores}


def respond(weights, image, reading):
    """Eq. 9."""
    both = np.concatenate([image, reading], axis=-1)
    gate = sigmoid(both @ weights["gate/kernel"] + weights["gate/bias"])
    return {"features": gate * reading + (1 - gate) * image, "response_gate": gate[..., 0]}


def remember(weights, image, words):
    """Eq. 3 to 9 together."""
    outputs = write(weights, words)
    outputs |= read(weights, image, outputs.pop("memory"))
    reading = outputs.pop("reading")
    pair = [reading, image]  # Eq. 6
    if "gate/kernel" in weights:
        outputs |= respond(weights, image, reading)
        outputs["half_features"] = outputs["features"]
        pair = [outputs["features"], outputs["features"]]
    return outputs | {"features": np.concatenate(pair, axis=-1)}


def attend_to_projected_words(weights, image, words):
    """AttnGAN's Eq. 2 and 3."""
    values = words @ weights["word_projection/kernel"]
    reading, scores = attend(image, values, values)
    return {"features": np.concatenate([image, reading], axis=-1), "attention_scores": scores}


def central_differences(function, arrays, step=1e-6):
    """The gradient of a scalar function of a dict of float64 arrays."""
    gradients = {}
    for name, array in arrays.items():
        gradients[name] = np.zeros_like(array)
        for index in np.ndindex(*array.shape):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * step
                ends.append(function(arrays | {name: moved}))
            gradients[name][index] = (ends[0] - ends[1]) / (2 * step)
    return gradients


@pytest.fixture
def near(record_property):
    """Asserts that two arrays agree, relative to their largest entry."""
    return functools.partial(check_difference, record_property, relative=True)


# The layer, its arguments, its formula and inputs, and whether it takes the mask.
CASES = {
    "writing": (MemoryWriting, {}, write, [WORDS, IMAGE], False),
    "writing, no gate": (MemoryWriting, {"gated": False}, write, [WORDS, IMAGE], False),
    "reading": (MemoryReading, None, read, [IMAGE, MEMORY], True),
    "response": (GatedResponse, None, respond, [IMAGE, READING], False),
    "memory": (DynamicMemory, {}, remember, [IMAGE, WORDS], True),
    "no writing gate": (DynamicMemory, {"writing_gate": False}, remember, [IMAGE, WORDS], True),
    "no response gate": (DynamicMemory, {"response_gate": False}, remember, [IMAGE, WORDS], True),
    "attention": (WordAttention, None, attend_to_projected_words, [IMAGE, WORDS], True),
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_the_equations(name, near):
    layer_class, arguments, formula, inputs, is_masked = CASES[name]
    has_slots = arguments is not None
    layer = layer_class(memory_dim=MEMORY_DIM, **arguments) if has_slots else layer_class()
    layer.build(*[array.shape for array in inputs])
    random = np.random.RandomState(4)
    weights = {}
    for variable in layer.trainable_variables:
        key = "/".join(variable.path.split("/")[-2:])
        weights[key] = random.normal(scale=0.7, size=variable.shape)
        variable.assign(weights[key])
    numbers = {f"input {i}": array for i, array in enumerate(inputs)}
    outputs = formula(weights, *inputs)
    # A loss that weighs every number of every output differently.
    factors = {key: random.normal(size=value.shape) for key, value in outputs.items()}

    def loss(arrays):
        given = [arrays[key] for key in numbers]
        results = formula({key: arrays[key] for key in weights}, *given)
        return sum(np.sum(factors[key] * value) for key, value in results.items())

    expected = central_differences(loss, numbers | weights)
    tensors = [tf.constant(array, tf.float32) for array in inputs]
    variables = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        actual = layer(*tensors, *([MASK] if is_masked else []))
        total = tf.add_n([tf.reduce_sum(factors[key] * value) for key, value in actual.items()])
    gradients = tape.gradient(total, tensors + variables, unconnected_gradients="zero")

    assert set(actual) == set(outputs)
    for key, value in outputs.items():
        near(f"formula: {name}", actual[key], value, tolerance=1e-5)
    for (key, value), gradient in zip(expected.items(), gradients, strict=True):
        if formula is write and key == "input 1":
            assert not np.any(value) and not np.any(gradient)  # the pooled image is a constant
        else:
            near(f"gradient: {name}", gradient, value)


@pytest.mark.parametrize(("kernel_size", "strides"), [(3, 1), (4, 2)])
@pytest.mark.parametrize("filters", [2, 5])
def test_the_gradient_through_the_singular_value_is_the_closed_form(
    filters, kernel_size, strides, near
):
    """(G - <G, W / sigma> u v^T) / sigma, where G is the gradient at the divided kernel."""
    random = np.random.RandomState(filters)
    layer = SpectralConv2D(filters, kernel_size, strides=strides)
    layer.build((None, 6, 6, 3))
    matrix = random.normal(size=(kernel_size**2 * 3, filters))
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    layer.kernel.assign(matrix.reshape(layer.kernel.shape))
    layer.singular_vector.assign(right[0])
    images = random.normal(size=(2, 6, 6, 3))
    side = 6 // strides
    factors = random.normal(size=(2, side, side, filters))

    window = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    window = np.lib.stride_tricks.sliding_window_view(window, (kernel_size, kernel_size), (1, 2))
    patches = window[:, ::strides, ::strides].transpose(0, 1, 2, 4, 5, 3).reshape(2, side, side, -1)
    at_divided = np.einsum("bhwp,bhwf->pf", patches, factors)
    along = np.sum(at_divided * matrix) / values[0]
    expected = (at_divided - along * np.outer(left[:, 0], right[0])) / values[0]

    with tf.GradientTape() as tape:
        outputs = layer(tf.constant(images, tf.float32), training=True)
        total = tf.reduce_sum(outputs * factors)
    gradient = np.reshape(tape.gradient(total, layer.kernel.value), matrix.shape)
    near("formula: spectral convolution", outputs, patches @ matrix / values[0], tolerance=1e-5)
    near("gradient: spectral convolution", gradient, expected)

    def loss(arrays):
        divided = arrays["kernel"] / np.linalg.norm(arrays["kernel"], 2)
        return np.sum(at_divided * divided)

    numeric = central_differences(loss, {"kernel": matrix})["kernel"]
    near("gradient: spectral convolution", gradient, numeric)
