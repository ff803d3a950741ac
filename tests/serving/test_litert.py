"""A LiteRT file draws what the networks draw, and lies in a folder that explains it."""

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.noise import seeded_noise
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.serving.litert import export_litert, litert_model
from dmgan_tf.serving.litert_reader import LiteRTTextToImage
from dmgan_tf.serving.networks import named_outputs

CAPTIONS = ["the square is blue and the disc is green", "a red disc"]
LENGTH = 8  # known words of the first: all but "and"
DRAWS_ALONE = """
import sys
from dmgan_tf.serving.litert_reader import LiteRTTextToImage
assert LiteRTTextToImage(sys.argv[1]).generate("a red disc").shape == (1, 32, 32, 3)
assert not {"keras", "tensorflow"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def interpreter():
    return pytest.importorskip("ai_edge_litert.interpreter").Interpreter


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def exported(vivid_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("litert") / "shapes"
    return export_litert(
        vivid_model, folder, precision="float32", caption_length=LENGTH, stages=True
    )


@pytest.fixture(scope="module")
def reader(exported, interpreter):
    return LiteRTTextToImage(exported, num_threads=1)


def drawn_by_keras(model, inputs):
    encoded = model.text_encoder(inputs["token_ids"])
    drawn = model.generator(generator_inputs(encoded, **inputs))
    outputs = named_outputs(model.generator.image_sizes, drawn, stages=True)
    return {name: np.asarray(value) for name, value in outputs.items()}


def inputs_of(model, caption):
    token_ids = np.zeros((1, LENGTH), np.int32)
    known = model.tokenizer.encode(caption)
    token_ids[0, : len(known)] = known
    noise, condition_noise = seeded_noise(5, 4, 7, [0])
    return {"token_ids": token_ids, "noise": noise, "condition_noise": condition_noise}


@pytest.mark.parametrize("caption", CAPTIONS)
def test_every_output_is_that_of_the_networks(exported, model, interpreter, caption):
    inputs = inputs_of(model, caption)
    runner = interpreter(str(exported / "model.tflite")).get_signature_runner()
    drawn = runner(**inputs)
    expected = drawn_by_keras(model, inputs)
    assert drawn.keys() == expected.keys()
    assert set(drawn) == {"images_16", "images_32", "attention_scores_16", "word_gates_16"}
    assert expected["images_32"].std() > 0.1
    for name, value in expected.items():
        np.testing.assert_allclose(drawn[name], value, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    ("precision", "stored", "largest"), [("float16", np.float16, 0.02), ("int8", np.int8, 0.5)]
)
def test_smaller_weights_draw_nearly_the_same(
    exported, model, interpreter, precision, stored, largest
):
    content = litert_model(model, precision=precision, caption_length=LENGTH)
    assert len(content) < 0.8 * (exported / "model.tflite").stat().st_size
    smaller = interpreter(model_content=content)
    assert stored in {tensor["dtype"] for tensor in smaller.get_tensor_details()}
    inputs = inputs_of(model, CAPTIONS[0])
    drawn = smaller.get_signature_runner()(**inputs)
    assert set(drawn) == {"images_32"}
    difference = np.abs(drawn["images_32"] - drawn_by_keras(model, inputs)["images_32"])
    assert 0 < difference.max() < largest


@pytest.mark.parametrize(
    ("precision", "largest"), [("float32", 2e-5), ("float16", 0.02), ("int8", 0.5)]
)
def test_a_table_of_word_vectors_is_converted(model, interpreter, precision, largest):
    vocabulary = model.vocabulary
    options = {"vector_dim": 3, "num_trained": 2}
    text_encoder = TextEncoder(
        *(len(vocabulary), 8, 6), word_embedding={"class": "word_vectors", **options}
    )
    text_encoder.build()
    vectors = np.random.default_rng(0).normal(size=(len(vocabulary), 3))
    text_encoder.embedding.set_vectors(vectors)
    drawer = DMGANTextToImage(vocabulary, text_encoder, model.generator)
    inputs = inputs_of(drawer, CAPTIONS[0])
    content = litert_model(drawer, precision=precision, caption_length=LENGTH)
    drawn = interpreter(model_content=content).get_signature_runner()(**inputs)
    expected = drawn_by_keras(drawer, inputs)["images_32"]
    np.testing.assert_allclose(drawn["images_32"], expected, atol=largest)


def test_the_reader_draws_what_generate_draws(reader, model):
    drawn = reader.generate(CAPTIONS, seed=3, return_stages=True, return_attention=True)
    expected = model.generate(CAPTIONS, seed=3, return_stages=True, return_attention=True)
    assert drawn["words"] == expected["words"]
    for ours, theirs in zip(drawn["stages"], expected["stages"], strict=True):
        assert ours.shape == theirs.shape and ours.dtype == np.uint8
        assert np.abs(np.int32(ours) - theirs).max() <= 1
    np.testing.assert_array_equal(reader.generate(CAPTIONS, seed=3), drawn["images"])
    for name in ("attention_scores", "word_gates"):
        for ours, theirs in zip(drawn[name], expected[name], strict=True):
            np.testing.assert_allclose(ours, theirs[..., :LENGTH], atol=1e-5, err_msg=name)


def test_a_reader_needs_neither_keras_nor_tensorflow(exported, interpreter):
    subprocess.run([sys.executable, "-c", DRAWS_ALONE, exported], check=True, timeout=60)


def test_the_folder_says_what_it_holds(exported, vivid_model):
    record = json.loads((exported / "dmgan_export.json").read_text("utf-8"))
    assert (record["format"], record["precision"], record["stages"]) == ("litert", "float32", True)
    assert (record["caption_length"], record["image_sizes"]) == (LENGTH, [16, 32])
    names = {path.name for path in exported.iterdir()} - {"dmgan_export.json"}
    assert record["files"] == {
        name: hashlib.sha256((exported / name).read_bytes()).hexdigest() for name in names
    }
    vocabulary = (vivid_model / "vocabulary.txt").read_bytes()
    assert (exported / "vocabulary.txt").read_bytes() == vocabulary
    assert record["sha256"]["vocabulary.txt"] == record["files"]["vocabulary.txt"]
    settings = json.loads((exported / "tokenizer.json").read_text("utf-8"))
    assert (settings["caption_length"], settings["normalization"]) == (LENGTH, "NFC")


def test_a_caption_that_cannot_be_drawn(reader):
    with pytest.raises(InputError, match="at most 8 known words.* 9 in .*--caption_length"):
        reader.generate([CAPTIONS[1], CAPTIONS[0] + " disc"])
    with pytest.raises(InputError, match="a caption with a word of the vocabulary"):
        reader.generate("nothing known")
    with pytest.raises(InputError, match=r"seed, a whole number from 0 .*seed=-1"):
        reader.generate(CAPTIONS[0], seed=-1)


@pytest.mark.parametrize("name", ["model.tflite", "vocabulary.txt", "tokenizer.json"])
def test_a_file_that_was_not_exported(exported, tmp_path, name):
    folder = shutil.copytree(exported, tmp_path / "copy")
    with open(folder / name, "ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=f"{name} as it was exported"):
        LiteRTTextToImage(folder)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "No such file"),
        ("{", "dmgan_export.json"),
        ('{"format": "onnx"}', "image_sizes"),
        ("[]", "dmgan_export.json"),
    ],
)
def test_a_folder_that_is_no_export(tmp_path, record, message):
    if record is not None:
        (tmp_path / "dmgan_export.json").write_text(record)
    with pytest.raises(InputError, match=message):
        LiteRTTextToImage(tmp_path)


def test_without_its_runtime(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(InputError, match=r'pip install "dmgan_tf\[litert\]"'):
        LiteRTTextToImage(exported)


def test_stages_of_an_export_without_them(exported, tmp_path, interpreter):
    folder = shutil.copytree(exported, tmp_path / "copy")
    record = json.loads((folder / "dmgan_export.json").read_text("utf-8"))
    (folder / "dmgan_export.json").write_text(json.dumps({**record, "stages": False}))
    with pytest.raises(InputError, match="--stages"):
        LiteRTTextToImage(folder).generate("a red disc", return_attention=True)
