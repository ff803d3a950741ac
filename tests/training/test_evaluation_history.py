import json
import shutil

import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.training.evaluation_history import EvaluationHistory

COMPARISON = {"protocol": "lite0", "network_sha256": "ab" * 32, "num_images": 20, "crop": True}


class Run:
    """A run directory with evaluations and a best model, and a way to open them."""

    def __init__(self, directory):
        self.path = directory / "evaluations.jsonl"
        self.best_model = directory / "best"

    def history(self, step, **changes):
        return EvaluationHistory(self.path, self.best_model, {**COMPARISON, **changes}, step)

    def evaluate(self, *fids, **changes):
        """Evaluates after steps 10, 20 and so on, as a run does it."""
        history = self.history(0, **changes)
        for number, fid in enumerate(fids, 1):
            entry = history.entry(number, 10 * number, {"fid": fid, "r_precision": 1.5})
            if history.is_best(entry):
                self.keep(entry)
            history.add(entry)
        return history

    def keep(self, entry):
        """Stands for the writing of the best model."""
        self.best_model.mkdir(exist_ok=True)
        text = json.dumps({"format_version": 1, "evaluation": entry})
        (self.best_model / "config.json").write_text(text)

    def epochs(self):
        return [json.loads(line)["epoch"] for line in self.path.read_text().splitlines()]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_a_line_holds_all_that_its_number_depends_on(run):
    run.evaluate(5.25)
    (line,) = run.path.read_text().splitlines()
    expected = {"epoch": 1, "step": 10, "fid": 5.25, "r_precision": 1.5, **COMPARISON}
    assert json.loads(line) == expected


def test_the_lowest_is_the_best_and_the_first_of_equals(run):
    assert run.evaluate(5.0, 3.0, 4.0, 3.0).best["epoch"] == 2


def test_a_resumed_run_knows_the_best(run):
    run.evaluate(5.0, 3.0, 4.0)
    history = run.history(30)
    assert history.best["epoch"] == 2
    assert history.find(30) is not None and history.find(40) is None
    assert not history.is_best({"fid": 3.0}) and history.is_best({"fid": 2.9})


def test_what_came_after_the_resumed_step_is_dropped(run, caplog):
    run.evaluate(5.0, 3.0, 4.0)
    history = run.history(20)
    assert run.epochs() == [1, 2, 3]  # nothing is touched before the run begins
    with caplog.at_level("INFO"):
        history.begin()
    assert run.epochs() == [1, 2] and "1 evaluations after the step" in caplog.text
    assert history.best["epoch"] == 2
    history.add(history.entry(3, 30, {"fid": 2.0}))
    assert run.epochs() == [1, 2, 3] and history.best["fid"] == 2.0


def test_a_best_model_of_a_step_that_was_dropped_does_not_count(run, caplog):
    run.evaluate(5.0, 3.0)
    history = run.history(10)
    assert history.best is None and history.is_best({"fid": 9.0})
    history.begin()
    assert "best one" in caplog.text and "is not kept beside it" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": "ttur"}, "protocol was lite0, is ttur"),
        ({"network_sha256": "cd" * 32}, "network_sha256 was abababababab, is cdcdcdcdcdcd"),
        ({"num_images": 30}, "num_images was 20, is 30"),
        ({"crop": False}, "crop was True, is False"),
    ],
)
def test_what_does_not_compare_begins_anew_and_says_why(run, caplog, changes, said):
    run.evaluate(5.0, 3.0)
    history = run.history(20, **changes)
    assert history.best is None and history.find(20) is None
    history.begin()
    assert "A new comparison of models begins" in caplog.text and said in caplog.text
    history.add(history.entry(3, 30, {"fid": 9.0}))
    assert history.best["epoch"] == 3 and run.epochs() == [1, 2, 3]


def test_nothing_is_said_where_nothing_changed(run, caplog):
    run.evaluate(5.0, 3.0)
    with caplog.at_level("INFO"):
        run.history(20).begin()
        EvaluationHistory(run.path.with_name("none.jsonl"), run.best_model, COMPARISON, 0).begin()
    assert caplog.text == ""


@pytest.mark.parametrize("line", ["{", "[1]", '{"epoch": 2, "step": 20}', '{"fid": "low"}'])
def test_a_file_of_something_else_is_told_of_by_its_line(run, line):
    run.evaluate(5.0)
    run.path.write_text(run.path.read_text() + line + "\n")
    with pytest.raises(InputError, match=r"line 2 of .*evaluations\.jsonl.*Remove the file"):
        run.history(20)


@pytest.mark.parametrize("config", [None, "{", "[]", "{}"])
def test_a_best_model_that_is_none_does_not_count(run, config):
    run.evaluate(5.0)
    (run.best_model / "config.json").unlink()
    if config is not None:
        (run.best_model / "config.json").write_text(config)
    assert run.history(10).best is None


def test_a_comparison_that_began_anew_goes_on_when_resumed_again(run, caplog):
    run.evaluate(5.0)
    shutil.rmtree(run.best_model)
    history = run.history(10)
    entry = history.entry(2, 20, {"fid": 7.0})
    run.keep(entry)
    history.add(entry)
    again = run.history(20)
    assert again.best["epoch"] == 2 and not again.is_best({"fid": 8.0})
    again.begin()
    assert caplog.text == ""
