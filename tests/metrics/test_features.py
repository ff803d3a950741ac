"""Feature networks and protocols: pixels against PIL, numbers against published implementations.

The golden numbers are of torch-fidelity's network with the weights of `inception_recipe`, on what
`torch.nn.functional.interpolate` (pytorch_fid) and clean-fid's resizer (clean) made of the images
of `as_bytes`; they are every 300th feature.
"""

import functools
import hashlib
import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from differences import check_difference
from inception_recipe import recipe_images, recipe_state, state_shapes
from PIL import Image

from dmgan_tf.convert.inception_weights import load_inception
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.errors import InputError
from dmgan_tf.metrics.features import (
    PROTOCOLS,
    inception_features,
    lite0_features,
    load_features,
    weights_sha256,
)
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0
from dmgan_tf.models.inception import InceptionV3

ROOT = pathlib.Path(__file__).parents[2]
PARITY = ROOT / "tests/convert/parity/fid_inception_outputs.npz"
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


@pytest.fixture(scope="module")
def fid_inception(tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "pt_inception-2015-12-05.pth"
    write_pytorch_file(path, recipe_state("shared-fid:", state_shapes(num_classes=1008)))
    return load_inception(path)


@pytest.fixture
def close(record_property):
    return functools.partial(check_difference, record_property, tolerance=1e-4)


def test_ttur_equals_torch_fidelity(fid_inception, close):
    features = inception_features("ttur", fid_inception)
    outputs = tf.function(features)(as_bytes())
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
    assert features.network is fid_inception
    assert features.sha256 == weights_sha256(fid_inception)


@pytest.mark.parametrize("protocol", GOLDEN_FEATURES)
def test_features_equal_the_published_ones(protocol, fid_inception, close):
    outputs = inception_features(protocol, fid_inception)(as_bytes())
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
    ],
)
def test_inputs_equal_those_that_pil_makes(protocol, expected, size, close):
    images = np.random.RandomState(size).randint(0, 256, (1, size, size, 3)).astype("uint8")
    actual = np.asarray(PROTOCOLS[protocol].preprocess(images))
    close(f"protocol {protocol}: pixels", actual, expected(images), tolerance=2e-6)


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


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_jax_prepares_the_same_pixels(tmp_path):
    images = np.random.RandomState(3).randint(0, 256, (1, 90, 61, 3)).astype("uint8")
    np.save(tmp_path / "images.npy", images)
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import numpy as np\n"
        "from dmgan_tf.metrics.features import PROTOCOLS\n"
        "images = np.load('images.npy')\n"
        "np.savez('inputs.npz', **{name: np.asarray(item.preprocess(images))"
        " for name, item in PROTOCOLS.items()})\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    with np.load(tmp_path / "inputs.npz") as inputs:
        assert set(inputs) == set(PROTOCOLS)
        for name, protocol in PROTOCOLS.items():
            np.testing.assert_allclose(
                inputs[name], protocol.preprocess(images), atol=3e-6, err_msg=name
            )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_protocol_describes_itself(protocol):
    item = PROTOCOLS[protocol]
    assert item.name == protocol and "\n" not in item.description
    assert item.description.count(";") == 2  # network; resize; quantisation
    assert ("is" in item.metrics) == (item.class_logits is not None)


def built(variant, num_classes):
    network = InceptionV3(variant, num_classes)
    network.build()
    return network


def test_birds_drop_the_background_before_the_softmax():
    network = built("keras_applications", 51)
    images = as_bytes()[:1]
    outputs = inception_features("stackgan_birds", network)(images)
    logits = network(PROTOCOLS["stackgan_birds"].preprocess(images))["logits"]
    np.testing.assert_allclose(outputs["logits"], np.asarray(logits)[:, 1:], atol=1e-6)


def test_another_inception_is_refused(fid_inception):
    with pytest.raises(InputError, match="torchvision Inception for protocol release.*fid_2015"):
        inception_features("release", fid_inception)
    with pytest.raises(InputError, match="51 classes for protocol stackgan_birds.*none"):
        inception_features("stackgan_birds", InceptionV3("keras_applications"))
    with pytest.raises(InputError, match="1008 classes for protocol ttur.*: 10"):
        inception_features("ttur", InceptionV3("fid_2015", 10))
    for name in ("lite0", "fid"):
        with pytest.raises(InputError, match=f"ttur, pytorch_fid.*'{name}'"):
            inception_features(name, fid_inception)


def test_lite0():
    network = EfficientNetLite0()
    network.build()
    features = lite0_features(network)
    images = np.random.RandomState(0).randint(0, 256, (2, 64, 64, 3)).astype("uint8")
    outputs = features(images)
    assert set(outputs) == {"features"}
    pooled = network(PROTOCOLS["lite0"].preprocess(images))["pooled"]
    np.testing.assert_allclose(outputs["features"], pooled, atol=1e-6)
    assert (features.name, features.dim, features.metrics) == ("lite0", 1280, ("fid", "kid"))
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


def keras_file(path, input_shape, *, pooled=True, logits=False):
    images = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 3, name="convolution")(x)
    if pooled:
        x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = {"features": x, "logits": keras.layers.Dense(5)(x)} if logits else x
    model = keras.Model(images, outputs)
    model.save(path)
    return model


