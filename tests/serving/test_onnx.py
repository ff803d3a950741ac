"""An ONNX file draws what the networks draw, for any batch and any number of words."""

import json
import sys

import numpy as np
import pytest

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.noise import seeded_noise
from dmgan_tf.serving.networks import named_outputs
from dmgan_tf.serving.onnx import export_onnx

CAPTIONS = ["the square is blue and the disc is green", "a red disc", "the green disc"]


@pytest.fixture(scope="module")
def exported(vivid_model, tmp_path_factory):
    pytest.importorskip("tf2onnx")
    return export_onnx(vivid_model, tmp_path_factory.mktemp("onnx") / "shapes", stages=True)


@pytest.mark.slow  # converting takes a quarter of a minute
@pytest.mark.parametrize("captions", [CAPTIONS[:1], CAPTIONS[1:], CAPTIONS])
def test_every_output_is_that_of_the_networks(exported, vivid_model, captions):
    runtime = pytest.importorskip("onnxruntime")
    model = DMGANTextToImage.from_preset(vivid_model)
    noise, condition_noise = seeded_noise(5, 4, 7, range(len(captions)))
    inputs = {
        "token_ids": model.tokenizer.encode_batch(captions),
        "noise": noise,
        "condition_noise": condition_noise,
    }
    session = runtime.InferenceSession(exported / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", "words"]
    names = [output.name for output in session.get_outputs()]
    drawn = dict(zip(names, session.run(names, inputs), strict=True))
    encoded = model.text_encoder(inputs["token_ids"])
    expected = model.generator(generator_inputs(encoded, **inputs))
    expected = named_outputs(model.generator.image_sizes, expected, stages=True)
    assert drawn.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(drawn[name], value, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_the_folder_says_what_it_holds(exported):
    record = json.loads((exported / "dmgan_export.json").read_text("utf-8"))
    assert (record["format"], record["caption_length"]) == ("onnx", None)
    assert set(record["files"]) == {"model.onnx", "vocabulary.txt", "tokenizer.json"}
    settings = json.loads((exported / "tokenizer.json").read_text("utf-8"))
    assert settings["caption_length"] is None


def test_without_its_converter(vivid_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(InputError, match=r'pip install "dmgan_tf\[onnx\]"'):
        export_onnx(vivid_model, tmp_path / "new")
    assert not (tmp_path / "new").exists()
