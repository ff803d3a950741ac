"""Inception-v3 against published implementations, its weights read from files by the converter.

`image_encoder_outputs.npz` holds what the DM-GAN release's image encoder gives for weights made by
`inception_recipe`, `fid_inception_outputs.npz` what pytorch-fid and torch-fidelity give.
"""

import functools
import pathlib

import keras
import numpy as np
import pytest
from differences import check_difference
from inception_recipe import fid_inception, recipe_images, recipe_state, state_shapes

from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.convert.release import read_image_encoder
from dmgan_tf.layers.resize import resize

DIRECTORY = pathlib.Path(__file__).parent / "parity"


@pytest.fixture
def close(record_property):
    """Asserts that ours is theirs, to 1e-4: values go up to 12, through 90 convolutions."""
    return functools.partial(check_difference, record_property, tolerance=1e-4)


def test_image_encoder_of_the_release(tmp_path, close):
    state = recipe_state("shared:", state_shapes(num_classes=0, embedding_dim=16))
    write_pytorch_file(tmp_path / "image_encoder.pth", state)
    encoder = read_image_encoder(tmp_path / "image_encoder.pth")

    outputs = encoder(recipe_images(seed=5), training=False)

    expected = np.load(DIRECTORY / "image_encoder_outputs.npz")
    for name, part in (("region_features", "regions"), ("image_code", "image code")):
        close(f"image encoder: {part}", outputs[name], expected[name])


def test_fid_network_of_pytorch_fid_and_torch_fidelity(close):
    network = fid_inception()
    expected = np.load(DIRECTORY / "fid_inception_outputs.npz")
    images = recipe_images(seed=6)

    outputs = network(resize(images, 299), training=False)
    close("FID Inception: pooled features", outputs["pooled"], expected["pool_features"])
    close("FID Inception: logits", outputs["logits"], expected["logits"])

    # The TensorFlow 1 way: rounded to bytes, resized from the corner, scaled around 128.
    as_bytes = np.round((images + 1) * 127.5)
    resized = resize(as_bytes, 299, "legacy_tensorflow")
    outputs = network((resized - 128) / 128, training=False)
    bias = keras.ops.convert_to_numpy(network.fc.bias)
    part = "FID Inception, TensorFlow 1's resize"
    close(f"{part}: pooled features", outputs["pooled"], expected["uint8_tf1_resize_pool_features"])
    close(f"{part}: logits", outputs["logits"], expected["uint8_tf1_resize_logits"])
    close(
        f"{part}: logits without bias",
        outputs["logits"] - bias,
        expected["uint8_tf1_resize_logits_without_bias"],
    )
