"""Tables: whole numbers in files, narrow columns in a terminal."""

import csv

from dmgan_tf.figures.tables import text_table, write_csv

ROWS = [
    {"word": 'a, "b"', "gate": 0.123456789012345, "rank": 2, "none": None},
    {"word": "中文\n\ud800", "gate": 1.0, "rank": 11, "none": None},
]


def test_csv_keeps_numbers_and_text(tmp_path):
    path = tmp_path / "new" / "table.csv"
    write_csv(path, ROWS)
    with open(path, encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {"word": 'a, "b"', "gate": "0.123456789012345", "rank": "2", "none": ""}
    assert second["word"] == "中文\n?"


def test_text_is_aligned_and_rounded():
    assert text_table([ROWS[0], {**ROWS[1], "word": "中文"}]).splitlines() == [
        "word      gate  rank  none",
        'a, "b"  0.1235     2     -',
        "中文    1.0000    11     -",
    ]


def test_columns_are_chosen_and_long_text_is_cut():
    lines = text_table([{"a": "word " * 20, "b": 1}], ["b", "a"]).splitlines()
    assert lines == ["b  a", "1  word word word word word word word wo..."]
