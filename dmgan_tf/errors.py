"""The one exception that means "the input is at fault, not the program"."""


class InputError(ValueError):
    """Something a user gave cannot be used.

    The message is one line: what was expected, what came, what to do. Commands print it and exit
    with status 2; library callers catch it as the `ValueError` it is.
    """


def first_line(error: BaseException) -> str:
    """What an error says, for a message of one line; its type's name if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
