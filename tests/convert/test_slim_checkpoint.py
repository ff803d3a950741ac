"""A TensorFlow 1 checkpoint of Slim's first Inception against a second writing of that network.

`SlimInception` follows the structure of `inception/slim/inception_model.py`: it makes a variable
when it first meets its name, as TensorFlow 1 did, so that names and shapes come from there and not
from the converter.
"""

import collections
import zlib

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.convert.inception_weights import load_inception
from dmgan_tf.convert.slim_checkpoint import find_checkpoint, load_slim_checkpoint
from dmgan_tf.errors import InputError

NUM_CLASSES = 51  # 50 birds and a background
AVERAGE = "/ExponentialMovingAverage"


class SlimInception:
    """Random variables by name, and the network that reads them."""

    def __init__(self):
        self.variables = {}
        self._scopes = collections.Counter()

    def variable(self, name, shape):
        random = np.random.RandomState(zlib.crc32(name.encode()))
        if name.endswith("moving_variance"):
            values = random.uniform(0.8, 1.2, shape)
        else:
            scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.1
            values = scale * random.standard_normal(shape)
        return self.variables.setdefault(name, values.astype("float32"))

    def convolution(self, x, filters, kernel, branch=None, scope=None, stride=1, padding="SAME"):
        if scope is None:
            number = self._scopes[branch]
            self._scopes[branch] += 1
            scope = f"{branch}/Conv" + (f"_{number}" if number else "")
        weights = self.variable(f"{scope}/weights", (*kernel, x.shape[-1], filters))
        beta, mean, variance = (
            self.variable(f"{scope}/BatchNorm/{name}", (filters,))
            for name in ("beta", "moving_mean", "moving_variance")
        )
        x = tf.nn.conv2d(x, weights, stride, padding)
        return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, None, 0.001))

    def __call__(self, x):
        self._scopes.clear()
        x = self.convolution(x, 32, (3, 3), scope="conv0", stride=2, padding="VALID")
        x = self.convolution(x, 32, (3, 3), scope="conv1", padding="VALID")
        x = self.convolution(x, 64, (3, 3), scope="conv2")
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        x = self.convolution(x, 80, (1, 1), scope="conv3", padding="VALID")
        x = self.convolution(x, 192, (3, 3), scope="conv4", padding="VALID")
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        for block, filters in (("256a", 32), ("288a", 64), ("288b", 64)):
            x = self.block_35(x, f"mixed_35x35x{block}", filters)
        x = self.reduction(
            x,
            "mixed_17x17x768a",
            {"branch3x3": [(384, 3, 3)], "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3)]},
        )
        for block, filters in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
            x = self.block_17(x, f"mixed_17x17x768{block}", filters)
        x = self.reduction(
            x,
            "mixed_17x17x1280a",
            {
                "branch3x3": [(192, 1, 1), (320, 3, 3)],
                "branch7x7x3": [(192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)],
            },
        )
        for block in ("a", "b"):
            x = self.block_8(x, f"mixed_8x8x2048{block}")
        pooled = tf.reduce_mean(x, (1, 2))
        weights = self.variable("logits/logits/weights", (2048, NUM_CLASSES))
        return pooled, pooled @ weights + self.variable("logits/logits/biases", (NUM_CLASSES,))

    def chain(self, x, branch, steps):
        for filters, *kernel in steps:
            x = self.convolution(x, filters, kernel, branch)
        return x

    def pooled(self, x, block, filters):
        return self.chain(
            tf.nn.avg_pool2d(x, 3, 1, "SAME"), f"{block}/branch_pool", [(filters, 1, 1)]
        )

    def block_35(self, x, block, filters):
        one = self.chain(x, f"{block}/branch1x1", [(64, 1, 1)])
        five = self.chain(x, f"{block}/branch5x5", [(48, 1, 1), (64, 5, 5)])
        three = self.chain(x, f"{block}/branch3x3dbl", [(64, 1, 1), (96, 3, 3), (96, 3, 3)])
        return tf.concat([one, five, three, self.pooled(x, block, filters)], 3)

    def block_17(self, x, block, n):
        one = self.chain(x, f"{block}/branch1x1", [(192, 1, 1)])
        seven = self.chain(x, f"{block}/branch7x7", [(n, 1, 1), (n, 1, 7), (192, 7, 1)])
        steps = [(n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)]
        double = self.chain(x, f"{block}/branch7x7dbl", steps)
        return tf.concat([one, seven, double, self.pooled(x, block, 192)], 3)

    def block_8(self, x, block):
        one = self.chain(x, f"{block}/branch1x1", [(320, 1, 1)])
        three = self.fork(self.chain(x, f"{block}/branch3x3", [(384, 1, 1)]), f"{block}/branch3x3")
        double = self.chain(x, f"{block}/branch3x3dbl", [(448, 1, 1), (384, 3, 3)])
        double = self.fork(double, f"{block}/branch3x3dbl")
        return tf.concat([one, three, double, self.pooled(x, block, 192)], 3)

    def fork(self, x, branch):
        kernels = ((1, 3), (3, 1))
        return tf.concat([self.convolution(x, 384, kernel, branch) for kernel in kernels], 3)

    def reduction(self, x, block, branches):
        outputs = []
        for name, (*steps, (filters, *kernel)) in branches.items():
            inner = self.chain(x, f"{block}/{name}", steps)
            last = self.convolution(inner, filters, kernel, f"{block}/{name}", None, 2, "VALID")
            outputs.append(last)
        return tf.concat([*outputs, tf.nn.max_pool2d(x, 3, 2, "VALID")], 3)


def write_checkpoint(prefix, variables):
    prefix.parent.mkdir(parents=True, exist_ok=True)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=[tf.constant(value) for value in variables.values()],
    )
    return prefix


