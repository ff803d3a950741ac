"""A LiteRT file draws what the networks draw, and lies in a folder that explains it."""

import hashlib
import json

import numpy as np
import pytest

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.text_to_image import noise_rows
from dmgan_tf.serving.litert import export_litert, litert_model, named_outputs

CAPTION = "the square is blue and the disc is green"


@pytest.fixture(scope="module")
def interpreter():
    return pytest.importorskip("ai_edge_litert.interpreter").Interpreter


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def exported(vivid_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("litert") / "shapes"
    return export_litert(vivid_model, folder, precision="float32", caption_length=12, stages=True)


def inputs_of(model, length):
    token_ids = np.zeros((1, length), np.int32)
    known = model.tokenizer.encode(CAPTION)
    token_ids[0, : len(known)] = known
    noise, condition_noise = noise_rows(model.generator, 7, [0])
    return {"token_ids": token_ids, "noise": noise, "condition_noise": condition_noise}


def drawn_by_keras(model, inputs):
    encoded = model.text_encoder(inputs["token_ids"])
    drawn = model.generator(generator_inputs(encoded, **inputs))
    outputs = named_outputs(model.generator.image_sizes, drawn, stages=True)
    return {name: np.asarray(value) for name, value in outputs.items()}


def test_every_output_is_that_of_the_networks(exported, model, interpreter):
    inputs = inputs_of(model, 12)
    runner = interpreter(str(exported / "model.tflite")).get_signature_runner()
    drawn = runner(**inputs)
    expected = drawn_by_keras(model, inputs)
    assert drawn.keys() == expected.keys()
    assert expected["images_32"].std() > 0.1
    for name, value in expected.items():
        np.testing.assert_allclose(drawn[name], value, atol=2e-5, err_msg=name)
