import pathlib

import keras
import numpy as np
import pytest
from differences import check_difference
from keras import ops

from dmgan_tf.losses import matching_losses, sentence_matching_scores, word_matching_scores

NAMES = (
    "word_image_to_text",
    "word_text_to_image",
    "sentence_image_to_text",
    "sentence_text_to_image",
)


@pytest.fixture(scope="module")
def reference():
    with np.load(pathlib.Path(__file__).with_name("reference_damsm.npz")) as file:
        return dict(file)


def inputs_of(reference):
    words = reference["word_features"]
    image = {
        "region_features": reference["damsm_region_features"],
        "image_code": reference["damsm_image_code"],
    }
    text = {"word_features": words, "sentence_embedding": reference["sentence_feature"]}
    mask = np.arange(words.shape[1]) < reference["caption_lengths"][:, None]
    return image, text, mask, reference["damsm_class_ids"]


def random_inputs(seed=0, batch=3, words=4, dim=5, regions=(2, 2)):
    random = np.random.default_rng(seed)
    image = {
        "region_features": random.normal(size=(batch, *regions, dim)).astype("float32"),
        "image_code": random.normal(size=(batch, dim)).astype("float32"),
    }
    lengths = np.arange(batch) % words + 1
    mask = np.arange(words) < lengths[:, None]
    text = {
        "word_features": (random.normal(size=(batch, words, dim)) * mask[..., None]).astype(
            "float32"
        ),
        "sentence_embedding": random.normal(size=(batch, dim)).astype("float32"),
    }
    return image, text, mask


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_of_the_release(reference, name, record_property):
    loss = ops.convert_to_numpy(matching_losses(*inputs_of(reference))[name])
    kind, direction = name.split("_", 1)
    assert loss.shape == (4,) and loss.dtype == np.float32
    part = f"DAMSM loss: {name.replace('_', ' ')}"
    expected = reference[f"damsm_{kind}_loss_{direction}"]
    check_difference(record_property, part, loss.mean(), expected, tolerance=1e-6, relative=True)


def test_rows_of_the_batch_can_be_asked_for_alone(reference):
    inputs = inputs_of(reference)
    whole = matching_losses(*inputs)
    for offset in (0, 2):
        part = matching_losses(*inputs, row_offset=offset, num_rows=2)
        for name in NAMES:
            np.testing.assert_allclose(
                ops.convert_to_numpy(part[name]),
                ops.convert_to_numpy(whole[name])[offset : offset + 2],
                rtol=1e-5,
            )


