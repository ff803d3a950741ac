"""The exceptions that a command answers with one line and an exit status, not with a traceback."""

import difflib
from collections.abc import Iterable

_LONGEST_LINE = 1_000  # characters


class InputError(ValueError):
    """Something a user gave cannot be used.

    The message is one line: what was expected, what came, what to do. Commands print it and exit
    with status 2; library callers catch it as the `ValueError` it is.
    """

    exit_status = 2


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop, and the work stopped in order.

    A `KeyboardInterrupt`, because it may be raised anywhere: libraries swallow other exceptions.

    Args:
        message: One line: what stopped, and how to go on.
        exit_status: What a command exits with.
    """

    def __init__(self, message, exit_status):
        super().__init__(message)
        self.exit_status = exit_status


class TrainingDiverged(Exception):
    """Losses or gradients stayed beyond what numbers can hold, and going back did not help.

    The message is one line: the step, the network, what was not finite, what to try.
    """

    exit_status = 3


class WorkerLost(Exception):
    """Another process of a training over several machines has ended or cannot be reached."""

    exit_status = 4


def first_line(error: BaseException) -> str:
    """What an error says, for a message of one line; its type's name if it says nothing.

    Libraries repeat what a file holds, of any length and with characters that steer a terminal.
    """
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    short = line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 3]}..."
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in short
    )


def did_you_mean(received: str, names: Iterable[str], prefix: str = "") -> str:
    """Returns what a message about an unknown name ends with: ` Did you mean 'NAME'?`.

    Args:
        received: The name that is not known.
        names: Those that are.
        prefix: What a user writes before such a name, `--`; then it needs no quotes.

    Returns:
        A sentence after a space, or nothing if no name is near.
    """
    near = difflib.get_close_matches(received.lower(), list(names), 1)
    return f" Did you mean {prefix + near[0] if prefix else repr(near[0])}?" if near else ""
