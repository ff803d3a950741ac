import numpy as np
import pytest
from keras import ops

from dmgan_tf.losses import discriminator_loss, generator_loss


def logits(conditional, unconditional):
    return {
        "conditional_logits": np.array(conditional, "float32"),
        "unconditional_logits": np.array(unconditional, "float32"),
    }


def probability(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x, "float64")))


REAL = logits([2.0, -1.0, 0.5], [1.0, 0.0, 3.0])
GENERATED = logits([-0.5, 1.5, 0.2], [0.3, -2.0, 1.0])
MISMATCHED = np.array([0.7, -1.3], "float32")


def real_terms(pair):
    return -np.log(probability(pair["conditional_logits"])) - np.log(
        probability(pair["unconditional_logits"])
    )


def generated_terms(pair):
    return -np.log(1 - probability(pair["conditional_logits"])) - np.log(
        1 - probability(pair["unconditional_logits"])
    )


def test_discriminator_objective_of_the_paper():
    loss = ops.convert_to_numpy(discriminator_loss(REAL, GENERATED, objective="paper"))
    expected = 0.5 * (real_terms(REAL) + generated_terms(GENERATED))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_discriminator_objective_of_the_release_in_the_mean():
    loss = ops.convert_to_numpy(
        discriminator_loss(REAL, GENERATED, MISMATCHED, objective="release")
    )
    mismatched = -np.log(1 - probability(MISMATCHED)).mean()
    expected = real_terms(REAL).mean() / 2
    expected += (generated_terms(GENERATED).mean() + mismatched) / 3
    assert loss.shape == (3,) and loss.dtype == np.float32
    np.testing.assert_allclose(loss.mean(), expected, rtol=1e-5)


def test_mismatched_pairs_can_carry_their_weights():
    by_default = discriminator_loss(REAL, GENERATED, MISMATCHED, objective="release")
    weighted = discriminator_loss(
        REAL,
        GENERATED,
        np.append(MISMATCHED, 99.0),
        objective="release",
        mismatched_weights=np.array([1.5, 1.5, 0.0]),
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(weighted), ops.convert_to_numpy(by_default), rtol=1e-6
    )


def test_a_single_example_has_no_mismatched_pair():
    one = logits([1.0], [1.0])
    empty = np.zeros((0,), "float32")
    loss = ops.convert_to_numpy(discriminator_loss(one, one, empty, objective="release"))
    np.testing.assert_allclose(loss, real_terms(one) / 2 + generated_terms(one) / 3, rtol=1e-5)


def test_generator_objectives_differ_by_the_half():
    paper = ops.convert_to_numpy(generator_loss(GENERATED, objective="paper"))
    release = ops.convert_to_numpy(generator_loss(GENERATED, objective="release"))
    np.testing.assert_allclose(paper, 0.5 * real_terms(GENERATED), rtol=1e-5)
    np.testing.assert_allclose(release, 2 * paper, rtol=1e-6)


def test_extreme_logits_stay_finite():
    extreme = logits([1e4, -1e4], [-1e4, 1e4])
    loss = ops.convert_to_numpy(discriminator_loss(extreme, extreme, objective="paper"))
    np.testing.assert_allclose(loss, [1e4, 1e4])


def test_release_without_mismatched_pairs_says_what_to_do():
    with pytest.raises(ValueError, match="mismatched=None"):
        discriminator_loss(REAL, GENERATED, objective="release")


def test_unknown_objective_is_named():
    with pytest.raises(ValueError, match="objective='hinge'"):
        generator_loss(GENERATED, objective="hinge")
