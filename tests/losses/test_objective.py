import numpy as np
import pytest
from keras import ops

from dmgan_tf.losses import Objective, PaperObjective, ReleaseObjective
from dmgan_tf.registry.catalogue import OBJECTIVES
from dmgan_tf.registry.lookup import Choice


def logits(conditional, unconditional):
    return {
        "conditional_logits": np.array(conditional, "float32"),
        "unconditional_logits": np.array(unconditional, "float32"),
    }


def probability(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x, "float64")))


REAL = logits([2.0, -1.0, 0.5], [1.0, 0.0, 3.0])
GENERATED = logits([-0.5, 1.5, 0.2], [0.3, -2.0, 1.0])
MISMATCHED = {
    "conditional_logits": np.array([0.7, -1.3, 99.0], "float32"),
    "weights": np.array([1.5, 1.5, 0.0], "float32"),
}


def real_terms(pair):
    return sum(-np.log(probability(values)) for values in pair.values())


def generated_terms(pair):
    return sum(-np.log(1 - probability(values)) for values in pair.values())


def discriminator_loss(objective, *arguments):
    return ops.convert_to_numpy(objective.discriminator_loss(*arguments))


def test_discriminator_objective_of_the_paper():
    loss = discriminator_loss(PaperObjective(), REAL, GENERATED)
    expected = 0.5 * (real_terms(REAL) + generated_terms(GENERATED))
    assert loss.shape == (3,) and loss.dtype == np.float32
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_discriminator_objective_of_the_release_in_the_mean():
    loss = discriminator_loss(ReleaseObjective(), REAL, GENERATED, MISMATCHED)
    mismatched = -np.log(1 - probability(MISMATCHED["conditional_logits"][:2])).mean()
    expected = real_terms(REAL).mean() / 2
    expected += (generated_terms(GENERATED).mean() + mismatched) / 3
    assert loss.shape == (3,) and loss.dtype == np.float32
    np.testing.assert_allclose(loss.mean(), expected, rtol=1e-5)


def test_generator_objectives_differ_by_the_half():
    paper = ops.convert_to_numpy(PaperObjective().generator_loss(GENERATED))
    release = ops.convert_to_numpy(ReleaseObjective().generator_loss(GENERATED))
    np.testing.assert_allclose(paper, 0.5 * real_terms(GENERATED), rtol=1e-5)
    np.testing.assert_allclose(release, 2 * paper, rtol=1e-6)


def test_extreme_logits_stay_finite():
    extreme = logits([1e4, -1e4], [-1e4, 1e4])
    np.testing.assert_allclose(discriminator_loss(PaperObjective(), extreme, extreme), [1e4, 1e4])


def test_half_precision_logits_cost_float32():
    halved = {name: ops.cast(values, "float16") for name, values in REAL.items()}
    loss = discriminator_loss(PaperObjective(), halved, halved)
    expected = discriminator_loss(PaperObjective(), REAL, REAL)  # the logits are whole or half
    np.testing.assert_array_equal(loss, expected)


def test_whoever_changes_the_criterion_keeps_the_rest():
    class Shifted(ReleaseObjective):
        def loss_of_generated(self, logits):
            return 0.0 * logits + 3.0

        def loss_of_fooling(self, logits):
            return logits

    loss = discriminator_loss(Shifted(), REAL, GENERATED, MISMATCHED)
    expected = real_terms(REAL) / 2 + (6.0 + 3.0 * MISMATCHED["weights"]) / 3
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    fooling = ops.convert_to_numpy(Shifted().generator_loss(GENERATED))
    np.testing.assert_allclose(fooling, sum(GENERATED.values()), rtol=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES.names)
def test_those_of_a_name_describe_themselves_and_cost_no_more_than_their_logits(name):
    objective = OBJECTIVES.create(Choice.parse(name))
    assert isinstance(objective, Objective)
    assert OBJECTIVES.describe(objective) == {"class": name}
    assert objective.uses_mismatched_pairs == (name == "release")
    assert objective.discriminator_penalty(None, None, None, None, None) is None
    assert objective.generator_penalty(None, None, None, None) is None
