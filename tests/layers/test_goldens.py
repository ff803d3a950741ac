"""One hand-computed or independently computed case for every exported layer."""

import math

import numpy as np

from dmgan_tf import layers

LN3 = math.log(3.0)
GOLDENS = set()
# Two words of two features, and an image of 2x2 pixels and one channel, whose mean is 3.
WORDS = np.array([[[1.0, 0.0], [0.0, 2.0]]], "float32")
IMAGE = np.array([1.0, 2.0, 3.0, 6.0], "float32").reshape(1, 2, 2, 1)
BOTH_WORDS = np.array([[True, True]])


def golden(name):
    """Marks the test of an exported layer."""

    def register(test):
        GOLDENS.add(name)
        return test

    return register


def test_every_exported_layer_has_a_golden():
    assert set(layers.__all__) == GOLDENS


def close(actual, expected, tolerance=1e-5):
    actual = np.asarray(actual)
    expected = np.reshape(expected, actual.shape)
    np.testing.assert_allclose(actual, expected, atol=tolerance, rtol=tolerance)


def set_weights(layer, *weights):
    layer.set_weights([np.reshape(w, v.shape) for w, v in zip(weights, layer.weights, strict=True)])


def convolve(images, kernel, stride=1):
    """A convolution in float64 by its definition, half of the kernel's overlap on each side."""
    size = kernel.shape[0]
    before = (size - stride + 1) // 2
    pad = (before, size - stride - before)
    padded = np.pad(np.float64(images), ((0, 0), pad, pad, (0, 0)))
    height, width = images.shape[1] // stride, images.shape[2] // stride
    outputs = np.zeros((len(images), height, width, kernel.shape[-1]))
    for row in range(height):
        for column in range(width):
            top, left = row * stride, column * stride
            window = padded[:, top : top + size, left : left + size]
            outputs[:, row, column] = np.tensordot(window, np.float64(kernel), 3)
    return outputs


def glu(x):
    values, gates = np.split(x, 2, axis=-1)
    return values / (1 + np.exp(-gates))


def randomize(layer):
    """Gives every variable a value that an untrained one does not have."""
    random = np.random.RandomState(0)
    for variable in layer.weights:
        values = random.uniform(0.5, 1.5, variable.shape)
        signs = 1 if "variance" in variable.path else random.choice([-1, 1], variable.shape)
        variable.assign(values * signs)


def normalized(x, normalization):
    gamma, beta, mean, variance = (np.float64(w) for w in normalization.get_weights())
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


@golden("GLU")
def test_glu():
    close(layers.GLU()(np.array([[1.0, 2.0, 0.0, LN3]], "float32")), [0.5, 1.5])


@golden("BatchNorm")
def test_batch_norm():
    layer = layers.BatchNorm(epsilon=1.0)
    layer.build((None, 2))
    set_weights(layer, [1.0, 2.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0])
    batch = np.array([[1.0, 2.0], [3.0, 6.0]], "float32")
    # Means 2 and 4, variances 1 and 4; unbiased, the variances are 2 and 8.
    high, highest = 1 / math.sqrt(2), 1 + 4 / math.sqrt(5)
    close(layer(batch, training=True), [-high, 1 - 4 / math.sqrt(5), high, highest])
    close(layer.moving_mean, [0.2, 0.4])
    close(layer.moving_variance, [1.1, 1.7])
    expected = [[(1 - 0.2) / math.sqrt(2.1), 2 * (2 - 0.4) / math.sqrt(2.7) + 1]]
    close(layer(batch[:1]), expected)


@golden("UpsampleBlock")
def test_upsample_block():
    block = layers.UpsampleBlock(1)
    block.build((None, 2, 2, 1))
    randomize(block)
    doubled = IMAGE.repeat(2, axis=1).repeat(2, axis=2)
    convolved = convolve(doubled, block.convolution.get_weights()[0])
    close(block(IMAGE), glu(normalized(convolved, block.normalization)))


@golden("UpsampleConv2D")
def test_upsample_convolution():
    layer = layers.UpsampleConv2D(1)
    layer.build((None, 1, 2, 1))
    set_weights(layer, np.arange(1.0, 10.0).reshape(3, 3, 1, 1))
    # Of the doubled image, 1 1 2 2 twice, the taps below each row of three: 4 to 9, above: 1 to 6.
    upper = [5 + 6 + 8 + 9, 4 + 5 + 7 + 8 + 2 * (6 + 9), 4 + 7 + 2 * (5 + 6 + 8 + 9)]
    lower = [2 + 3 + 5 + 6, 1 + 2 + 4 + 5 + 2 * (3 + 6), 1 + 4 + 2 * (2 + 3 + 5 + 6)]
    last = [2 * (4 + 5 + 7 + 8), 2 * (1 + 2 + 4 + 5)]
    expected = [[*upper, last[0]], [*lower, last[1]]]
    close(layer(np.float32([1, 2]).reshape(1, 1, 2, 1)), expected)


@golden("ResidualBlock")
def test_residual_block():
    block = layers.ResidualBlock()
    block.build((None, 2, 2, 1))
    randomize(block)
    x = convolve(IMAGE, block.first_convolution.get_weights()[0])
    x = glu(normalized(x, block.first_normalization))
    x = convolve(x, block.second_convolution.get_weights()[0])
    close(block(IMAGE), IMAGE + normalized(x, block.second_normalization))


