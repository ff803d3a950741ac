"""Files of statistics: ours, those of other programs, and what is none."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.statistics_file import load_statistics, save_statistics
from dmgan_tf.metrics.frechet import Moments

FEATURES = np.random.default_rng(18).standard_normal((9, 5))
MOMENTS = Moments(FEATURES.mean(axis=0), np.cov(FEATURES, rowvar=False), 9)


def test_round_trip(tmp_path):
    moments = MOMENTS
    path = tmp_path / "new" / "statistics.npz"
    save_statistics(path, moments, protocol="ttur", image_size=256)
    read, notes = load_statistics(path, dim=5)
    np.testing.assert_array_equal(read.mean, moments.mean)
    np.testing.assert_array_equal(read.covariance, moments.covariance)
    assert read.count == moments.count == 9
    assert notes == {"protocol": "ttur", "image_size": 256}
    assert [file.name for file in path.parent.iterdir()] == ["statistics.npz"]


def test_other_programs_can_read_it(tmp_path):
    moments = MOMENTS
    save_statistics(tmp_path / "no_suffix", moments)
    with np.load(tmp_path / "no_suffix") as file:
        np.testing.assert_array_equal(file["mu"][:], moments.mean)
        np.testing.assert_array_equal(file["sigma"][:], moments.covariance)


def test_the_files_of_other_programs_can_be_read(tmp_path):
    path, features = tmp_path / "theirs.npz", FEATURES
    covariance = np.cov(features, rowvar=False).astype("float32")
    np.savez_compressed(path, mu=features.mean(axis=0), sigma=covariance, act=features)
    moments, notes = load_statistics(path)
    assert notes == {}
    assert moments.count is None and moments.covariance.dtype == "float64"
    np.testing.assert_array_equal(moments.covariance, covariance)


def test_an_unknown_count_stays_unknown(tmp_path):
    save_statistics(tmp_path / "s.npz", Moments(np.zeros(2), np.eye(2)))
    assert load_statistics(tmp_path / "s.npz")[0].count is None


def test_of_other_features(tmp_path):
    save_statistics(tmp_path / "s.npz", Moments(np.zeros(2), np.eye(2)))
    with pytest.raises(InputError, match=r"of 7 features.*s\.npz\. Received: 2\."):
        load_statistics(tmp_path / "s.npz", dim=7)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"write statistics to .*s\.npz\. Received: .*exists"):
        save_statistics(tmp_path / "file" / "s.npz", Moments(np.zeros(2), np.eye(2)))


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (None, "nothing there"),
        (b"", "a file of another kind"),
        (b"not an archive" * 100, "a file of another kind"),
        (pickle.dumps({"mu": 0}), "a file of another kind"),
        (lambda file: np.save(file, np.eye(2)), "a file of another kind"),
        (lambda file: np.savez(file, mu=np.zeros(2)), "a file without 'sigma'"),
        (lambda file: np.savez(file, sigma=np.eye(2)), "a file without 'mu'"),
        ({"mu": np.array([None, 1])}, r"cannot be read \(Object arrays cannot be loaded"),
        ({"mu": np.array(["a", "b"])}, "mu of type <U1"),
        ({"mu": np.zeros(2, complex)}, "mu of type complex128"),
        ({"mu": np.array([0, np.nan])}, "mu with NaN or infinity"),
        ({"sigma": np.full((2, 2), np.inf)}, "sigma with NaN or infinity"),
        ({"mu": np.zeros((1, 2))}, r"mu of shape \(1, 2\)"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, r"mu of shape \(0,\)"),
        ({"sigma": np.ones((2, 3))}, r"sigma of shape \(2, 3\)"),
        ({"sigma": np.eye(3)}, r"mu of shape \(2,\) and sigma of shape \(3, 3\)"),
        ({"sigma": np.array([[1.0, 0.5], [0, 1]])}, "a sigma that is no covariance"),
        ({"sigma": -np.eye(2)}, "a sigma that is no covariance"),
        ({"count": np.asarray(1)}, "a count that is not a whole number"),
        ({"count": np.asarray(2.5)}, "a count that is not a whole number"),
        ({"count": np.zeros(2, int)}, "a count that is not a whole number"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, content, received):
    path = tmp_path / "bad.npz"
    if isinstance(content, dict):
        np.savez(path, **({"mu": np.zeros(2), "sigma": np.eye(2)} | content))
    elif callable(content):
        with open(path, "wb") as file:
            content(file)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"statistics at .*bad\.npz.*Received: .*{received}"):
        load_statistics(path)


def test_a_directory_and_an_archive_of_other_things(tmp_path):
    with pytest.raises(InputError, match="Received: a directory"):
        load_statistics(tmp_path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("mu.npy", "words")
        archive.writestr("sigma.npy", "more words")
    with pytest.raises(InputError, match="Received: mu of type"):
        load_statistics(tmp_path / "other.zip")


@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
@settings(deadline=None, max_examples=60)
def test_a_damaged_file_is_one_line(tmp_path_factory, position, value, truncate):
    written = io.BytesIO()
    np.savez_compressed(written, mu=np.arange(3.0), sigma=np.eye(3), count=np.asarray(9))
    content = bytearray(written.getvalue())
    position %= len(content)
    if truncate:
        del content[position:]
    else:
        content[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(content)
    try:
        moments, _ = load_statistics(path)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:  # a byte of no importance, or the byte that was there
        np.testing.assert_array_equal(moments.covariance, np.eye(3))


def test_a_header_that_never_ends(tmp_path):
    header = b"{'descr': (((" + b" " * 50 + b"\n"
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("mu.npy", content)
    with pytest.raises(InputError, match="cannot be read"):
        load_statistics(tmp_path / "x.npz")
