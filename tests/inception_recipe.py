"""Weights of Inception-v3 made from a recipe, so that no file needs to be stored.

The numbers of published implementations in `tests/convert/parity/*.npz` are those of these
weights. Each tensor comes from a generator seeded with the checksum of its name.
"""

import functools
import pathlib
import tempfile
import zlib

import numpy as np

from dmgan_tf.convert.inception_weights import load_inception
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.convert.release_layout import inception_entries
from dmgan_tf.models.inception import InceptionV3


def recipe_weight(tag, name, shape):
    """The tensor that the recipe makes for a PyTorch name and shape."""
    random = np.random.RandomState(zlib.crc32((tag + name).encode()) & 0x7FFFFFFF)
    if name.endswith("running_var"):
        return random.uniform(0.8, 1.2, shape).astype("float32")
    if len(shape) >= 2:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return (random.standard_normal(shape) * scale).astype("float32")
    if name.endswith(".weight"):
        return random.uniform(0.8, 1.2, shape).astype("float32")
    return (0.1 * random.standard_normal(shape)).astype("float32")


def recipe_images(seed):
    """Two images of 256 pixels in [-1, 1]."""
    cells = np.random.RandomState(seed).uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    return cells.repeat(16, axis=1).repeat(16, axis=2)


@functools.cache
def _backbone_shapes():
    network = InceptionV3("torchvision", 0)
    network.build()
    return {entry.names[0]: entry.release_shape for entry in inception_entries(network)}


def state_shapes(num_classes, embedding_dim=None):
    """The names and shapes of a PyTorch state dict, with the heads of a DAMSM if asked for."""
    shapes = dict(_backbone_shapes())
    if num_classes:
        shapes |= {"fc.weight": (num_classes, 2048), "fc.bias": (num_classes,)}
    if embedding_dim:
        shapes["emb_features.weight"] = (embedding_dim, 768, 1, 1)
        shapes["emb_cnn_code.weight"] = (embedding_dim, 2048)
        shapes["emb_cnn_code.bias"] = (embedding_dim,)
    return shapes


def recipe_state(tag, shapes):
    """A state dict by the recipe."""
    state = {name: recipe_weight(tag, name, shape) for name, shape in shapes.items()}
    state["Conv2d_1a_3x3.bn.num_batches_tracked"] = np.array(1, "int64")
    return state


@functools.cache
def fid_inception():
    """The network of FID by the recipe, from a file by the converter; made once, not to change."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "pt_inception-2015-12-05.pth")
        write_pytorch_file(path, recipe_state("shared-fid:", state_shapes(num_classes=1008)))
        return load_inception(path)
