"""The exceptions that a command answers with one line and an exit status, not with a traceback."""

import difflib
from collections.abc import Iterable

_LONGEST_LINE = 1_000  # characters


class InputError(ValueError):
    """Input from the user that cannot be used.

    The message is one line: what was expected, what was received, what to do. Commands print it
    and exit with status 2; library callers can catch it as a `ValueError`.
    """

    exit_status = 2


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop, and the work stopped cleanly.

    A `KeyboardInterrupt`, because it may be raised anywhere: libraries swallow other exceptions.

    Args:
        message: One line: what stopped, and how to continue.
        exit_status: What a command exits with.
    """

    def __init__(self, message, exit_status):
        super().__init__(message)
        self.exit_status = exit_status


class TrainingDiverged(Exception):
    """Losses or gradients stayed not finite, and going back to a checkpoint did not help.

    The message is one line: the step, the network, what was not finite, what to try.
    """

    exit_status = 3


class WorkerLost(Exception):
    """Another process of a training over several machines has ended or cannot be reached."""

    exit_status = 4


def first_line(error: BaseException) -> str:
    """The text of an error, for a message of one line; its type's name if it has no text.

    Libraries quote a file's content, of any length and with terminal control characters.
    """
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    short = line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 3]}..."
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in short
    )


def did_you_mean(received: str, names: Iterable[str], prefix: str = "") -> str:
    """Returns the end of a message about an unknown name: ` Did you mean 'NAME'?`.

    Args:
        received: The unknown name.
        names: The known names.
        prefix: What a user writes before such a name, `--`; then it needs no quotes.

    Returns:
        A sentence after a space, or an empty string if no name is similar.
    """
    near = difflib.get_close_matches(received.lower(), list(names), 1)
    return f" Did you mean {prefix + near[0] if prefix else repr(near[0])}?" if near else ""
