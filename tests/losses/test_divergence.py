import pathlib

import numpy as np
from keras import ops

from dmgan_tf.losses import conditioning_divergence


def test_mean_over_dimensions_is_that_of_the_release():
    with np.load(pathlib.Path(__file__).with_name("reference_damsm.npz")) as reference:
        loss = ops.convert_to_numpy(
            conditioning_divergence(reference["ca_mu"], reference["ca_logvar"])
        )
        np.testing.assert_allclose(loss.mean(), reference["ca_kl_loss_mean"], rtol=1e-6)
    assert loss.shape == (4,)


def test_standard_normal_costs_nothing():
    loss = ops.convert_to_numpy(conditioning_divergence(np.zeros((2, 3)), np.zeros((2, 3))))
    np.testing.assert_array_equal(loss, [0.0, 0.0])


def test_by_hand():
    loss = ops.convert_to_numpy(conditioning_divergence([[1.0, 0.0]], [[0.0, np.log(2.0)]]))
    np.testing.assert_allclose(loss, [(0.5 + 0.5 * (2.0 - 1.0 - np.log(2.0))) / 2], rtol=1e-6)
