"""The processor's peak: the highest rate of a large convolution in TensorFlow."""

import math
import time

# Batch, side, channels and filters of convolutions that are large enough for full speed.
_PEAK_SHAPES = ((1, 128, 128, 256), (4, 128, 128, 256), (4, 64, 256, 256), (1, 128, 256, 256))


class Peak:
    """The highest rate of a 3x3 convolution in TensorFlow, the best of a few shapes.

    Args:
        precision: `float32` or `bfloat16`.
    """

    def __init__(self, precision):
        import tensorflow as tf

        self._convolve = tf.function(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"))
        self._operands = []
        for batch_size, side, channels, filters in _PEAK_SHAPES:
            shapes = (batch_size, side, side, channels), (3, 3, channels, filters)
            operands = [tf.cast(tf.random.normal(shape), precision) for shape in shapes]
            self._operands.append(operands)
        rates = [max(self._rate(*operands) for _ in range(4)) for operands in self._operands]
        self._operands = self._operands[rates.index(max(rates))]

    def __call__(self):
        """Operations per second, measured now."""
        return self._rate(*self._operands)

    def _rate(self, inputs, kernel, repeats=4):
        start = time.perf_counter()
        for _ in range(repeats):
            outputs = self._convolve(inputs, kernel)
        float(outputs[0, 0, 0, 0])  # waits for the result, since a GPU runs asynchronously
        seconds = (time.perf_counter() - start) / repeats
        multiplications = math.prod(outputs.shape[:3]) * math.prod(kernel.shape)
        return 2 * multiplications / seconds
