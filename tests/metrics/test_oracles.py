"""The metrics against independent implementations: TF-GAN, torch-fidelity, pytorch-fid, SciPy.

`THEIRS` holds what those gave for features of `recipe_features`, so that ours are compared with
them where they are not installed; where they are, they are asked again. The arrays are the same on
both sides, so no network and no image takes part.
"""

import functools
import inspect
import sys
import unittest.mock

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from differences import check_difference

from dmgan_tf.metrics.frechet import FeatureStatistics, frechet_distance
from dmgan_tf.metrics.inception_score import InceptionScore
from dmgan_tf.metrics.kernel import kernel_distance

# How many vectors either side has; where the rank is of fewer, there are 64 features to fill.
SIZES = {
    "full rank": (500, 400),
    "rank of one": (50, 400),
    "rank of both": (50, 40),
}
NUM_SPLITS, NUM_SUBSETS, SUBSET_SIZE = 10, 20, 30

# torch-fidelity 0.4.0, pytorch-fid 0.3.0 (with SciPy 1.17), TF-GAN 2.1.0 (with TensorFlow 2.21).
THEIRS = {
    ("torch-fidelity", "full rank", "float64"): 2.4764634919085546,
    ("torch-fidelity", "full rank", "float32"): 2.4764636484520155,
    ("torch-fidelity", "rank of one", "float64"): 3.1361944935500086,
    ("torch-fidelity", "rank of both", "float64"): 3.6111768460937594,
    ("pytorch-fid", "full rank", "float64"): 2.4764634919085506,
    ("pytorch-fid", "full rank", "float32"): 2.476463648452012,
    ("pytorch-fid", "rank of one", "float64"): 3.136194490864676,
    ("pytorch-fid", "rank of both", "float64"): 3.6111768457573485,
    ("TF-GAN", "full rank", "float64"): 2.47646349190854,
    ("TF-GAN", "full rank", "float32"): 2.476463556289673,
    ("TF-GAN", "rank of one", "float64"): 3.1361945088129697,
    ("TF-GAN", "rank of both", "float64"): 3.611176888439335,
}
THEIR_SCORE = 8.27548207549684, 0.6467894910077201  # torch-fidelity, 10 splits, not shuffled
THEIR_SCORE_SHUFFLED = 8.429214665784725, 0.7777977031119934  # torch-fidelity, by default
THEIR_SCORE_OF_ONE_SPLIT = 10.889687275808223  # TF-GAN
THEIR_KERNEL_DISTANCE = 0.020509006867188463, 0.0025537221842984966  # torch-fidelity, 20 subsets
THEIR_KERNEL_DISTANCE_OF_ONE_BLOCK = 0.02216379783951883  # TF-GAN, the first 400 of both

# Where there are fewer vectors than features, the PyTorch codes take eigenvalues or a root of a
# product that is singular and not symmetric, which is up to 1.2e-8 off here; `test_frechet.py`
# compares that case with its exact value. In float32 their means, or their results, are float32.
FRECHET_TOLERANCE = 1e-6


@pytest.fixture
def close(record_property):
    return functools.partial(check_difference, record_property, relative=True)


def recipe_features(seed, number, dim=64, dtype="float64"):
    """Correlated, skewed, not negative and with zeros, as pooled features are."""
    random = np.random.RandomState(seed)
    scales = np.exp(-4 * np.arange(dim) / dim) / dim**0.5
    mixing = scales[:, None] * random.standard_normal((dim, dim))
    offset = 0.1 * random.standard_normal(dim)
    return np.maximum(random.standard_normal((number, dim)) @ mixing + offset, 0).astype(dtype)


def recipe_sets(case, dtype="float64"):
    first, second = SIZES[case]
    return recipe_features(1, first, dtype=dtype), recipe_features(2, second, dtype=dtype)


def recipe_logits(dtype="float64"):
    return (20 * recipe_features(3, 257, 32)).astype(dtype)


def our_frechet(first, second):
    statistics = FeatureStatistics(first.shape[1]), FeatureStatistics(second.shape[1])
    for side, features in zip(statistics, (first, second), strict=True):
        for batch in np.array_split(features, 7):
            side.update(batch)
    return frechet_distance(*(side.moments() for side in statistics))


def our_score(logits, num_splits, shuffle_seed=None):
    score = InceptionScore(len(logits), num_splits, shuffle_seed)
    for batch in np.array_split(logits, 7):
        score.update(batch)
    return score.result()


