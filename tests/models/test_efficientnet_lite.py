"""EfficientNet-Lite0; its numbers meet the published ones in `test_efficientnet_weights.py`."""

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.models.efficientnet_lite import EfficientNetLite0


def test_outputs_and_size():
    network = EfficientNetLite0()
    network.build()
    trainable = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    assert trainable == 4_652_008  # the published 4.7 million
    outputs = network.compute_output_spec(keras.KerasTensor((None, 224, 224, 3)))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "pooled": (None, 1280),
        "logits": (None, 1000),
    }


def test_saves_and_loads(tmp_path):
    network = EfficientNetLite0(num_classes=3)
    images = np.random.RandomState(0).uniform(-1, 1, (2, 40, 40, 3)).astype("float32")
    expected = network(images)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.get_config() == network.get_config()
    for name, value in loaded(images).items():
        np.testing.assert_array_equal(value, expected[name])


def test_mixed_precision_keeps_the_features():
    keras.utils.set_random_seed(0)
    network = EfficientNetLite0(num_classes=3, dtype="mixed_bfloat16")
    images = np.random.RandomState(0).uniform(-1, 1, (2, 40, 40, 3)).astype("float32")
    half = np.asarray(keras.ops.cast(network(images)["pooled"], "float32"))
    full = EfficientNetLite0(num_classes=3)
    full.build()
    full.set_weights(network.get_weights())
    expected = np.asarray(full(images)["pooled"])
    np.testing.assert_allclose(half, expected, atol=0.05 * np.abs(expected).max())


def test_folded_normalization_keeps_the_features():
    network = EfficientNetLite0(include_top=False)
    network.build()
    random = np.random.RandomState(0)
    for unit in [network.stem, *(unit for block in network.blocks for unit in block.units)]:
        for statistic in (unit.bn.gamma, unit.bn.moving_variance):
            statistic.assign(random.uniform(0.5, 2, statistic.shape))
        for statistic in (unit.bn.beta, unit.bn.moving_mean):
            statistic.assign(random.normal(0, 0.5, statistic.shape))
    folded = EfficientNetLite0(include_top=False, is_normalized=False)
    folded.build()
    folded.copy_folded(network)
    assert not any("bn" in variable.path for variable in folded.variables)
    images = random.uniform(-1, 1, (2, 64, 64, 3)).astype("float32")
    for mine, given in zip(folded(images), network(images), strict=True):
        np.testing.assert_allclose(mine, given, atol=1e-4 * np.abs(given).max())


def test_a_folded_network_is_the_same_in_a_graph_and_on_other_backends(monkeypatch):
    network = EfficientNetLite0(include_top=False, is_normalized=False)
    network.build()
    images = np.random.RandomState(0).uniform(-1, 1, (2, 64, 64, 3)).astype("float32")
    in_a_graph = tf.function(network)(images)
    monkeypatch.setattr("dmgan_tf.models.efficientnet_lite.backend_kernels", lambda: None)
    for mine, given in zip(in_a_graph, network(images), strict=True):
        np.testing.assert_allclose(mine, given, atol=1e-4 * np.abs(given).max())
