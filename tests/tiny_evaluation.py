"""A feature network and images so small that every score of them is checked by hand."""

import numpy as np
from keras import ops

from dmgan_tf.evaluate.images import ImageSource


class MeanColour:
    """Features: the mean of each colour and its square mean; logits: the means times ten."""

    name = "mean_colour"
    dim = 6
    metrics = ("fid", "is", "kid")
    description = "the mean and the mean square of each colour; not comparable with anything"
    sha256 = "0" * 64
    in_graph = True

    def __call__(self, images):
        pixels = ops.cast(images, "float32") / 255
        means = ops.mean(pixels, axis=(1, 2))
        squares = ops.mean(ops.square(pixels), axis=(1, 2))
        return {"features": ops.concatenate([means, squares], axis=-1), "logits": 10 * means}


class ArrayImages(ImageSource):
    """Images that are simply there."""

    def __init__(self, images, plan=None):
        self.images = images
        self.num_images = len(images)
        self.plan = plan

    def batches(self, start, batch_size):
        for first in range(start, self.num_images, batch_size):
            yield self.images[first : first + batch_size]

    def description(self):
        return {"kind": "array", "sum": int(self.images.sum())}


def random_images(seed, count, shift=0):
    """uint8 `(count, 8, 8, 3)`."""
    levels = np.random.default_rng(seed).integers(0, 200, (count, 1, 1, 3))
    noise = np.random.default_rng(seed + 1).integers(0, 40, (count, 8, 8, 3))
    return np.uint8(np.clip(levels + noise + shift, 0, 255))
