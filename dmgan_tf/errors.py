"""The one exception that means "the input is at fault, not the program"."""


class InputError(ValueError):
    """Something a user gave cannot be used.

    The message is one line: what was expected, what came, what to do. Commands print it and exit
    with status 2; library callers catch it as the `ValueError` it is.
    """
