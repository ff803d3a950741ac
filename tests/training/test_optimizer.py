import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.training.optimizer import EpochDecay, adam
from dmgan_tf.training.session.checkpoints import named_variables


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_its_variables_have_the_names_that_checkpoints_hold(precision):
    """However many optimizers a process makes, of which Keras would number the names."""
    for _ in range(2):
        optimizer = adam(2e-4, precision)
        optimizer.build([keras.Variable(np.zeros(2, "float32"), name="w")])
        names = [name.split("/", 2)[2] for name in named_variables("o", optimizer.variables)]
        is_scaled = precision == "float16"
        own = ["iteration", "learning_rate", "step_counter", "dynamic_scale"]
        expected = [f"loss_scale_optimizer/{name}" for name in own * is_scaled]
        assert names == [
            *expected,
            *(
                f"adam/{name}"
                for name in ("iteration", "learning_rate", "w_momentum", "w_velocity")
            ),
        ]
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == is_scaled


def test_it_is_the_release_s():
    config = adam(2e-4, "float32").get_config()
    names = "learning_rate", "beta_1", "beta_2", "epsilon"
    assert [config[name] for name in names] == pytest.approx([2e-4, 0.5, 0.999, 1e-8])


def test_learning_rate_falls_to_a_tenth():
    decay = EpochDecay(0.002, steps_per_epoch=10)
    rates = [float(decay(tf.constant(step, tf.int64))) for step in (0, 9, 10, 25, 10**6)]
    expected = [0.002, 0.002, 0.002 * 0.98, 0.002 * 0.98**2, 0.0002]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
