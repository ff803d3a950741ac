"""Inception-v3 against published implementations, with weights made from a recipe.

`image_encoder_outputs.npz` holds what the DM-GAN release's image encoder gives for these weights,
`fid_inception_outputs.npz` what pytorch-fid and torch-fidelity give. The recipe draws each tensor
from a generator seeded with the checksum of its name, so no weights need to be stored.
"""

import pathlib
import zlib

import keras
import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.image_encoder import ImageEncoder, resize_bilinear
from dmgan_tf.models.inception import InceptionV3

HERE = pathlib.Path(__file__).parent
BATCH_NORM_NAMES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


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
    cells = np.random.RandomState(seed).uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    return cells.repeat(16, axis=1).repeat(16, axis=2)


def assign_kernel(tag, name, kernel):
    """Fills a Keras kernel from PyTorch's layout, which has the output channels first."""
    if len(kernel.shape) == 2:
        kernel.assign(recipe_weight(tag, name, kernel.shape[::-1]).T)
    else:
        height, width, inputs, outputs = kernel.shape
        weight = recipe_weight(tag, name, (outputs, inputs, height, width))
        kernel.assign(weight.transpose(2, 3, 1, 0))


def fill_by_recipe(network, tag):
    for name, unit in network.convolution_units():
        assign_kernel(tag, f"{name}.conv.weight", unit.conv.kernel)
        for ours, theirs in BATCH_NORM_NAMES.items():
            variable = getattr(unit.bn, ours)
            variable.assign(recipe_weight(tag, f"{name}.bn.{theirs}", variable.shape))


def test_image_encoder_equals_the_release():
    encoder = ImageEncoder(embedding_dim=16, backbone="inception_v3")
    encoder.build()
    fill_by_recipe(encoder.backbone, "shared:")
    assign_kernel("shared:", "emb_features.weight", encoder.region_projection.kernel)
    assign_kernel("shared:", "emb_cnn_code.weight", encoder.code_projection.kernel)
    encoder.code_projection.bias.assign(recipe_weight("shared:", "emb_cnn_code.bias", (16,)))

    outputs = encoder.predict_on_batch(recipe_images(seed=5))

    expected = np.load(HERE / "image_encoder_outputs.npz")
    for name in ("region_features", "image_code"):
        np.testing.assert_allclose(outputs[name], expected[name], rtol=0, atol=1e-4)


def test_fid_network_equals_pytorch_fid_and_torch_fidelity():
    network = InceptionV3("fid_2015", num_classes=1008)
    network.build()
    fill_by_recipe(network, "shared-fid:")
    assign_kernel("shared-fid:", "fc.weight", network.fc.kernel)
    network.fc.bias.assign(recipe_weight("shared-fid:", "fc.bias", (1008,)))
    expected = np.load(HERE / "fid_inception_outputs.npz")
    images = recipe_images(seed=6)

    outputs = network.predict_on_batch(resize_bilinear(images, 299))
    np.testing.assert_allclose(outputs["pooled"], expected["pool_features"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(outputs["logits"], expected["logits"], rtol=0, atol=1e-4)

    # The TensorFlow 1 way: rounded to bytes, resized from the corner, scaled around 128.
    as_bytes = np.round((images + 1) * 127.5)
    resized = resize_bilinear(as_bytes, 299, "legacy_tensorflow")
    outputs = network.predict_on_batch((resized - 128) / 128)
    np.testing.assert_allclose(
        outputs["pooled"], expected["uint8_tf1_resize_pool_features"], rtol=0, atol=1e-4
    )
    np.testing.assert_allclose(
        outputs["logits"] - keras.ops.convert_to_numpy(network.fc.bias),
        expected["uint8_tf1_resize_logits_without_bias"],
        rtol=0,
        atol=1e-4,
    )


def in_order_of_creation(model, layer_class):
    """Keras numbers layers as it makes them (`conv2d`, `conv2d_1`, ...), in torchvision's order."""

    def number(layer):
        suffix = layer.name.rpartition("_")[2]
        return int(suffix) if suffix.isdigit() else 0

    return sorted((x for x in model.layers if type(x) is layer_class), key=number)


def test_keras_variant_equals_keras_applications():
    theirs = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")
    ours = InceptionV3("keras_applications")
    ours.build()
    random = np.random.RandomState(0)
    convolutions = in_order_of_creation(theirs, keras.layers.Conv2D)
    normalizations = in_order_of_creation(theirs, keras.layers.BatchNormalization)
    units = [unit for _, unit in ours.convolution_units()]
    assert len(units) == 94
    for unit, convolution, normalization in zip(units, convolutions, normalizations, strict=True):
        unit.conv.kernel.assign(convolution.kernel)
        assert unit.bn.gamma is None
        for attribute in ("beta", "moving_mean", "moving_variance"):
            variable = getattr(normalization, attribute)
            low, high = (0.8, 1.2) if attribute == "moving_variance" else (-0.1, 0.1)
            variable.assign(random.uniform(low, high, variable.shape))
            getattr(unit.bn, attribute).assign(variable)
    images = random.uniform(-1, 1, (1, 139, 139, 3)).astype("float32")

    outputs = ours.predict_on_batch(images)

    expected = theirs.predict_on_batch(images)
    np.testing.assert_allclose(outputs["pooled"], expected, rtol=1e-4, atol=1e-5)


def test_outputs_and_serialization():
    network = InceptionV3("fid_2015", num_classes=10)
    outputs = network.compute_output_spec(keras.KerasTensor((None, 299, 299, 3)))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "mixed_6e": (None, 17, 17, 768),
        "mixed_7c": (None, 8, 8, 2048),
        "pooled": (None, 2048),
        "logits": (None, 10),
    }
    copy = InceptionV3.from_config(network.get_config())
    assert (copy.variant, copy.num_classes) == ("fid_2015", 10)


def test_unknown_variant_is_refused():
    with pytest.raises(InputError, match="torchvision, fid_2015, keras_applications.*'tf'"):
        InceptionV3("tf")
