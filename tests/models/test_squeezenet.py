"""SqueezeNet 1.1 against the same arithmetic in NumPy."""

import keras
import numpy as np
from differences import check_difference
from numpy.lib.stride_tricks import sliding_window_view

from dmgan_tf.models.squeezenet import INPUT_SIZE, squeezenet


def windows(x, size, strides, padding=0, value=0.0):
    """All squares of a picture `(height, width, channels)`, as `(rows, columns, size, size, c)`."""
    x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)), constant_values=value)
    squares = sliding_window_view(x, (size, size), axis=(0, 1))[::strides, ::strides]
    return squares.transpose(0, 1, 3, 4, 2)


def numpy_squeezenet(network, image):
    """The mean of fire9 and the logits of one image, float64."""

    def convolution(x, name, strides=1):
        kernel, bias = (np.float64(value) for value in network.get_layer(name).get_weights())
        squares = windows(x, len(kernel), strides, padding=len(kernel) // 2)
        return np.maximum(np.tensordot(squares, kernel, 3) + bias, 0)

    def fire(x, name):
        x = convolution(x, f"{name}_squeeze1x1")
        sides = [convolution(x, f"{name}_expand{size}") for size in ("1x1", "3x3")]
        return np.concatenate(sides, axis=-1)

    x = windows(convolution(image, "conv1", 2), 3, 2).max((2, 3))
    for number in range(2, 10):
        x = fire(x, f"fire{number}")
        if number in (3, 5):
            x = windows(x, 3, 2).max((2, 3))
    assert x.shape == (13, 13, 512)
    return x.mean((0, 1)), convolution(x, "conv10").mean((0, 1))


def test_numpy_computes_the_same(record_property):
    keras.utils.set_random_seed(0)
    network = squeezenet(num_classes=40)
    random = np.random.RandomState(1)
    for layer in network.layers:  # biases too
        kernel_and_bias = layer.get_weights()
        if kernel_and_bias:
            kernel, bias = kernel_and_bias
            layer.set_weights([kernel * 1.4, random.normal(0, 0.5, bias.shape)])
    image = random.uniform(-120, 130, (INPUT_SIZE, INPUT_SIZE, 3)).astype("float32")
    outputs = network(image[None])
    pooled, logits = numpy_squeezenet(network, image)
    for name, expected in (("pooled", pooled), ("logits", logits)):
        assert expected.std() > 0.1
        part = f"SqueezeNet 1.1, weights by recipe: {name}"
        check_difference(record_property, part, outputs[name][0], expected, 1e-5, relative=True)
