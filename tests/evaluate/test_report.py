"""What is shown and kept of an evaluation."""

import json

import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.report import check_output, table, value_text, write_report
from dmgan_tf.evaluate.scoring import Score

SCORES = [
    Score("fid", "ttur", 16.094, None, 30000, 2933, None, ("a warning", "another")),
    Score("is", "stackgan_birds", 4.7512, 0.0749, 30000),
    Score("kid", "ttur", 0.012345678, 0.00045, 30000, 2933),
    Score("fid", "clean", 15.5, None, 500, None, None, ("another",)),
    Score("r_precision", "damsm", 72.309, 0.912, 30000, None, 1.0),
]


def test_the_table():
    lines = table(SCORES).splitlines()
    assert lines[0].split() == ["metric", "protocol", "value", "images", "against"]
    assert lines[2].split() == ["FID", "[1,", "2]", "ttur", "16.09", "30,000", "2,933", "real"]
    assert lines[5].split() == ["FID", "[2]", "clean", "15.50", "500", "statistics"]
    assert lines[6].endswith("chance 1.00 %")
    assert lines[-2:] == ["[1] a warning.", "[2] another."]
    ends = {line.index("30,000") for line in lines if "30,000" in line}
    assert len(ends) == 1  # the columns stand below one another


def test_values_have_their_units_and_digits():
    assert [value_text(score) for score in SCORES] == [
        "16.09",
        "4.75 ± 0.07",
        "0.01235 ± 0.00045",
        "15.50",
        "72.31 % ± 0.91",
    ]


def test_standard_errors_and_what_they_stand_beside():
    scores = [
        Score("memorisation", "lite0", 5.118, num_images=48, chance=50.0, standard_error=1.0083),
        Score("diversity", "lite0", 0.21633, num_images=48, standard_error=0.0338, num_groups=6),
        Score("real_diversity", "lite0", 0.5, num_images=2),
    ]
    *_, memorisation, diversity, real = table(scores).splitlines()
    assert "5.12 % ± 1.01" in memorisation and memorisation.endswith("real 50.00 %")
    assert "0.2163 ± 0.0338" in diversity and diversity.endswith("6 captions")
    assert real.split() == ["distance", "between", "real", "images", "lite0", "0.5000", "2"]


def test_the_report_holds_all_digits_and_the_recipe(tmp_path):
    path = tmp_path / "birds.json"
    write_report(path, SCORES, {"flags": ["--seed=0"], "images": {"seed": 0}})
    content = json.loads(path.read_text())
    assert content["scores"][0]["value"] == 16.094
    assert content["scores"][0]["warnings"] == ["a warning", "another"]
    assert content["flags"] == ["--seed=0"]
    assert {"python", "keras", "tensorflow", "numpy", "dmgan_tf"} <= content["versions"].keys()


def test_paths_need_not_be_utf_8(tmp_path):
    path = tmp_path / "birds.json"
    write_report(path, SCORES, {"flags": ["--images=\udcff"]})
    assert json.loads(path.read_text(encoding="utf-8"))["flags"] == ["--images=\udcff"]


def test_an_output_may_be_new_or_an_earlier_report(tmp_path):
    check_output(tmp_path / "new" / "birds.json")
    assert list(tmp_path.rglob("*.*")) == []
    write_report(tmp_path / "birds.json", SCORES, {})
    check_output(tmp_path / "birds.json")


@pytest.mark.parametrize("content", ['{"format_version": 1}', "no JSON", "3", None])
def test_an_output_is_nothing_else(tmp_path, content):
    path = tmp_path / "dataset.json"
    path.mkdir() if content is None else path.write_text(content)
    with pytest.raises(InputError, match="an earlier report. Received: .*dataset.json"):
        check_output(path)


def test_an_output_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="place where files can be written"):
        check_output(tmp_path / "file" / "birds.json")
