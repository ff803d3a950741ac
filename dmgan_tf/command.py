"""What every command of `python -m dmgan_tf.NAME` does around its `main`.

Exit status of a command:

    0    done
    1    a bug of ours; the traceback says where
    2    bad input: a flag, a file, a full disk; one line, `error: ...`, says what to change
    3    training diverged: losses or gradients stayed not finite
    4    another worker of a training over several machines was lost; go on with --resume
    75   training was stopped by SIGTERM or SIGHUP and saved; go on with --resume
    130  stopped by Ctrl-C; training saved first, as for 75
    143  another command was stopped by SIGTERM; nothing is left half-written
"""

import contextlib
import signal
import sys
from collections.abc import Callable

from absl import app, flags, logging

from dmgan_tf.errors import InputError, Interrupted, TrainingDiverged, WorkerLost, first_line
from dmgan_tf.files.atomic import is_disk_full


def run(main: Callable[[], None], sigterm_status: int = 143) -> None:
    """Parses the absl flags, runs `main`, and turns what may go wrong into one line and a status.

    An unknown flag is bad input. So are words on the command line that are not flags, since a
    mistyped `--flag` loses its value that way without a sign. Other exceptions than those of
    `dmgan_tf.errors` keep their traceback: those are our bugs.

    SIGTERM ends the command as Ctrl-C does, so that what was being written is swept away.

    Args:
        main: The command, called without arguments once flags are parsed.
        sigterm_status: Exit status after SIGTERM, where `main` has no handler of its own.
    """

    def guarded(arguments):
        try:
            if len(arguments) > 1:
                raise InputError(
                    f"Expected flags only (--name=value). Received: {' '.join(arguments[1:])!r}. "
                    "Quote values that hold spaces; see --help."
                )
            with _ending_at_sigterm(sigterm_status):
                main()
        except (InputError, TrainingDiverged, WorkerLost, OSError) as error:
            _fail(error)
        except Interrupted as error:
            _say(error)
            sys.exit(error.exit_status)
        except KeyboardInterrupt:
            _say("stopped by Ctrl-C")
            sys.exit(130)

    logging.set_verbosity(logging.INFO)
    app.run(guarded, flags_parser=_parse_flags)


@contextlib.contextmanager
def _ending_at_sigterm(status):
    def end(number, frame):
        raise Interrupted("stopped by SIGTERM", status)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _parse_flags(arguments):
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, UnicodeError) as error:
        _fail(InputError(f"{first_line(error)}. See --help."))


def _fail(error):
    said = str(error)
    if isinstance(error, OSError) and is_disk_full(error):
        where = f" while writing {error.filename}" if error.filename else ""
        said = (
            f"disk full{where} ({error.strerror or error}). Free some space and give the command "
            "again."
        )
    line = first_line(InputError(" ".join(said.split())))
    _say(f"error: {line}")
    sys.exit(getattr(error, "exit_status", 2))


def _say(line):
    """Prints a last line, if anybody is left to read it: the status must come through."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def define_run_flags(kept) -> None:
    """Declares the flags that both trainings have in common: where and how a run is kept.

    Args:
        kept: What the run directory holds, for the help.
    """
    flags.DEFINE_string("run", None, f"Run directory: {kept}.")
    flags.DEFINE_bool(
        "resume", False, "Continue the run that stands in --run; start where none stands."
    )
    flags.DEFINE_integer(
        "checkpoint_every", None, "Steps between checkpoints, besides one an epoch."
    )
    flags.DEFINE_integer("keep_checkpoints", 3, "How many of the newest checkpoints stay.")
    flags.DEFINE_float(
        "max_skipped_fraction",
        0.01,
        "Largest share of a split's records that may be unreadable; they are skipped and counted.",
    )
    flags.DEFINE_enum(
        "on_nan",
        "rollback",
        ["rollback", "stop"],
        "After --nan_patience bad steps in a row: back to the last checkpoint, or end.",
    )
    flags.DEFINE_integer("nan_patience", 10, "Steps in a row that may be bad; they are skipped.")
    flags.DEFINE_bool(
        "deterministic",
        False,
        "The same bits in every run of one device, CPUs included; slower.",
    )


def flags_text(names) -> str:
    """The named flags that have a value, one a line, as `--flagfile` reads them."""
    given = (flags.FLAGS[name] for name in names)
    return "".join(f"{flag.serialize()}\n" for flag in given if flag.value not in (None, []))