@golden("SpectralConv2D")
def test_spectral_convolution():
    layer = layers.SpectralConv2D(2, 1)
    layer.build((None, 2, 2, 2))
    # The singular values of diag(3, 4) are 3 and 4; the vector of the larger is (0, 1).
    set_weights(layer, [[3.0, 0.0], [0.0, 4.0]], [0.5, 0.0], [0.0, 1.0])
    pixels = np.array([[1.0, 0.0], [0.0, 1.0], [4.0, 2.0], [0.0, 0.0]], "float32")
    expected = [[1.25, 0.0], [0.5, 1.0], [3.5, 2.0], [0.5, 0.0]]
    close(layer(pixels.reshape(1, 2, 2, 2)), expected)


@golden("DownsampleBlock")
def test_downsample_block():
    block = layers.DownsampleBlock(3)
    block.build((None, 4, 4, 2))
    randomize(block)
    kernel, bias, _ = block.convolution.get_weights()
    _, singular_values, vectors = np.linalg.svd(kernel.reshape(-1, 3), full_matrices=False)
    block.convolution.singular_vector.assign(vectors[0])
    images = np.random.RandomState(1).normal(size=(2, 4, 4, 2)).astype("float32")
    x = convolve(images, kernel / singular_values[0], stride=2) + bias
    close(block(images), np.where(x > 0, x, 0.2 * x))


@golden("ConditioningAugmentation")
def test_conditioning_augmentation():
    layer = layers.ConditioningAugmentation(1)
    layer.build((None, 1))
    # The sentence 2 becomes (2, 2 ln 4 | 0, 0), which the gates halve to a mean and a logarithm.
    set_weights(layer, [1.0, math.log(4.0), 0.0, 0.0], [0.0] * 4)
    outputs = layer(np.array([[2.0]], "float32"), np.array([[0.5]], "float32"))
    close(outputs["mean"], 1.0)
    close(outputs["log_variance"], math.log(4.0))
    close(outputs["condition"], 1 + 2 * 0.5)


def set_writing(writing):
    """Weights that make slots of 2.5 and 2 from `WORDS` and `IMAGE`."""
    set_weights(writing.word_projection, [2.0, -1.0], [0.0])  # 2, and -2, which ReLU makes 0
    set_weights(writing.image_projection, [1.0], [1.0])  # the mean 3, plus 1
    set_weights(writing.word_gate, [0.0, -LN3 / 2])  # 0 and -ln 3 ...
    set_weights(writing.image_gate, [LN3 / 3])  # ... plus ln 3: gates of 3/4 and 1/2


@golden("MemoryWriting")
def test_memory_writing():
    layer = layers.MemoryWriting(1)
    layer.build(WORDS.shape, IMAGE.shape)
    set_writing(layer)
    outputs = layer(WORDS, IMAGE)
    close(outputs["word_gate"], [0.75, 0.5])
    close(outputs["memory"], [0.75 * 2 + 0.25 * 4, 0.5 * 0 + 0.5 * 4])


@golden("MemoryReading")
def test_memory_reading():
    layer = layers.MemoryReading()
    layer.build(IMAGE.shape, (None, 2, 1))
    set_weights(layer.key_projection, [LN3], [0.0])
    set_weights(layer.value_projection, [-2.0], [3.0])
    memory = np.array([[[1.0], [0.0]]], "float32")  # keys ln 3 and 0, values 1 and 3
    outputs = layer(np.array([0.0, 1.0, 2.0, -1.0]).reshape(1, 2, 2, 1), memory, BOTH_WORDS)
    first = np.array([1 / 2, 3 / 4, 9 / 10, 1 / 4])
    close(outputs["attention_scores"], np.stack([first, 1 - first], axis=-1))
    close(outputs["reading"], first + 3 * (1 - first))


@golden("GatedResponse")
def test_gated_response():
    layer = layers.GatedResponse()
    layer.build(IMAGE.shape)
    set_weights(layer.gate, [LN3, -LN3], [0.0])
    image = np.array([1.0, 0.0, 1.0, 0.0], "float32").reshape(1, 2, 2, 1)
    reading = np.array([0.0, 1.0, 1.0, -1.0], "float32").reshape(1, 2, 2, 1)
    outputs = layer(image, reading)
    close(outputs["response_gate"], [0.75, 0.25, 0.5, 0.75])
    close(outputs["features"], [0.25, 0.25, 1.0, -0.75])


@golden("DynamicMemory")
def test_dynamic_memory():
    layer = layers.DynamicMemory(1)
    layer.build(IMAGE.shape, WORDS.shape)
    set_writing(layer.writing)  # slots of 2.5 and 2
    set_weights(layer.reading.key_projection, [2 * LN3], [0.0])  # keys that differ by ln 3
    set_weights(layer.reading.value_projection, [2.0], [-4.0])  # values 1 and 0
    set_weights(layer.response.gate, [0.0, 0.0], [-LN3])  # a quarter of the memory
    outputs = layer(IMAGE, WORDS, BOTH_WORDS)
    first = np.array([3 / 4, 9 / 10, 27 / 28, 729 / 730])
    features = 0.25 * first + 0.75 * IMAGE.reshape(-1)
    close(outputs["word_gate"], [0.75, 0.5])
    close(outputs["attention_scores"], np.stack([first, 1 - first], axis=-1))
    close(outputs["response_gate"], [0.25] * 4)
    close(outputs["features"], np.stack([features, features], axis=-1))


@golden("WordAttention")
def test_word_attention():
    layer = layers.WordAttention()
    layer.build(IMAGE.shape, WORDS.shape)
    set_weights(layer.word_projection, [LN3, 0.0])
    outputs = layer(IMAGE, WORDS, BOTH_WORDS)
    first = np.array([3 / 4, 9 / 10, 27 / 28, 729 / 730])
    close(outputs["attention_scores"], np.stack([first, 1 - first], axis=-1))
    close(outputs["features"], np.stack([IMAGE.reshape(-1), LN3 * first], axis=-1))
