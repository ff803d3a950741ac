"""Progress of long work: a bar on a terminal, a line every ten seconds elsewhere."""

import sys
import time

import tqdm

EVERY = 10.0  # seconds between two lines


def progress_bar(
    total: int, unit: str, description: str, *, initial: int = 0, shown: bool = True, **options
) -> "tqdm.tqdm | ProgressLines":
    """Returns a progress bar, or lines, on standard error.

    Args:
        total: The total number of units.
        unit: The unit, in the singular: `image`.
        description: The activity: `drawing`.
        initial: The number of units done before.
        shown: Whether to show progress at all.
        **options: More of `tqdm.tqdm`, for the bar.

    Returns:
        A context with `update(count)`, `set_postfix_str(text)`, `write(line)` and `close()`, as a
        `tqdm.tqdm` has them.
    """
    if sys.stderr.isatty() or not shown:
        return tqdm.tqdm(
            total=total,
            unit=unit,
            desc=description,
            initial=initial,
            disable=not shown,
            file=sys.stderr,
            dynamic_ncols=True,
            **options,
        )
    return ProgressLines(total, unit, description, initial)


class ProgressLines:
    """The replacement of a bar in a log: a line every ten seconds.

    Shorter work writes none.

    Args:
        total: The total number of units.
        unit: The unit, in the singular.
        description: The activity.
        initial: The number of units done before.
    """

    def __init__(self, total: int, unit: str, description: str, initial: int = 0):
        self.total = total
        self.unit = unit
        self.description = description
        self.done = self._initial = self._shown = initial
        self._postfix = ""
        self._start = self._last = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def update(self, count: int = 1) -> None:
        """Counts finished units, and writes a line if the last one is old."""
        self.done += count
        if time.monotonic() - self._last >= EVERY:
            self._show()

    def set_postfix_str(self, text: str, refresh: bool = False) -> None:
        """Sets the end of the next line."""
        self._postfix = text

    def write(self, line: str, file=None) -> None:
        """Writes another line, instead of one of the progress."""
        print(line, file=file or sys.stderr, flush=True)
        self._last, self._shown = time.monotonic(), self.done

    def close(self) -> None:
        """Writes a last line, if there was a line before."""
        if self._initial != self._shown != self.done:
            self._show()

    def _show(self):
        elapsed = time.monotonic() - self._start
        left = elapsed * (self.total - self.done) / max(self.done - self._initial, 1)
        elapsed, left = map(tqdm.tqdm.format_interval, (elapsed, left))
        counted = f"{self.description}: {self.done}/{self.total} {self.unit}s"
        parts = [counted, f"{elapsed} so far, {left} left", *filter(None, [self._postfix])]
        self.write(", ".join(parts))
