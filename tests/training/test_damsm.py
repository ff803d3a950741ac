import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.training.damsm import DAMSM, EpochDecay, RetrievalValidation, create_optimizer

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


def make_damsm(dtype="float32", dropout=0.0, learning_rate=0.002):
    keras.utils.set_random_seed(0)
    damsm = DAMSM(
        TextEncoder(10, word_dim=8, embedding_dim=8, dropout=dropout, dtype=dtype),
        ImageEncoder(8, "small_cnn", channels=4, input_size=16, dtype=dtype),
        image_size=16,
    )
    damsm.compile(optimizer=create_optimizer(damsm, learning_rate), jit_compile=False)
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
    return [np.array(weight) for weight in damsm.get_weights()]


def test_it_learns_which_word_is_which_colour():
    damsm = make_damsm(learning_rate=0.01)
    held_out = [batch_of(1000 + step, 24) for step in range(2)]
    validation = RetrievalValidation(damsm, dataset_of(held_out))
    fit(damsm, [batch_of(step, 24) for step in range(60)])
    accuracy, chance = validation.evaluate()
    assert chance < 0.05
    assert accuracy > 0.6


def test_two_replicas_train_as_one_device(two_replicas):
    batches = [batch_of(step) for step in range(2)]
    alone = make_damsm()
    start = weights_of(alone)
    history = fit(alone, batches).history
    with two_replicas.scope():
        together = make_damsm()
    for one, other in zip(start, weights_of(together), strict=True):
        np.testing.assert_array_equal(one, other)
    shared_history = fit(together, batches).history
    for name, values in history.items():
        np.testing.assert_allclose(shared_history[name], values, rtol=1e-4, err_msg=name)
    for before, one, other in zip(start, weights_of(alone), weights_of(together), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-4)
        assert before.size == 1 or not np.array_equal(before, one)


def test_the_gradient_of_the_text_encoder_is_clipped(monkeypatch):
    damsm = make_damsm()
    seen = []
    monkeypatch.setattr(damsm.optimizer, "apply", lambda grads, *_, **__: seen.extend(grads))
    logs = damsm.train_step(tf.nest.map_structure(tf.constant, batch_of(0)))
    text = len(damsm.text_encoder.trainable_variables)
    norms = [float(tf.linalg.global_norm(part)) for part in (seen[:text], seen[text:])]
    assert norms[0] == pytest.approx(0.25, rel=1e-4)
    assert logs["text_gradient_norm"] > 0.25
    assert norms[1] == pytest.approx(float(logs["image_gradient_norm"])) and norms[1] > 0.25


def test_a_gradient_below_the_limit_stays_as_it_is(monkeypatch):
    damsm = make_damsm()
    damsm.text_gradient_limit = 1000.0
    seen = []
    monkeypatch.setattr(damsm.optimizer, "apply", lambda grads, *_, **__: seen.extend(grads))
    logs = damsm.train_step(tf.nest.map_structure(tf.constant, batch_of(0)))
    norm = float(tf.linalg.global_norm(seen[: len(damsm.text_encoder.trainable_variables)]))
    assert norm == pytest.approx(float(logs["text_gradient_norm"]), rel=1e-5) and norm > 0.25


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(dtype):
    damsm = make_damsm(dtype)
    is_scaled = isinstance(damsm.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (dtype == "mixed_float16")
    if is_scaled:
        damsm.optimizer.dynamic_scale.assign(16.0)  # where a longer run would have arrived
    before = weights_of(damsm)
    logs = fit(damsm, [batch_of(step) for step in range(3)]).history
    assert np.isfinite(logs["loss"][-1])
    assert int(damsm.optimizer.iterations.numpy()) == 3
    assert all(weight.dtype == np.float32 for weight in before if weight.dtype.kind == "f")
    assert all(np.all(np.isfinite(weight)) for weight in weights_of(damsm))


def test_evaluating_changes_nothing():
    damsm = make_damsm(dropout=0.5)
    before = weights_of(damsm)
    first, second = (damsm.matching_losses(batch_of(0), training=False) for _ in range(2))
    for name, losses in first.items():
        np.testing.assert_array_equal(losses, second[name])
    for one, other in zip(before, weights_of(damsm), strict=True):
        np.testing.assert_array_equal(one, other)


def test_learning_rate_falls_to_a_tenth():
    decay = EpochDecay(0.002, steps_per_epoch=10)
    rates = [float(decay(tf.constant(step, tf.int64))) for step in (0, 9, 10, 25, 10**6)]
    expected = [0.002, 0.002, 0.002 * 0.98, 0.002 * 0.98**2, 0.0002]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    again = EpochDecay.from_config(decay.get_config())
    assert float(again(25)) == float(decay(25))
