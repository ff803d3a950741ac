"""The Fréchet distance where it is known in closed form, and the statistics on their way to it."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.frechet import (
    BLOCK_SIZE,
    FeatureStatistics,
    Moments,
    frechet_distance,
)

NUM_VECTORS = 2 * BLOCK_SIZE + 100


def random_features(seed, number=NUM_VECTORS, dim=5):
    return np.random.default_rng(seed).standard_normal((number, dim)) * np.arange(1, dim + 1)


def statistics_of(*batches):
    statistics = FeatureStatistics(batches[0].shape[1])
    for batch in batches:
        statistics.update(batch)
    return statistics


def moments_of(features):
    return statistics_of(features).moments()


def orthogonal(dim, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


def assert_equal_bits(first, second):
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.covariance, second.covariance)
    assert first.count == second.count


class TestFeatureStatistics:
    @pytest.mark.parametrize("number", [2, 7, BLOCK_SIZE, NUM_VECTORS])
    def test_mean_and_covariance(self, number):
        features = random_features(0, number)
        moments = moments_of(features)
        np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(
            moments.covariance, np.cov(features, rowvar=False), rtol=1e-11, atol=1e-12
        )
        assert moments.count == number
        assert moments.covariance.dtype == "float64"
        np.testing.assert_array_equal(moments.covariance, moments.covariance.T)

    @given(st.lists(st.integers(0, NUM_VECTORS), max_size=12))
    @settings(deadline=None, max_examples=30)
    def test_batches_make_no_difference(self, cuts):
        features = random_features(1)
        assert_equal_bits(
            statistics_of(*np.split(features, sorted(cuts))).moments(), moments_of(features)
        )

    @pytest.mark.parametrize("cut", [0, 50, BLOCK_SIZE, BLOCK_SIZE + 50])
    def test_an_interruption_makes_no_difference(self, cut):
        features = random_features(2)
        interrupted = statistics_of(features[:cut])
        state = interrupted.state()
        interrupted.update(features[cut:])  # the state stays what it was
        resumed = statistics_of(random_features(3))
        resumed.restore(state)
        assert resumed.count == cut
        resumed.update(features[cut:])
        assert_equal_bits(resumed.moments(), moments_of(features))
        resumed.restore(state)  # nor did resuming change it
        assert resumed.count == cut

    def test_asking_midway_makes_no_difference(self):
        features = random_features(4)
        statistics = statistics_of(features[:1500])
        statistics.moments()
        statistics.update(features[1500:])
        assert_equal_bits(statistics.moments(), moments_of(features))

    def test_a_large_mean_costs_no_digits(self):
        # Multiples of 1/1024, so that adding the offset rounds nothing. The textbook's mean of
        # squares would keep not one digit here.
        features = np.round(random_features(5) * 1024) / 1024
        covariance = moments_of(features + 2.0**30).covariance
        np.testing.assert_allclose(covariance, moments_of(features).covariance, atol=1e-9)

    @pytest.mark.parametrize("dtype", ["float16", "float32", "bfloat16"])
    def test_narrow_floats_are_taken_exactly(self, dtype):
        features = tf.cast(random_features(6), dtype)
        exact = tf.cast(features, "float64").numpy()
        assert_equal_bits(moments_of(features), moments_of(exact))
        assert_equal_bits(moments_of(features.numpy()), moments_of(exact))

    @pytest.mark.parametrize(
        ("batch", "message"),
        [
            (np.zeros((3, 4)), r"rows of 5 values each\. Received: an array of shape \(3, 4\)"),
            (np.zeros(5), r"of two axes.*shape \(5,\)"),
            (np.array([[0.0] * 5, [0, 0, np.nan, 0, 0]]), r"NaN or infinity in.*image 3, counted"),
            (np.full((1, 5), np.inf), r"finite features.*image 2"),
        ],
    )
    def test_a_bad_batch_is_refused_whole(self, batch, message):
        statistics = statistics_of(random_features(7, number=2))
        before = statistics.moments()
        with pytest.raises(InputError, match=message):
            statistics.update(batch)
        assert_equal_bits(statistics.moments(), before)

    @pytest.mark.parametrize("number", [0, 1])
    def test_one_vector_has_no_covariance(self, number):
        with pytest.raises(InputError, match=rf"at least 2 images.*Received: {number}\."):
            moments_of(np.zeros((number, 3)))

    def test_the_state_of_other_features_is_refused(self):
        with pytest.raises(InputError, match=r"statistics of 4 features\. Received: 5\."):
            FeatureStatistics(4).restore(FeatureStatistics(5).state())


class TestFrechetDistance:
    def test_one_feature(self):
        first = Moments(np.array([1.0]), np.array([[9.0]]))
        second = Moments(np.array([3.0]), np.array([[25.0]]))
        assert frechet_distance(first, second) == pytest.approx(2**2 + (3 - 5) ** 2, rel=1e-14)

    def test_covariances_that_commute(self):
        axes = orthogonal(40)
        first, second = np.random.default_rng(1).uniform(0.01, 4, (2, 40))
        shift = np.linspace(-1, 1, 40)
        distance = frechet_distance(
            Moments(shift, axes * first @ axes.T), Moments(np.zeros(40), axes * second @ axes.T)
        )
        expected = shift @ shift + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
        assert distance == pytest.approx(expected, rel=1e-12)

    def test_low_rank_in_a_rotated_subspace(self):
        # In 100 dimensions: 6 that both use, 8 that only one does, 86 that neither does.
        axes, first, second = orthogonal(100), np.zeros(100), np.zeros(100)
        first[:10], second[4:14] = np.linspace(1, 3, 10), np.linspace(0.001, 5, 10)
        distance = frechet_distance(
            Moments(np.zeros(100), axes * first @ axes.T),
            Moments(np.zeros(100), axes * second @ axes.T),
        )
        expected = ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
        assert distance == pytest.approx(expected, rel=1e-12)

    def test_two_dimensions_that_do_not_commute(self):
        # Of a 2 x 2 product with eigenvalues a, b: (√a + √b)² = trace + 2 √determinant.
        first, second = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[5.0, -2.0], [-2.0, 1.0]])
        product = first @ second
        root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
        plane = orthogonal(30)[:, :2]
        distance = frechet_distance(
            *(Moments(np.zeros(30), plane @ c @ plane.T) for c in (first, second))
        )
        assert distance == pytest.approx(11 - 2 * root, rel=1e-12)

    def test_a_line_against_full_rank(self):
        full = moments_of(random_features(8, dim=20))
        line = np.random.default_rng(9).standard_normal(20)
        root = np.sqrt(line @ full.covariance @ line)
        distance = frechet_distance(Moments(full.mean, np.outer(line, line)), full)
        expected = line @ line + np.trace(full.covariance) - 2 * root
        assert distance == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("with_count", [True, False])
    @pytest.mark.parametrize(("first_number", "second_number"), [(20, 30), (20, 900), (2, 3)])
    def test_fewer_images_than_features(self, first_number, second_number, with_count):
        sets = (random_features(10, first_number, 200), random_features(11, second_number, 200))
        moments = [moments_of(features) for features in sets]
        if not with_count:
            moments = [Moments(m.mean, m.covariance) for m in moments]
        # The trace of the root is the nuclear norm of the images' inner products, a small matrix
        # that is of full rank.
        roots = [(x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in sets]
        overlap = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
        shift = sets[0].mean(axis=0) - sets[1].mean(axis=0)
        expected = shift @ shift + sum((root**2).sum() for root in roots) - 2 * overlap
        assert frechet_distance(*moments) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("number", [10, 500])
    def test_a_set_against_itself(self, number):
        moments = moments_of(random_features(12, number, 100))
        assert 0 <= frechet_distance(moments, moments) <= 1e-12 * np.trace(moments.covariance)

    def test_a_small_difference_is_not_lost(self):
        moments = moments_of(random_features(13, 500, 100))
        wider = Moments(moments.mean, moments.covariance * (1 + 1e-4) ** 2)
        expected = 1e-8 * np.trace(moments.covariance)
        assert frechet_distance(moments, wider) == pytest.approx(expected, rel=1e-4)

    def test_a_large_mean_is_not_mistaken_for_a_distance(self):
        features = np.round(random_features(14) * 1024) / 1024
        far = features + 2.0**30
        distance = frechet_distance(moments_of(far), moments_of(far[::2]))
        expected = frechet_distance(moments_of(features), moments_of(features[::2]))
        assert distance == pytest.approx(expected, rel=1e-6)

    def test_images_that_are_all_the_same(self):
        flat, features = np.ones((10, 5)), random_features(15)
        moments = moments_of(features)
        expected = ((moments.mean - 1) ** 2).sum() + np.trace(moments.covariance)
        assert frechet_distance(moments_of(flat), moments) == pytest.approx(expected, rel=1e-12)
        assert frechet_distance(moments_of(flat), moments_of(flat)) == 0

    def test_a_covariance_that_was_stored_in_float32(self):
        # Its zeros are rounding of both signs, whose roots would add up to a sizeable number.
        sets = random_features(16, 20, 300), random_features(17, 30, 300)
        exact = frechet_distance(*map(moments_of, sets))
        stored = [
            Moments(m.mean, m.covariance.astype("float32").astype("float64"))
            for m in map(moments_of, sets)
        ]
        assert frechet_distance(*stored) == pytest.approx(exact, rel=1e-5)

    @given(
        seed=st.integers(0, 1000),
        scale=st.floats(1e-3, 1e3),
        numbers=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    )
    @settings(deadline=None, max_examples=40)
    def test_symmetry_rotation_and_scale(self, seed, scale, numbers):
        first, second = (random_features(seed + i, n, 12) for i, n in enumerate(numbers))
        distance = frechet_distance(moments_of(first), moments_of(second))
        assert distance >= 0
        turned = [moments_of(scale * (x @ orthogonal(12, seed) + 3)) for x in (second, first)]
        assert frechet_distance(*turned) == pytest.approx(scale**2 * distance, rel=1e-9)

    def test_other_widths_are_refused(self):
        with pytest.raises(InputError, match=r"on both sides\. Received: 4 and 5\."):
            frechet_distance(*(moments_of(random_features(0, 9, dim)) for dim in (4, 5)))

    def test_a_matrix_that_is_no_covariance_is_refused(self):
        indefinite = Moments(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]))
        with pytest.raises(InputError, match=r"no negative eigenvalues.*-1 beside 3\."):
            frechet_distance(indefinite, moments_of(random_features(0, dim=2)))


@pytest.mark.parametrize(("mean", "variance"), [(1e200, 1.0), (0.0, 1e308)])
def test_a_distance_that_is_no_number(mean, variance):
    far = Moments(np.full(3, mean), variance * (np.ones((3, 3)) + np.eye(3) / 2))
    with pytest.raises(InputError, match="finite distance"):
        frechet_distance(far, Moments(np.zeros(3), np.eye(3)))