def of_training(variables):
    """The checkpoint of a training: averages beside the variables, and what else it needs."""
    return {
        **{name + AVERAGE: value for name, value in variables.items()},
        **{name: np.zeros(1, "float32") for name in variables},  # not what evaluation restores
        **{f"{name}/RMSProp": np.zeros(1, "float32") for name in variables},
        "aux_logits/FC/weights": np.zeros((768, NUM_CLASSES), "float32"),
        "global_step": np.array(5000, "int64"),
    }


@pytest.fixture(scope="module")
def slim():
    """The network, random images, and what it makes of them: (network, images, outputs)."""
    # 107 pixels leave 2 x 2 in the last block, where padding makes a difference.
    images = np.random.RandomState(0).uniform(-1, 1, (2, 107, 107, 3)).astype("float32")
    network = SlimInception()
    return network, images, network(images)


@pytest.fixture(scope="module")
def birds(slim, tmp_path_factory):
    """The directory of a checkpoint of training."""
    directory = tmp_path_factory.mktemp("birds_valid299")
    write_checkpoint(directory / "model.ckpt", of_training(slim[0].variables))
    (directory / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/model.ckpt"\n')
    return directory


@pytest.fixture(scope="module")
def network(birds):
    """What the converter makes of that checkpoint."""
    return load_inception(birds / "model.ckpt.data-00000-of-00001")


def test_it_equals_the_network_of_the_source(slim, network):
    _, images, (pooled, logits) = slim
    assert (network.variant, network.num_classes) == ("keras_applications", NUM_CLASSES)
    outputs = network(images)
    assert np.abs(logits).max() > 0.1
    np.testing.assert_allclose(outputs["pooled"], pooled, rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs["logits"], logits, rtol=0, atol=1e-5)


def assert_same_weights(one, other):
    for weight, expected in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("given", ["directory", "prefix", "index"])
def test_what_stands_for_a_checkpoint(birds, given):
    prefix = birds / "model.ckpt"
    source = {"directory": birds, "prefix": prefix, "index": birds / "model.ckpt.index"}[given]
    assert find_checkpoint(source) == prefix


def test_without_averages_the_variables_are_read(slim, network, tmp_path):
    prefix = write_checkpoint(tmp_path / "model.ckpt-5000", slim[0].variables)
    assert_same_weights(load_inception(prefix), network)


def test_a_checkpoint_of_one_file(slim, network, tmp_path):
    variables = slim[0].variables
    tf.raw_ops.Save(  # as TensorFlow wrote them before version 0.12
        filename=str(tmp_path / "model.ckpt"),
        tensor_names=list(variables),
        data=[tf.constant(value) for value in variables.values()],
    )
    assert [path.name for path in tmp_path.iterdir()] == ["model.ckpt"]
    assert find_checkpoint(tmp_path) == tmp_path / "model.ckpt"
    assert_same_weights(load_inception(tmp_path / "model.ckpt"), network)


def line_of(source):
    with pytest.raises(InputError) as raised:
        load_inception(source)
    assert "\n" not in str(raised.value) and str(source) in str(raised.value)
    return str(raised.value)


def test_another_network_is_refused(slim, tmp_path):
    other = {"InceptionV3/Conv2d_1a_3x3/weights": np.zeros((3, 3, 3, 32), "float32")}
    line = line_of(write_checkpoint(tmp_path / "other" / "model.ckpt", other))
    assert "logits/logits/weights" in line and "another network" in line

    lacking = {**slim[0].variables}
    for name in ("conv0/weights", "conv1/BatchNorm/beta"):
        del lacking[name]
    line = line_of(write_checkpoint(tmp_path / "lacking" / "model.ckpt", lacking))
    assert "2 of them: conv0/weights, conv1/BatchNorm/beta" in line

    scaled = {**slim[0].variables, "conv0/BatchNorm/gamma": np.ones(32, "float32")}
    assert "gamma" in line_of(write_checkpoint(tmp_path / "scaled" / "model.ckpt", scaled))


def test_damaged_checkpoints_are_refused(birds, tmp_path):
    for damage in ("truncated", "missing"):
        directory = tmp_path / damage
        directory.mkdir()
        index = (birds / "model.ckpt.index").read_bytes()
        (directory / "model.ckpt.index").write_bytes(index)
        if damage == "truncated":
            data = (birds / "model.ckpt.data-00000-of-00001").read_bytes()
            (directory / "model.ckpt.data-00000-of-00001").write_bytes(data[: len(data) // 2])
        assert "cannot be read" in line_of(directory / "model.ckpt")
    (tmp_path / "model.ckpt.index").write_bytes(index[:100])
    assert "cannot be read" in line_of(tmp_path / "model.ckpt")


def test_of_several_checkpoints_one_must_be_chosen(tmp_path):
    for step in (1, 2):
        write_checkpoint(tmp_path / f"model.ckpt-{step}", {"step": np.array(step)})
    assert "model.ckpt-1, model.ckpt-2" in line_of(tmp_path)


def test_what_an_archive_of_macos_leaves_is_no_second_checkpoint(tmp_path):
    prefix = write_checkpoint(tmp_path / "model.ckpt", {"step": np.array(1)})
    (tmp_path / "._model.ckpt.index").touch()
    assert find_checkpoint(tmp_path) == prefix


def test_a_file_that_is_no_checkpoint(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x00" * 100)
    with pytest.raises(InputError, match="TensorFlow checkpoint"):
        load_slim_checkpoint(tmp_path / "model.ckpt")