@pytest.mark.parametrize("size", [None, 32])
def test_a_keras_model(size, tmp_path):
    model = keras_file(tmp_path / "own.keras", (size, size, 3), logits=True)
    features = load_features(tmp_path / "own.keras")
    images = np.random.RandomState(0).randint(0, 256, (2, 64, 64, 3)).astype("uint8")
    prepared = images.astype("float32")
    if size:
        prepared = tf.image.resize(prepared, (size, size), antialias=True)
    expected = model(prepared)
    for name, value in tf.function(features)(images).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)
    assert (features.name, features.dim, features.in_graph) == ("own.keras", 4, True)
    assert features.metrics == ("fid", "is", "kid")
    assert features.sha256 == weights_sha256(model)
    assert ("32 px" in features.description) == (size is not None)


def test_a_keras_model_without_logits(tmp_path):
    keras_file(tmp_path / "own.keras", (32, 32, 3))
    features = load_features(tmp_path / "own.keras")
    assert features.metrics == ("fid", "kid")
    assert set(features(np.zeros((1, 32, 32, 3), "uint8"))) == {"features"}


def test_keras_models_that_give_no_features(tmp_path):
    path = tmp_path / "own.keras"
    keras_file(path, (32, 32, 3), pooled=False)
    with pytest.raises(InputError, match=r"features \(B,D\) from .*own.keras.*\(None, 30, 30, 4\)"):
        load_features(path)
    keras_file(path, (32, 16, 3))
    with pytest.raises(InputError, match="square RGB.*32, 16"):
        load_features(path)
    keras_file(path, (32, 32, 1))
    with pytest.raises(InputError, match="square RGB.*32, 32, 1"):
        load_features(path)
    images = keras.Input((32, 32, 3))
    keras.Model(images, {"codes": keras.layers.Flatten()(images)}).save(path)
    with pytest.raises(InputError, match="a dict with 'features'.*without it"):
        load_features(path)
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match="Keras can load in .*own.keras") as raised:
        load_features(path)
    assert "\n" not in str(raised.value)


def test_a_keras_model_that_would_run_code_is_refused(tmp_path):
    images = keras.Input((8, 8, 3))
    outputs = keras.layers.Lambda(lambda x: keras.ops.mean(x, (1, 2)))(images)
    keras.Model(images, outputs).save(tmp_path / "own.keras")
    with pytest.raises(InputError, match="Keras can load"):
        load_features(tmp_path / "own.keras")


MODULE = """
import numpy as np

def features(images):
    assert isinstance(images, np.ndarray) and images.dtype == np.uint8
    return images.mean((1, 2))
"""


def test_a_python_module(tmp_path):
    path = tmp_path / "means.py"
    path.write_text(MODULE)
    features = load_features(path)
    images = np.random.RandomState(0).randint(0, 256, (5, 8, 8, 3)).astype("uint8")
    outputs = features(tf.constant(images))
    np.testing.assert_allclose(outputs["features"], images.mean((1, 2)), rtol=1e-6)
    assert outputs["features"].dtype == np.float32
    assert (features.name, features.dim, features.in_graph) == ("means.py", 3, False)
    assert features.network is None and features.metrics == ("fid", "kid")
    assert features.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def features(images:", "to run as a Python module.*SyntaxError"),
        ("import no_such_module", "to run as a Python module.*no_such_module"),
        ("features = 3", "a function features.*a module without it"),
        ("def features(images):\n    raise OSError('no weights')", "OSError: no weights"),
        ("def features(images):\n    return images", r"\(2, 256, 256, 3\)"),
        ("def features(images):\n    return images[:1, 0, 0]", r"features \(2,D\).*\(1, 3\)"),
        ("def features(images):\n    return {'codes': images}", "a dict with 'features'"),
        ("import sys\nsys.exit(0)", "to run as a Python module.*SystemExit"),
        ("def features(images):\n    raise SystemExit", "to take uint8 images.*SystemExit"),
    ],
)
def test_modules_that_give_no_features(source, message, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(source)
    with pytest.raises(InputError, match=message) as raised:
        load_features(path)
    assert "\n" not in str(raised.value) and str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("late", "message"),
    [
        ("raise RuntimeError('out of luck')", r"uint8 images \(4, 8, 8, 3\).*out of luck"),
        ("return {'features': [['a']] * 4}", "could not convert string"),
        ("return {'features': codes}", "features and logits .* for all images"),
    ],
)
def test_a_module_that_fails_at_later_images(late, message, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(
        "def features(images):\n    codes = images.mean((1, 2))\n"
        f"    if len(images) == 4:\n        {late}\n"
        "    return {'features': codes, 'logits': codes}\n"
    )
    features = load_features(path)
    with pytest.raises(InputError, match=message):
        features(np.zeros((4, 8, 8, 3), "uint8"))


def test_a_module_may_change_the_images_it_gets(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def features(images):\n    images[:] = 0\n    return images.mean((1, 2))\n")
    images = np.full((2, 8, 8, 3), 7, "uint8")
    load_features(path)(images)
    assert images.min() == 7


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="no_file.keras. Received: no file"):
        load_features(tmp_path / "no_file.keras")
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(InputError, match="weights.h5. Received: something else"):
        load_features(tmp_path / "weights.h5")
