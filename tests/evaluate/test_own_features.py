"""Networks of features that users bring: Keras models and Python modules."""

import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.features import weights_sha256
from dmgan_tf.evaluate.own_features import load_features


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
    with pytest.raises(InputError, match=r"features \(batch, dim\) from .*\(None, 30, 30, 4\)"):
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
    assert features.metrics == ("fid", "kid")
    assert features.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def features(images:", "to run as a Python module.*SyntaxError"),
        ("import no_such_module", "to run as a Python module.*no_such_module"),
        ("features = 3", "a function features.*a module without it"),
        ("def features(images):\n    raise OSError('no weights')", "OSError: no weights"),
        ("def features(images):\n    return images", r"\(2, 256, 256, 3\)"),
        ("def features(images):\n    return images[:1, 0, 0]", r"features \(2, dim\).*\(1, 3\)"),
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