def test_word_score_of_one_pair_by_hand():
    regions = np.array([[[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]], "float32")
    words = np.array([[[1.0, 0.0], [0.5, 1.5], [9.0, 9.0]]], "float32")
    mask = np.array([[True, True, False]])
    expected = 0.0
    scores = np.exp(regions[0] @ words[0, :2].T)
    scores /= scores.sum(axis=1, keepdims=True)
    for t in range(2):
        attention = np.exp(4.0 * scores[:, t])
        context = (attention / attention.sum()) @ regions[0]
        word = words[0, t]
        cosine = context @ word / np.linalg.norm(context) / np.linalg.norm(word)
        expected += np.exp(5.0 * cosine)
    score = word_matching_scores(regions, words, mask)
    np.testing.assert_allclose(ops.convert_to_numpy(score), [[np.log(expected)]], rtol=1e-5)


def test_padding_changes_nothing():
    image, text, mask = random_inputs()
    padded_words = np.pad(text["word_features"], ((0, 0), (0, 3), (0, 0)), constant_values=7.0)
    short = word_matching_scores(image["region_features"], text["word_features"], mask)
    long = word_matching_scores(
        image["region_features"], padded_words, np.pad(mask, ((0, 0), (0, 3)))
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(short), ops.convert_to_numpy(long), rtol=1e-5, atol=1e-6
    )


def test_captions_of_the_same_class_are_no_wrong_answers():
    image, text, mask = random_inputs()
    apart = matching_losses(image, text, mask, np.array([5, 6, 5]))
    everyone = matching_losses(image, text, mask)
    codes, sentences = image["image_code"], text["sentence_embedding"]
    scores = 10.0 * ops.convert_to_numpy(sentence_matching_scores(codes, sentences))
    expected = np.log(np.exp(scores[0, :2]).sum()) - scores[0, 0]
    found = ops.convert_to_numpy(apart["sentence_image_to_text"])
    np.testing.assert_allclose(found[0], expected, rtol=1e-4)
    np.testing.assert_allclose(
        found[1], ops.convert_to_numpy(everyone["sentence_image_to_text"])[1], rtol=1e-6
    )


def test_one_class_for_all_costs_nothing():
    image, text, mask = random_inputs()
    for loss in matching_losses(image, text, mask, np.zeros(3, "int32")).values():
        np.testing.assert_allclose(ops.convert_to_numpy(loss), np.zeros(3), atol=1e-5)


def softmax(scores):
    powers = np.exp(scores)
    return powers / powers.sum(axis=0)


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


def total_loss_in_float64(name, regions, code, words, sentence, lengths, class_ids):
    """AttnGAN's Eq. 7-13 pair by pair, with the release's gammas, summed over the batch."""
    batch = len(code)
    scores = np.zeros((batch, batch))
    for i, j in np.ndindex(batch, batch):
        if name.startswith("sentence"):
            scores[i, j] = cosine(code[i], sentence[j])
            continue
        image, caption = regions[i].reshape(-1, regions.shape[-1]), words[j, : lengths[j]]
        likeness = softmax(caption @ image.T)  # over the words, for every region
        contexts = [softmax(4.0 * row) @ image for row in likeness]
        matches = [cosine(word, found) for word, found in zip(caption, contexts, strict=True)]
        scores[i, j] = np.log(np.sum(np.exp(5.0 * np.array(matches))))
    if name.endswith("text_to_image"):
        scores = scores.T
    total = 0.0
    for i in range(batch):
        rivals = [j for j in range(batch) if j == i or class_ids[j] != class_ids[i]]
        total += np.log(np.sum(np.exp(10.0 * scores[i, rivals]))) - 10.0 * scores[i, i]
    return total


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with a tape")
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name, record_property):
    import tensorflow as tf

    image, text, mask = random_inputs(regions=(1, 2))
    class_ids = np.array([0, 1, 0])
    start = [*image.values(), *text.values()]
    values = [tf.constant(value) for value in start]
    with tf.GradientTape() as tape:
        tape.watch(values)
        regions, code, words, sentence = values
        losses = matching_losses(
            {"region_features": regions, "image_code": code},
            {"word_features": words, "sentence_embedding": sentence},
            mask,
            class_ids,
        )
        total = tf.reduce_sum(losses[name])
    gradients = tape.gradient(total, values, unconnected_gradients="zero")

    start = [np.float64(value) for value in start]
    constant = (mask.sum(axis=1), class_ids)
    np.testing.assert_allclose(total, total_loss_in_float64(name, *start, *constant), rtol=1e-5)
    of_words = name.startswith("word")
    reached = [of_words, not of_words, of_words, not of_words]
    for position, gradient in enumerate(gradients):
        expected = np.zeros_like(start[position])
        for index in np.ndindex(*expected.shape):
            ends = []
            for sign in (1, -1):
                moved = [value.copy() for value in start]
                moved[position][index] += sign * 1e-6
                ends.append(total_loss_in_float64(name, *moved, *constant))
            expected[index] = (ends[0] - ends[1]) / 2e-6
        if reached[position]:
            # Padded words are zero vectors, where norms have kinks; even so their gradient is zero.
            part = f"gradient: DAMSM loss, {name.replace('_', ' ')}"
            check_difference(record_property, part, gradient, expected, relative=True)
        else:
            assert not np.any(expected) and not np.any(gradient)


def test_half_precision_features_are_scored_in_float32(reference):
    image, text, mask, class_ids = inputs_of(reference)
    image = {name: ops.cast(value, "bfloat16") for name, value in image.items()}
    text = {name: ops.cast(value, "bfloat16") for name, value in text.items()}
    for loss in matching_losses(image, text, mask, class_ids).values():
        assert keras.backend.standardize_dtype(loss.dtype) == "float32"
        assert np.all(np.isfinite(ops.convert_to_numpy(loss)))


def test_zero_vectors_score_zero():
    scores = ops.convert_to_numpy(sentence_matching_scores(np.zeros((2, 3)), np.ones((2, 3))))
    np.testing.assert_array_equal(scores, np.zeros((2, 2)))
