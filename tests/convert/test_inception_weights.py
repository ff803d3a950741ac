import logging
import zipfile

import keras
import numpy as np
import pytest
from inception_recipe import fid_inception, recipe_state, state_shapes

from dmgan_tf.convert import inception_weights
from dmgan_tf.convert.inception_weights import load_inception
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.errors import InputError

AUXILIARY = "AuxLogits.conv0.conv.weight"


@pytest.fixture(scope="module")
def shapes():
    """The names and shapes of torchvision's state dict."""
    return state_shapes(num_classes=1000)


@pytest.fixture(scope="module")
def backbone(shapes):
    """A state dict without classifier."""
    return recipe_state("test:", {name: shapes[name] for name in shapes if "fc." not in name})


def classifier(num_classes):
    weight = np.random.RandomState(1).standard_normal((num_classes, 2048)).astype("float32")
    return {"fc.weight": weight, "fc.bias": weight[:, 0]}


def value(variable):
    return keras.ops.convert_to_numpy(variable)


def test_the_classes_tell_which_pytorch_network_it_is(backbone, tmp_path, caplog):
    assert (fid_inception().variant, fid_inception().num_classes) == ("fid_2015", 1008)
    state = {**backbone, **classifier(1000), AUXILIARY: np.ones((128, 768, 1, 1), "float32")}
    write_pytorch_file(tmp_path / "weights.pth", state)
    network = load_inception(tmp_path / "weights.pth")
    assert (network.variant, network.num_classes) == ("torchvision", 1000)
    unit = network.Mixed_6b.branch7x7_2
    expected = state["Mixed_6b.branch7x7_2.conv.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(value(unit.conv.kernel), expected)
    variance = state["Mixed_6b.branch7x7_2.bn.running_var"]
    np.testing.assert_array_equal(value(unit.bn.moving_variance), variance)
    np.testing.assert_array_equal(value(network.fc.kernel), state["fc.weight"].T)
    assert not caplog.records


def test_data_parallel_names_and_the_zip_format(backbone, tmp_path):
    torch = pytest.importorskip("torch")
    state = {f"module.{name}": torch.from_numpy(array) for name, array in backbone.items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "weights.pth")
    network = load_inception(tmp_path / "weights.pth", variant="fid_2015")
    assert (network.variant, network.num_classes) == ("fid_2015", 0)
    expected = backbone["Mixed_7c.branch_pool.conv.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(value(network.Mixed_7c.branch_pool.conv.kernel), expected)


def test_the_backbone_of_a_damsm(backbone, tmp_path, caplog):
    heads = {
        "emb_features.weight": np.ones((8, 768, 1, 1), "float32"),
        "emb_cnn_code.weight": np.ones((8, 2048), "float32"),
        "emb_cnn_code.bias": np.ones(8, "float32"),
    }
    named = {f"module.{name}": array for name, array in {**backbone, **heads}.items()}
    write_pytorch_file(tmp_path / "image_encoder100.pth", named)
    network = load_inception(tmp_path / "image_encoder100.pth")
    assert (network.variant, network.num_classes) == ("torchvision", 0)
    beta = value(network.Conv2d_1a_3x3.bn.beta)
    np.testing.assert_array_equal(beta, backbone["Conv2d_1a_3x3.bn.bias"])
    assert not caplog.records


def test_missing_and_unknown_tensors_are_named(backbone, tmp_path, caplog):
    lacking = {**backbone}
    for name in ("Mixed_5b.branch1x1.conv.weight", "Mixed_6e.branch_pool.bn.running_mean"):
        del lacking[name]
    write_pytorch_file(tmp_path / "lacking.pth", lacking)
    line = line_of(tmp_path / "lacking.pth", "torchvision")
    assert "Mixed_5b.branch1x1.conv.weight, Mixed_6e.branch_pool.bn.running_mean" in line

    write_pytorch_file(tmp_path / "more.pth", {**backbone, "extra.weight": np.ones(3, "float32")})
    with caplog.at_level(logging.WARNING):
        assert load_inception(tmp_path / "more.pth", "fid_2015").variant == "fid_2015"
    assert "extra.weight" in caplog.text


def test_a_network_that_does_not_tell_which_it_is_must_be_named(backbone, tmp_path):
    write_pytorch_file(tmp_path / "trunk.pth", backbone)
    assert "Received: no classifier. Say which it is" in line_of(tmp_path / "trunk.pth")
    write_pytorch_file(tmp_path / "ten.pth", {**backbone, **classifier(10)})
    assert "Received: 10 classes" in line_of(tmp_path / "ten.pth")


def test_a_keras_model_is_told_from_a_pytorch_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "inception.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"")
    assert "a .keras model" in line_of(tmp_path / "inception.keras")


def test_a_classifier_of_another_network_is_refused(backbone, tmp_path):
    name = "Mixed_7c.branch1x1.conv.weight"
    state = {name: backbone[name]}
    state["fc.weight"] = np.zeros((1_000_000, 1), "float32")  # 8 GB if it had our width
    write_pytorch_file(tmp_path / "wide.pth", state)
    assert "(1000000, 2048)" in line_of(tmp_path / "wide.pth")


def line_of(source, variant=None):
    with pytest.raises(InputError) as raised:
        load_inception(source, variant)
    assert "\n" not in str(raised.value) and str(source) in str(raised.value)
    return str(raised.value)


def test_another_network_is_refused(tmp_path):
    state = {"encoder.weight": np.ones((5, 4), "float32")}
    state["rnn.weight_ih_l0"] = np.ones((16, 4), "float32")
    write_pytorch_file(tmp_path / "text_encoder.pth", state)
    assert "a text encoder" in line_of(tmp_path / "text_encoder.pth")


@pytest.mark.parametrize(
    "content", [None, b"", b"hello", b"<!DOCTYPE html>", b"PK\x03\x04", b"\x80\x02}"]
)
def test_what_is_no_weights_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "weights.pth").write_bytes(content)
    line_of(tmp_path / "weights.pth")


def test_a_directory_of_other_things_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    assert "a directory of something else" in line_of(tmp_path)


@pytest.fixture(scope="module")
def keras_network():
    """The network of `keras.applications`, with random statistics of batch normalisation."""
    network = keras.applications.InceptionV3(weights=None, classifier_activation=None)
    random = np.random.RandomState(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable, low in ((layer.beta, -0.1), (layer.moving_mean, -0.1)):
                variable.assign(random.uniform(low, 0.1, variable.shape))
            layer.moving_variance.assign(random.uniform(0.8, 1.2, layer.moving_variance.shape))
    return network


@pytest.fixture(scope="module")
def keras_file(keras_network, tmp_path_factory):
    """Its weights, classifier included, in the format of Keras 3."""
    path = tmp_path_factory.mktemp("keras") / "inception.weights.h5"
    keras_network.save_weights(path)
    return path


def test_keras_applications_with_classifier(keras_network, keras_file):
    images = np.random.RandomState(0).uniform(-1, 1, (1, 299, 299, 3)).astype("float32")
    network = load_inception(keras_file)
    assert (network.variant, network.num_classes) == ("keras_applications", 1000)
    outputs = network(images)
    pooled = keras.Model(keras_network.input, keras_network.get_layer("avg_pool").output)(images)
    np.testing.assert_allclose(outputs["pooled"], pooled, rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs["logits"], keras_network(images), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_keras_applications_without_classifier(tmp_path):
    headless = keras.applications.InceptionV3(weights=None, include_top=False)
    headless.save(tmp_path / "inception.h5")  # the older format
    network = load_inception(tmp_path / "inception.h5")
    assert (network.variant, network.num_classes) == ("keras_applications", 0)
    images = np.random.RandomState(1).uniform(-1, 1, (1, 107, 107, 3)).astype("float32")
    pooled = keras.ops.mean(headless(images), (1, 2))
    np.testing.assert_allclose(network(images)["pooled"], pooled, rtol=0, atol=1e-5)


def test_imagenet_is_downloaded_and_read(keras_file, monkeypatch, tmp_path):
    asked = []
    half = tmp_path / "half.h5"
    half.write_bytes(keras_file.read_bytes()[:1_000_000])
    monkeypatch.setattr(
        keras.utils, "get_file", lambda *arguments, **options: asked.append(arguments) or half
    )
    with pytest.raises(InputError, match="half.h5; it cannot be read"):
        load_inception("imagenet")
    ((name, url),) = asked
    assert url.startswith("https://") and url.endswith(f"/{name}")


def test_without_network_the_file_to_fetch_is_named(monkeypatch):
    def fail(*arguments, **options):
        raise Exception("URL fetch failure on https://...: None -- no route\nto host")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    line = line_of("imagenet")
    assert "no route" in line and "inception_v3_weights_tf_dim_ordering_tf_kernels.h5" in line


def test_keras_files_with_and_without_classifier_and_of_another_network(tmp_path, monkeypatch):
    """With networks of one layer and of two in the place of those of `keras.applications`."""

    def network(weights, include_top):
        layers = [keras.layers.Conv2D(2, 1), keras.layers.Dense(3)]
        return keras.Sequential([keras.Input((4, 4, 3)), *layers[: 1 + include_top]])

    monkeypatch.setattr(keras.applications, "InceptionV3", network)
    for include_top in (True, False):
        path = tmp_path / f"{include_top}.weights.h5"
        network(None, include_top).save_weights(path)
        assert len(inception_weights._keras_network(path).layers) == 1 + include_top
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    assert "keras.applications.InceptionV3" in line_of(path)


def test_a_model_without_inception_is_refused(damsm_directory):
    assert "--inception" in line_of(damsm_directory)


def test_a_variant_that_the_source_cannot_be(damsm_directory, tmp_path):
    with pytest.raises(InputError, match="torchvision, fid_2015.*'keras_applications'"):
        load_inception(tmp_path / "weights.pth", "keras_applications")
    assert "Leave the variant out" in line_of(damsm_directory, "torchvision")
