"""Work spread over replicas comes back in order, however the rows divide."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.evaluate.replicas import OverReplicas


def function(numbers, factors):
    return {"product": numbers * factors[:, None], "shares": tf.zeros_like(factors) + rows(factors)}


def rows(values):
    return tf.cast(tf.shape(values)[0], values.dtype)


@pytest.mark.parametrize("num_rows", [6, 5, 1])
def test_two_replicas_give_what_one_device_gives(two_replicas, num_rows):
    numbers = np.arange(3.0 * num_rows, dtype="float32").reshape(num_rows, 3)
    factors = np.arange(num_rows, dtype="float32")
    expected = numbers * factors[:, None]
    for strategy, share in ((tf.distribute.get_strategy(), 6), (two_replicas, 3)):
        result = OverReplicas(function, strategy, batch_size=6)(numbers, factors)
        np.testing.assert_array_equal(result["product"], expected)
        np.testing.assert_array_equal(result["shares"], np.full(num_rows, share, "float32"))


def test_a_single_tensor_comes_back_as_one_array(two_replicas):
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        doubled = OverReplicas(lambda x: 2 * x, strategy, batch_size=5)(np.arange(4))
        np.testing.assert_array_equal(doubled, [0, 2, 4, 6])


def test_smaller_batches_are_traced_no_more():
    traced = []

    def count(x):
        traced.append(x.shape)
        return x

    run = OverReplicas(count, tf.distribute.get_strategy(), batch_size=4)
    for size in (4, 3, 4, 1):
        assert len(run(np.zeros((size, 2)))) == size
    assert traced == [(4, 2)]