@pytest.fixture(scope="module")
def tfgan():
    """TF-GAN's metrics; what it needs of TensorFlow's past has stand-ins while it is imported."""
    pytest.importorskip("tensorflow_probability")  # first, as it would undo the stand-ins
    stand_in = unittest.mock.MagicMock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf, "estimator", stand_in, raising=False)
        patch.setattr(tf.compat.v1, "estimator", stand_in, raising=False)
        patch.setitem(sys.modules, "tensorflow_hub", stand_in)
        return pytest.importorskip("tensorflow_gan").eval


@pytest.fixture(scope="module")
def torch():
    """PyTorch; torch-fidelity and pytorch-fid can be imported in the tests of this file.

    Both import torchvision for networks that no test here uses, and the one of PyPI fails beside a
    PyTorch for the CPU alone, so it has a stand-in. Nobody else shall meet what was imported so.
    """
    torch = pytest.importorskip("torch")
    submodules = ("", ".datasets", ".transforms", ".transforms.functional")
    with pytest.MonkeyPatch.context() as patch:
        for submodule in submodules:
            patch.setitem(sys.modules, f"torchvision{submodule}", unittest.mock.MagicMock())
        yield torch
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("torch_fidelity", "pytorch_fid"):
            del sys.modules[name]


def ask_torch_fidelity(torch, first, second):
    from torch_fidelity import metric_fid

    statistics = [
        metric_fid.fid_features_to_statistics(torch.from_numpy(features))
        for features in (first, second)
    ]
    answer = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    return answer["frechet_inception_distance"]


def ask_pytorch_fid(first, second):
    from pytorch_fid.fid_score import calculate_frechet_distance

    if "disp" not in inspect.signature(scipy.linalg.sqrtm).parameters:
        pytest.skip("this pytorch-fid asks SciPy for what it no longer has")
    # As its `calculate_activation_statistics` has them.
    means, covariances = zip(
        *((np.mean(x, axis=0), np.cov(x, rowvar=False)) for x in (first, second)), strict=True
    )
    return calculate_frechet_distance(means[0], covariances[0], means[1], covariances[1])


class TestFrechetDistance:
    @pytest.mark.parametrize(("oracle", "case", "dtype"), THEIRS)
    def test_the_numbers_they_gave(self, close, oracle, case, dtype):
        ours = our_frechet(*recipe_sets(case, dtype))
        theirs = THEIRS[oracle, case, dtype]
        close(f"FID, {oracle}", ours, theirs, tolerance=FRECHET_TOLERANCE)

    @pytest.mark.parametrize(("case", "dtype"), sorted({key[1:] for key in THEIRS}))
    def test_tf_gan(self, close, tfgan, case, dtype):
        sets = recipe_sets(case, dtype)
        theirs = tfgan.frechet_classifier_distance_from_activations(*sets)
        close("FID, TF-GAN", our_frechet(*sets), theirs, tolerance=FRECHET_TOLERANCE)
        recorded = THEIRS["TF-GAN", case, dtype]
        assert float(theirs) == pytest.approx(recorded, rel=FRECHET_TOLERANCE)

    @pytest.mark.parametrize(("case", "dtype"), sorted({key[1:] for key in THEIRS}))
    def test_torch_fidelity(self, close, torch, case, dtype):
        pytest.importorskip("torch_fidelity")
        sets = recipe_sets(case, dtype)
        theirs = ask_torch_fidelity(torch, *sets)
        close("FID, torch-fidelity", our_frechet(*sets), theirs, tolerance=FRECHET_TOLERANCE)
        recorded = THEIRS["torch-fidelity", case, dtype]
        assert theirs == pytest.approx(recorded, rel=FRECHET_TOLERANCE)

    @pytest.mark.filterwarnings("ignore:Matrix is singular")
    @pytest.mark.parametrize(("case", "dtype"), sorted({key[1:] for key in THEIRS}))
    def test_pytorch_fid(self, close, torch, case, dtype):
        pytest.importorskip("pytorch_fid")
        sets = recipe_sets(case, dtype)
        theirs = ask_pytorch_fid(*sets)
        close("FID, pytorch-fid", our_frechet(*sets), theirs, tolerance=FRECHET_TOLERANCE)
        recorded = THEIRS["pytorch-fid", case, dtype]
        assert theirs == pytest.approx(recorded, rel=FRECHET_TOLERANCE)

    def test_scipy(self, close):
        """By the definition, with a matrix square root; of full rank, where that is well-posed."""
        first, second = recipe_sets("full rank")
        covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
        root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
        shift = first.mean(axis=0) - second.mean(axis=0)
        theirs = shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)
        close("FID, SciPy's sqrtm", our_frechet(first, second), theirs, tolerance=1e-9)

    @pytest.mark.parametrize("case", SIZES)
    def test_a_set_against_itself(self, tfgan, case):
        features, _ = recipe_sets(case)
        theirs = float(tfgan.frechet_classifier_distance_from_activations(features, features))
        trace = features.var(axis=0).sum()
        assert our_frechet(features, features) < 1e-12 * trace
        assert abs(theirs) < 1e-4 * trace  # it takes roots of rounding where the rank is not full


