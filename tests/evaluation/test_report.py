"""What is shown and kept of an evaluation."""

import json

from dmgan_tf.evaluation.report import table, value_text, write_report
from dmgan_tf.evaluation.scoring import Score

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


def test_the_report_holds_all_digits_and_the_recipe(tmp_path):
    path = tmp_path / "birds.json"
    write_report(path, SCORES, {"flags": ["--seed=0"], "images": {"seed": 0}})
    content = json.loads(path.read_text())
    assert content["scores"][0]["value"] == 16.094
    assert content["scores"][0]["warnings"] == ["a warning", "another"]
    assert content["flags"] == ["--seed=0"]
    assert {"python", "keras", "tensorflow", "numpy", "dmgan_tf"} <= content["versions"].keys()
