"""Tables of the figures' numbers: as CSV files, and as text for a terminal."""

import csv
import io
import os
import unicodedata
from collections.abc import Sequence

from dmgan_tf.files.atomic import write_text

_WIDEST_COLUMN = 40


def write_csv(path: str | os.PathLike, rows: Sequence[dict]) -> None:
    """Writes rows as CSV in UTF-8, numbers in full, completely or not at all.

    Args:
        path: The file; missing directories are created.
        rows: One dict or more, all with the same keys; `None` becomes an empty field.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # A lone surrogate, as undecodable arguments of a command become, has no UTF-8.
    write_text(path, text.getvalue().encode("utf-8", "replace").decode("utf-8"))


def text_table(rows: Sequence[dict], columns: Sequence[str] | None = None) -> str:
    """Formats rows in columns, numbers right-aligned and fractions rounded to four places.

    Args:
        rows: One dict or more.
        columns: The keys to show, in this order; those of the first row if not given.

    Returns:
        Lines of text, the first with the columns' names.
    """
    columns = list(columns or rows[0])
    cells = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(_width(line[i]) for line in cells) for i in range(len(columns))]
    right = [all(not isinstance(row[column], str) for row in rows) for column in columns]
    return "\n".join(
        "  ".join(
            _padded(text, width, to_right)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    text = " ".join(str(value).split())
    return text if len(text) <= _WIDEST_COLUMN else f"{text[: _WIDEST_COLUMN - 3]}..."


def _width(text):
    """Columns of a terminal: East Asian characters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) == "Mn" for character in text)


def _padded(text, width, to_right):
    blanks = " " * (width - _width(text))
    return blanks + text if to_right else text + blanks
