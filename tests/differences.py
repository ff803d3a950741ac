"""Comparing with published numbers, and remembering how far off the largest was.

`pytest --differences` prints what the tests of a run remembered, as in paper_release_ours.md.
"""

import numpy as np


def check_difference(record_property, part, actual, expected, tolerance=1e-4, relative=False):
    """Asserts that two arrays agree, and records their largest difference.

    Args:
        record_property: The pytest fixture.
        part: The row of the table.
        actual: Ours.
        expected: The published numbers.
        tolerance: Largest difference allowed.
        relative: Whether differences are measured against the largest expected number.
    """
    actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
    assert actual.shape == expected.shape
    difference = np.abs(actual - expected)
    if relative:
        difference = difference / np.abs(expected).max()
    largest = float(difference.max())
    record_property("difference", (part, largest, relative))
    assert largest <= tolerance, f"{part}: {largest:.2g}, expected at most {tolerance:.2g}"


def table(recorded):
    """The recorded differences as a Markdown table, one row a part.

    Args:
        recorded: Tuples of part, difference, and whether it is relative.

    Returns:
        Its lines.
    """
    largest = {}
    for part, difference, relative in recorded:
        worst = max(difference, largest.get(part, (0, relative))[0])
        largest[part] = (worst, relative)
    lines = ["| part | largest difference |", "|---|---|"]
    for part, (difference, relative) in largest.items():
        lines.append(f"| {part} | {difference:.1e}{' relative' if relative else ''} |")
    return lines
