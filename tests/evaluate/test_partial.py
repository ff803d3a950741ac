"""Going on after an interruption: only from what is the same evaluation, and whole."""

import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.partial import PartialResult


class Sum:
    """The least accumulator."""

    def __init__(self, value=0.0):
        self.value = value

    def state(self):
        return {"value": np.array(self.value)}

    def restore(self, state):
        self.value = float(state["value"])


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "score.partial.npz"
    accumulators = {"ttur/fid": Sum(1.5), "ttur/is": Sum(2.5)}
    PartialResult(path, {"seed": 0, "sizes": (1, 2)}, every=0).offer(accumulators, 7)
    return path


def test_the_same_evaluation_goes_on(saved):
    accumulators = {"ttur/fid": Sum(), "ttur/is": Sum()}
    assert PartialResult(saved, {"seed": 0, "sizes": (1, 2)}).restore(accumulators) == 7
    assert [item.value for item in accumulators.values()] == [1.5, 2.5]


def test_another_evaluation_begins_anew_and_says_why(saved, caplog):
    accumulators = {"ttur/fid": Sum(), "ttur/is": Sum()}
    assert PartialResult(saved, {"seed": 1, "sizes": (1, 2)}).restore(accumulators) == 0
    assert accumulators["ttur/fid"].value == 0
    assert "seed" in caplog.text and "sizes" not in caplog.text


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", None])
def test_a_damaged_file_is_not_gone_on_from(saved, damage, caplog):
    saved.write_bytes(saved.read_bytes()[:-40] if damage is None else damage)
    assert PartialResult(saved, {"seed": 0, "sizes": (1, 2)}).restore({"ttur/fid": Sum()}) == 0
    assert "damaged" in caplog.text


def test_nothing_is_saved_before_its_time(tmp_path):
    partial = PartialResult(tmp_path / "score.partial.npz", {}, every=3600)
    partial.offer({"a": Sum(1)}, 1)
    partial.finish({"a": Sum(1)}, 2)
    assert list(tmp_path.iterdir()) == []


def test_long_work_is_saved_at_its_end(tmp_path):
    path = tmp_path / "score.partial.npz"
    PartialResult(path, {}, every=0).finish({"a": Sum(1)}, 2)
    assert PartialResult(path, {}).restore({"a": Sum()}) == 2


class Refusing(Sum):
    """Takes nothing over but what it holds itself."""

    def restore(self, state):
        if "value" not in state or float(state["value"]) != self.value:
            raise InputError("Expected the same. Start the evaluation again.")


@pytest.mark.parametrize("last", [Refusing(), None])
def test_what_does_not_fit_is_not_gone_on_from_by_half(saved, caplog, last):
    accumulators = {"ttur/fid": Sum(), "ttur/is" if last else "no/such": last or Sum()}
    partial = PartialResult(saved, {"seed": 0, "sizes": (1, 2)})
    assert partial.restore(accumulators) == 0
    assert accumulators["ttur/fid"].value == 0
    assert "damaged" in caplog.text
