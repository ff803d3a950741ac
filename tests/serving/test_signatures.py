"""What a server answers: the pictures of `generate`, row by row, and errors that name a row."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf import DMGANTextToImage
from dmgan_tf.models.text_to_image import noise_rows, to_uint8
from dmgan_tf.serving import signatures

LONG = "the disc is blue and the square is red, a green disc, a blue square, a red disc"


def call(served, signature, captions, **inputs):
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    outputs = served[signature](captions=tf.constant(captions, tf.string), **inputs)
    return {name: value.numpy() for name, value in outputs.items()}


def images(served, captions, **inputs):
    signature = "generate_with_seed" if inputs else "serving_default"
    return call(served, signature, captions, **inputs)["images"]


def levels(a, b):
    """The largest difference of two pictures, in levels of 255."""
    return np.max(np.abs(np.int32(a) - np.int32(b)))


def test_the_default_signature_has_one_input(served):
    _, inputs = served["serving_default"].structured_input_signature
    assert {name: (spec.dtype, spec.shape.rank) for name, spec in inputs.items()} == {
        "captions": (tf.string, 1)
    }
    drawn = images(served, ["a red disc", "the square is blue"])
    assert drawn.shape == (2, 32, 32, 3) and drawn.dtype == np.uint8
    assert drawn.std() > 10 and levels(drawn[0], drawn[1]) > 10


def test_the_file_describes_every_signature(definitions):
    described = {
        name: (
            {key: _described(tensor) for key, tensor in definition.inputs.items()},
            {key: _described(tensor) for key, tensor in definition.outputs.items()},
        )
        for name, definition in definitions.items()
        if not name.startswith("__")  # TensorFlow's own
    }
    captions, seed = {"captions": "string ?"}, {"seed": "int64 ?"}
    images, files = {"images": "uint8 ?,32,32,3"}, {"image_bytes": "string ?"}
    words = {"token_ids": "int32 ?,?", "words": "string ?,?"}
    assert described == {
        "serving_default": (captions, images),
        "generate_png": (captions, files),
        "generate_with_seed": (captions | seed, images),
        "generate_png_with_seed": (captions | seed, files),
        "generate_with_noise": (
            captions | {"noise": "float32 ?,5", "condition_noise": "float32 ?,4"},
            {
                "images_16": "float32 ?,16,16,3",
                "images_32": "float32 ?,32,32,3",
                "attention_scores_16": "float32 ?,16,16,?",
                **words,
            },
        ),
        "tokenize": (captions, words),
    }
    assert {definitions[name].method_name for name in described} == {"tensorflow/serving/predict"}


def _described(tensor):
    sizes = ["?" if dim.size < 0 else str(dim.size) for dim in tensor.tensor_shape.dim]
    return f"{tf.as_dtype(tensor.dtype).name} {','.join(sizes)}"


def test_a_row_depends_on_its_caption_alone(served):
    (alone,) = images(served, ["a red disc"])
    beside = images(served, [LONG, "a red disc", "the square is blue", "a red disc"])
    assert levels(alone, beside[1]) <= 1
    assert levels(alone, beside[3]) <= 1
    assert levels(images(served, [LONG])[0], beside[0]) <= 1


def test_case_punctuation_and_unknown_words_do_not_matter(served):
    plain, written = images(served, ["a red disc", "A zeppelin, a RED-disc!"])
    plain_again = images(served, ["a a red disc"])[0]
    assert levels(written, plain_again) <= 1  # "a" twice: what is known counts, and its order
    assert levels(plain, written) > 1


def test_a_seed_chooses_another_picture_and_its_row_does_not(served):
    captions = ["a red disc", "a red disc", LONG]
    drawn = images(served, captions, seed=np.int64([7, 8, 7]))
    assert levels(drawn[0], drawn[1]) > 5
    turned = images(served, captions[::-1], seed=np.int64([7, -(2**63), 7]))
    assert levels(turned[2], drawn[0]) <= 1 and levels(turned[0], drawn[2]) <= 1


def test_png_files_hold_the_same_pictures(served):
    captions = ["a red disc", LONG]
    files = call(served, "generate_png", captions)["image_bytes"]
    drawn = images(served, captions)
    for file, picture in zip(files, drawn, strict=True):
        assert levels(tf.io.decode_png(file).numpy(), picture) <= 1
    seeds = np.int64([3, 4])
    files = call(served, "generate_png_with_seed", captions, seed=seeds)["image_bytes"]
    for file, picture in zip(files, images(served, captions, seed=seeds), strict=True):
        assert levels(tf.io.decode_png(file).numpy(), picture) <= 1


def test_with_noise_the_networks_are_those_of_generate(served, vivid_model):
    model = DMGANTextToImage.from_preset(vivid_model)
    captions = ["a red disc", "the square is blue", "green zeppelin"]
    expected = model.generate(captions, seed=5, return_stages=True, return_attention=True)
    noise, condition_noise = noise_rows(model.generator, 5, range(3))
    drawn = call(
        served, "generate_with_noise", captions, noise=noise, condition_noise=condition_noise
    )
    for size, stage in zip((16, 32), expected["stages"], strict=True):
        assert np.max(np.abs(drawn[f"images_{size}"])) <= 1
        assert levels(to_uint8(drawn[f"images_{size}"]), stage) <= 1
    words = drawn["words"].shape[1]
    scores = expected["attention_scores"][0]
    np.testing.assert_allclose(drawn["attention_scores_16"], scores[..., :words], atol=1e-5)
    kept = [[word.decode() for word in row if word] for row in drawn["words"]]
    assert kept == expected["words"]
    np.testing.assert_array_equal(drawn["token_ids"] == 0, drawn["words"] == b"")
    assert np.all(drawn["attention_scores_16"][0][..., 3:] == 0)
    again = call(
        served, "generate_with_noise", captions, noise=noise, condition_noise=condition_noise
    )
    np.testing.assert_array_equal(again["images_32"], drawn["images_32"])


@pytest.mark.parametrize("signature", ["serving_default", "generate_png"])
def test_a_caption_without_a_known_word_is_an_error_that_names_its_row(served, signature):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        call(served, signature, ["a red disc", "zeppelin", "", " ?! "])
    message = str(caught.value)
    assert "Expected captions with a word of the vocabulary" in message
    assert "[1 2 3]" in message
    assert "zeppelin" not in message  # it may be another client's


def test_no_caption_at_all_is_an_error(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected one caption or more"):
        call(served, "serving_default", [])


def test_noise_or_seeds_of_another_number_of_rows_are_an_error(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows of seed"):
        images(served, ["a red disc", "a red disc"], seed=np.int64([7]))
    noise, condition_noise = np.zeros((1, 5), np.float32), np.zeros((2, 4), np.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows of condition_noise"):
        call(
            served,
            "generate_with_noise",
            ["a red disc"],
            noise=noise,
            condition_noise=condition_noise,
        )


def test_bytes_that_are_no_text_are_separators(served):
    assert levels(images(served, [b"a \xff red \xfe disc"]), images(served, ["a red disc"])) <= 1


def test_very_long_captions_are_cut(served):
    start, book = "a red disc " * 85 + "a", "a red disc " * 6000
    words = call(served, "tokenize", [book, "a disc"])["words"]
    assert words.shape == (2, 256) and b" ".join(words[0]).decode() == start
    (expected,) = images(served, [start])
    assert levels(images(served, [book])[0], expected) <= 1
    assert call(served, "tokenize", ["." * 4000 + "red"])["words"].size == 0


def test_tokenize_has_an_answer_for_every_caption(served):
    kept = call(served, "tokenize", ["the zeppelin is RED", "zeppelin", ""])
    assert kept["words"].tolist() == [[b"the", b"is", b"red"], [b""] * 3, [b""] * 3]
    assert np.all((kept["token_ids"] > 0) == (kept["words"] != b""))


def test_noise_of_a_seed_is_standard_normal_and_depends_on_nothing_else():
    seeds = tf.range(-50, 150, dtype=tf.int64)
    drawn = signatures.noise_of_seeds(seeds, 500).numpy()
    assert abs(drawn.mean()) < 0.01 and abs(drawn.std() - 1) < 0.01
    assert np.max(np.abs(np.corrcoef(drawn) - np.eye(200))) < 0.25
    alone = signatures.noise_of_seeds(seeds[70:71], 500).numpy()
    np.testing.assert_array_equal(alone[0], drawn[70])


def test_noise_of_a_seed_is_the_same_in_every_version():
    drawn = signatures.noise_of_seeds(tf.constant([0, 2**62], tf.int64), 3).numpy()
    np.testing.assert_allclose(drawn[1], [-0.96430737, -0.74674857, -0.66548294], rtol=1e-5)
    assert np.all(np.abs(drawn[0] - drawn[1]) > 1e-3)


def test_rounding_is_that_of_generate():
    values = np.linspace(-1.01, 1.01, 4001, dtype=np.float32)
    np.testing.assert_array_equal(signatures.to_uint8(values).numpy(), to_uint8(values))
