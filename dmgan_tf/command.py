"""What every command of `python -m dmgan_tf.NAME` does around its `main`."""

import sys
from collections.abc import Callable

from absl import app, flags, logging

from dmgan_tf.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Parses the absl flags, runs `main`, and turns bad input into one line and exit status 2.

    An unknown flag is bad input. So are words on the command line that are not flags, since a
    mistyped `--flag` loses its value that way without a sign. Other exceptions keep their
    traceback: those are our bugs.

    Args:
        main: The command, called without arguments once flags are parsed.
    """

    def guarded(arguments):
        try:
            if len(arguments) > 1:
                raise InputError(
                    f"Expected flags only (--name=value). Received: {' '.join(arguments[1:])!r}. "
                    "Quote values that hold spaces; see --help."
                )
            main()
        except (InputError, OSError) as error:
            _fail(error)
        except KeyboardInterrupt:
            print("error: interrupted", file=sys.stderr)
            sys.exit(130)

    logging.set_verbosity(logging.INFO)
    app.run(guarded, flags_parser=_parse_flags)


def _parse_flags(arguments):
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        _fail(f"{error}. See --help.")


def _fail(error):
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2)


def flags_text(names) -> str:
    """The named flags that have a value, one a line, as `--flagfile` reads them."""
    given = (flags.FLAGS[name] for name in names)
    return "".join(f"{flag.serialize()}\n" for flag in given if flag.value not in (None, []))