class TestInceptionScore:
    def test_the_numbers_they_gave(self, close):
        logits = recipe_logits()
        close("IS, torch-fidelity", our_score(logits, NUM_SPLITS), THEIR_SCORE, 1e-9)
        shuffled = our_score(logits, NUM_SPLITS, shuffle_seed=2020)
        close("IS, torch-fidelity", shuffled, THEIR_SCORE_SHUFFLED, 1e-9)
        close("IS, TF-GAN", our_score(logits, 1), (THEIR_SCORE_OF_ONE_SPLIT, 0), 1e-9)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_tf_gan(self, close, tfgan, dtype):
        """The whole in one, as TF-GAN has no splits; it computes in the logits' own precision."""
        logits = recipe_logits(dtype)
        theirs = float(tfgan.classifier_score_from_logits(logits))
        close("IS, TF-GAN", our_score(logits, 1)[0], theirs, tolerance=1e-6)
        assert theirs == pytest.approx(THEIR_SCORE_OF_ONE_SPLIT, rel=1e-6)

    def test_tf_gan_split_by_split(self, close, tfgan):
        logits = recipe_logits()
        ends = [k * len(logits) // NUM_SPLITS for k in range(NUM_SPLITS + 1)]
        scores = [
            float(tfgan.classifier_score_from_logits(logits[start:end]))
            for start, end in zip(ends[:-1], ends[1:], strict=True)
        ]
        theirs = np.mean(scores), np.std(scores)
        close("IS, TF-GAN", our_score(logits, NUM_SPLITS), theirs, tolerance=1e-9)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_torch_fidelity(self, close, torch, dtype):
        metric_isc = pytest.importorskip("torch_fidelity.metric_isc")
        logits = recipe_logits(dtype)
        tensor = torch.from_numpy(logits)
        for shuffle, recorded in ((False, THEIR_SCORE), (True, THEIR_SCORE_SHUFFLED)):
            answer = metric_isc.isc_features_to_metric(tensor, NUM_SPLITS, shuffle)
            theirs = answer["inception_score_mean"], answer["inception_score_std"]
            ours = our_score(logits, NUM_SPLITS, shuffle_seed=2020 if shuffle else None)
            close("IS, torch-fidelity", ours, theirs, 1e-9)
            assert theirs == pytest.approx(recorded, rel=1e-6)


class TestKernelDistance:
    def test_the_numbers_they_gave(self, close):
        first, second = recipe_sets("full rank")
        ours = kernel_distance(first, second, NUM_SUBSETS, SUBSET_SIZE)
        close("KID, torch-fidelity", ours, THEIR_KERNEL_DISTANCE, 1e-9)
        ours, _ = kernel_distance(first[:400], second, num_subsets=1, subset_size=400)
        close("KID, TF-GAN", ours, THEIR_KERNEL_DISTANCE_OF_ONE_BLOCK, 1e-9)

    @pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
    def test_torch_fidelity(self, close, torch, dtype, tolerance):
        """The same subsets, by its seed; it computes in the features' own precision."""
        metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
        sets = recipe_sets("full rank", dtype)
        answer = metric_kid.kid_features_to_metric(
            *map(torch.from_numpy, sets),
            kid_subsets=NUM_SUBSETS,
            kid_subset_size=SUBSET_SIZE,
            verbose=False,
        )
        theirs = answer["kernel_inception_distance_mean"], answer["kernel_inception_distance_std"]
        ours = kernel_distance(*sets, NUM_SUBSETS, SUBSET_SIZE)
        close("KID, torch-fidelity", ours, theirs, tolerance)
        assert theirs == pytest.approx(THEIR_KERNEL_DISTANCE, rel=tolerance)

    @pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
    def test_tf_gan(self, close, tfgan, dtype, tolerance):
        """One block of all vectors: TF-GAN's blocks follow each other, where ours are drawn."""
        first, second = recipe_sets("full rank", dtype)
        first = first[: len(second)]
        theirs, _ = tfgan.kernel_classifier_distance_and_std_from_activations(
            tf.constant(first), tf.constant(second)
        )
        ours, _ = kernel_distance(first, second, num_subsets=1, subset_size=len(second))
        close("KID, TF-GAN", ours, theirs, tolerance)
        assert float(theirs) == pytest.approx(THEIR_KERNEL_DISTANCE_OF_ONE_BLOCK, rel=tolerance)
