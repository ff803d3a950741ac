"""The kernel distance by hand and by its definition, and the store that it draws from."""

import itertools

import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.kernel import FeatureStore, kernel_distance

RANDOM = np.random.default_rng(0)
FIRST, SECOND = RANDOM.standard_normal((30, 4)), 1.3 * RANDOM.standard_normal((25, 4)) + 0.5


def distance_by_definition(first, second):
    """The unbiased estimate with every pair written out."""

    def kernel(x, y):
        return (x @ y / len(x) + 1) ** 3

    within = [
        np.mean([kernel(x, y) for x, y in itertools.permutations(features, 2)])
        for features in (first, second)
    ]
    return sum(within) - 2 * np.mean([kernel(x, y) for x in first for y in second])


class TestKernelDistance:
    def test_by_hand(self):
        # (0·1 + 1)³ + (0·2 + 1)³ - 2 · (1 + 1 + 1 + (1·2 + 1)³) / 4
        first, second = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
        assert kernel_distance(first, second, num_subsets=3, subset_size=2) == (-13, 0)

    def test_by_definition(self):
        expected = distance_by_definition(FIRST[:25], SECOND)
        mean, deviation = kernel_distance(FIRST[:25], SECOND, num_subsets=1, subset_size=25)
        assert mean == pytest.approx(expected, rel=1e-12) and deviation == 0

    def test_subsets_scatter_around_the_whole(self):
        # An unbiased estimate: its mean over subsets is the one over all images.
        num_subsets = 3000
        mean, deviation = kernel_distance(FIRST, SECOND, num_subsets, subset_size=8)
        whole = distance_by_definition(FIRST, SECOND)
        assert deviation > 0 and abs(mean - whole) < 4 * deviation / num_subsets**0.5

    def test_subsets_are_those_of_the_seed(self):
        random = np.random.RandomState(3)
        distances = []
        for _ in range(4):
            rows = random.choice(30, 10, replace=False), random.choice(25, 10, replace=False)
            distances.append(distance_by_definition(FIRST[rows[0]], SECOND[rows[1]]))
        expected = np.mean(distances), np.std(distances)
        assert kernel_distance(FIRST, SECOND, 4, 10, seed=3) == pytest.approx(expected, rel=1e-12)

    def test_float32_is_not_rounded_further(self):
        first, second = FIRST.astype("float32"), SECOND.astype("float32")
        exact = kernel_distance(first.astype("float64"), second.astype("float64"), 5, 20)
        assert kernel_distance(first, second, 5, 20) == exact

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"subset_size": 26}, r"at least 26 images on both sides.*Received: 30 and 25\."),
            ({"subset_size": 1}, r"at least 2 images\. Received: 9 of 1\."),
            ({"num_subsets": 0}, r"at least 1 subset.*Received: 0 of 10\."),
            ({"second": np.zeros((25, 5))}, r"rows of 4 values each.*shape \(25, 5\)"),
            ({"first": np.full((30, 4), np.nan)}, r"finite features.*image 0, counted"),
        ],
    )
    def test_bad_input(self, arguments, message):
        given = {"first": FIRST, "second": SECOND, "num_subsets": 9, "subset_size": 10} | arguments
        with pytest.raises(InputError, match=message):
            kernel_distance(**given)


class TestFeatureStore:
    def test_keeps_what_it_was_given_in_order(self):
        store = FeatureStore(30, 4)
        assert store.features.shape == (0, 4)
        for batch in np.split(FIRST, [1, 8, 8, 20]):
            store.update(batch)
        np.testing.assert_array_equal(store.features, FIRST.astype("float32"))

    def test_an_interruption_makes_no_difference(self):
        store, resumed = FeatureStore(30, 4), FeatureStore(30, 4)
        store.update(FIRST[:11])
        state = store.state()
        store.update(FIRST[11:])
        resumed.update(FIRST[::-1])
        resumed.restore(state)
        resumed.update(FIRST[11:])
        np.testing.assert_array_equal(resumed.features, store.features)
        np.testing.assert_array_equal(state["features"], FIRST[:11].astype("float32"))

    @pytest.mark.parametrize(
        ("batch", "message"),
        [
            (np.zeros((1, 5)), r"rows of 4 values each.*shape \(1, 5\)"),
            (np.full((1, 4), np.inf), r"finite features.*image 29, counted"),
            (np.zeros((2, 4)), r"features of 30 images\. Received: those of 31\."),
        ],
    )
    def test_a_bad_batch_is_refused_whole(self, batch, message):
        store = FeatureStore(30, 4)
        store.update(FIRST[:29])
        with pytest.raises(InputError, match=message):
            store.update(batch)
        assert store.count == 29

    @pytest.mark.parametrize(("num_images", "dim"), [(29, 4), (30, 5)])
    def test_a_state_that_does_not_fit_is_refused(self, num_images, dim):
        store = FeatureStore(30, 4)
        store.update(FIRST)
        message = rf"up to {num_images} saved vectors of {dim} features.*shape \(30, 4\)"
        with pytest.raises(InputError, match=message):
            FeatureStore(num_images, dim).restore(store.state())


def test_a_distance_that_is_no_number():
    features = np.random.default_rng(0).normal(size=(6, 4)) * 1e200
    with pytest.raises(InputError, match="finite kernel distance"):
        kernel_distance(features, features, 2, 3)
