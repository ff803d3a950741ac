"""The most memory that a process has taken."""

import pathlib
import re


def peak_megabytes() -> float:
    """Returns the peak of this process, in MB, on Linux.

    Not `ru_maxrss`: that of a process starts at the peak of the one that started it, so that a
    child of a large one seems not to grow.
    """
    peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024
