import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_training import SGD, take_step, values_of

from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.precision import PRECISIONS
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.training.damsm import DAMSM, MATCHING, WORDS
from dmgan_tf.training.optimizer import adam
from dmgan_tf.training.retrieval_validation import RetrievalValidation

COLOURS = np.array(
    [[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]], "float32"
)


def batch_of(seed, size=8):
    """Plain squares of a colour, each with a caption of filler words and the colour's word."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, len(COLOURS), size)
    images = np.tile(COLOURS[classes][:, None, None], (1, 16, 16, 1))
    images += random.normal(scale=0.1, size=images.shape)
    token_ids = random.integers(7, 10, (size, 4))
    token_ids[:, 1] = classes + 1
    token_ids[::2, 3] = 0
    return {
        "images": (images.astype("float32"),),
        "token_ids": token_ids.astype("int32"),
        "class_ids": classes.astype("int32"),
    }


def make_damsm(
    precision="float32",
    dropout=0.0,
    learning_rate=0.002,
    num_predicted_words=0,
    color_ids=(),
    **arguments,
):
    keras.utils.set_random_seed(0)
    dtype = PRECISIONS[precision]
    damsm = DAMSM(
        TextEncoder(10, word_dim=8, embedding_dim=8, dropout=dropout, dtype=dtype),
        ImageEncoder(
            *(8, "small_cnn"),
            channels=4,
            input_size=16,
            num_predicted_words=num_predicted_words,
            color_ids=color_ids,
            dtype=dtype,
        ),
        image_size=16,
        **arguments,
    )
    damsm.compile(adam(learning_rate, precision))
    return damsm


def dataset_of(batches):
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda *values: np.stack(values), *batches)
    )


def fit(damsm, batches, **arguments):
    return damsm.fit(
        dataset_of(batches), steps_per_epoch=len(batches), verbose=0, shuffle=False, **arguments
    )


def weights_of(damsm):
    return values_of(damsm.weights)


def test_it_learns_which_word_is_which_colour():
    damsm = make_damsm(learning_rate=0.004)
    held_out = [batch_of(1000 + step, 24) for step in range(2)]
    validation = RetrievalValidation(damsm, dataset_of(held_out))
    fit(damsm, [batch_of(step, 24) for step in range(60)])
    accuracy, chance = validation.evaluate()
    assert chance < 0.05
    assert accuracy > 0.6


def test_it_predicts_words_from_images_before_it_matches_them():
    damsm = make_damsm(learning_rate=0.004, num_predicted_words=10)
    batches = [batch_of(step, 24) for step in range(40)]
    for batch in batches:
        batch["word_shares"] = np.eye(10, dtype="float32")[batch["token_ids"][:, 1]]
    text = values_of(damsm.text_encoder.variables)
    damsm.phase = WORDS
    history = fit(damsm, batches).history
    assert history["word_prediction"] == history["loss"]
    for one, other in zip(text, values_of(damsm.text_encoder.variables), strict=True):
        np.testing.assert_array_equal(one, other)
    held_out = batch_of(1000, 24)
    logits = damsm.image_encoder(held_out["images"][-1])["word_logits"]
    assert np.mean(np.argmax(logits, axis=-1) == held_out["token_ids"][:, 1]) > 0.6
    damsm.phase = MATCHING  # `fit` must trace the other step
    logs = fit(damsm, batches[:2]).history
    assert len(logs.keys() & {"word_prediction", "word_image_to_text"}) == 2
    assert np.any(text[1] != values_of(damsm.text_encoder.variables)[1])


@pytest.mark.parametrize("phase", [WORDS, MATCHING])
def test_its_reader_learns_colours_in_both_phases(monkeypatch, phase):
    num_colors = len(COLOURS)
    damsm = make_damsm(
        learning_rate=0.004, num_predicted_words=10, color_ids=range(1, num_colors + 1)
    )
    monkeypatch.setattr(DAMSM, "phase", phase)
    batches = [batch_of(step, 24) for step in range(25)]
    for batch in batches:
        batch["word_shares"] = np.eye(10, dtype="float32")[batch["token_ids"][:, 1]]
    history = fit(damsm, batches).history
    terms = ["word_prediction", "word_reading"]
    matching = history["loss"][0] - sum(history[name][0] for name in terms)
    assert (abs(matching) < 1e-5) == (phase == WORDS)
    held_out = batch_of(1000, 24)
    read = damsm.image_encoder.word_reader(held_out["images"][-1])
    assert np.mean(np.argmax(read[:, : num_colors + 1], axis=-1) == held_out["class_ids"] + 1) > 0.8


@pytest.mark.parametrize("limit", [0.25, 1000.0])
def test_the_gradient_of_the_text_encoder_is_clipped(limit):
    """By steps of plain descent, which show the gradient."""
    damsm = make_damsm()
    damsm.text_gradient_limit = limit
    damsm.compile(SGD(1.0))
    encoders = damsm.text_encoder, damsm.image_encoder
    before = [values_of(encoder.trainable_variables) for encoder in encoders]
    logs = damsm.train_step(tf.nest.map_structure(tf.constant, batch_of(0)))
    norms = []
    for encoder, start in zip(encoders, before, strict=True):
        moves = zip(values_of(encoder.trainable_variables), start, strict=True)
        norms.append(np.sqrt(sum(np.sum(np.square(new - old)) for new, old in moves)))
    norm = float(logs["text_gradient_norm"])
    assert norms[0] == pytest.approx(min(norm, limit), rel=1e-3) and norm > 0.25
    assert norms[1] == pytest.approx(float(logs["image_gradient_norm"]), rel=1e-3)
    assert norms[1] > 0.25


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains(precision):
    damsm = make_damsm(precision)
    if precision == "float16":
        damsm.optimizer.dynamic_scale.assign(16.0)  # where a longer run would have arrived
    before = weights_of(damsm)
    logs = [take_step(damsm, batch_of(step)) for step in range(3)]
    assert np.isfinite(logs[-1]["loss"])
    assert int(damsm.optimizer.iterations.numpy()) == 3
    assert all(weight.dtype == np.float32 for weight in before if weight.dtype.kind == "f")
    assert all(np.all(np.isfinite(weight)) for weight in weights_of(damsm))


def test_evaluating_changes_nothing():
    damsm = make_damsm(dropout=0.5)
    before = weights_of(damsm)
    first, second = (damsm.losses_of(batch_of(0), training=False) for _ in range(2))
    for name, losses in first.items():
        np.testing.assert_array_equal(losses, second[name])
    for one, other in zip(before, weights_of(damsm), strict=True):
        np.testing.assert_array_equal(one, other)
