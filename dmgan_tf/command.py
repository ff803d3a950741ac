"""What every command of `python -m dmgan_tf.NAME` does around its `main`.

Exit status of a command:

    0    done
    1    a bug of ours; the traceback says where
    2    bad input: a flag, a file, a full disk; one line, `error: ...`, says what to change
    3    training diverged: losses or gradients stayed not finite
    4    another worker of a training over several machines was lost; continue with --resume
    75   training was stopped by SIGTERM or SIGHUP and saved; continue with --resume
    130  stopped by Ctrl-C; training saved first, as for 75
    143  another command was stopped by SIGTERM; nothing is left half-written
"""

import collections.abc
import contextlib
import dataclasses
import functools
import io
import signal
import sys
import types
import typing
from collections.abc import Callable, Iterable, Sequence

from absl import app, flags, logging

from dmgan_tf import command_help
from dmgan_tf.errors import InputError, Interrupted, TrainingDiverged, WorkerLost, first_line
from dmgan_tf.files.atomic import is_disk_full
from dmgan_tf.files.flag_file import with_flag_files
from dmgan_tf.files.paths import local_path
from dmgan_tf.process.quiet_import import LEVEL, hides_messages, importing_quietly
from dmgan_tf.registry.lookup import allow_module

flags.disclaim_key_flags()  # flags declared here belong to the command, whose --help shows them
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
_AS_TEXT = flags.ArgumentSerializer()
_HUBS = ("hf", "kaggle")  # protocols of the addresses that models have


def run(main: Callable[[], None], sigterm_status: int = 143) -> None:
    """Parses the absl flags, runs `main`, and turns its errors into one line and a status.

    An unknown flag is bad input. So are words on the command line that are not flags, since a
    mistyped `--flag` can lose its value that way without an error. Exceptions other than those of
    `dmgan_tf.errors` keep their traceback: those are our bugs.

    Every command takes `--allow_module`. `--help` shows the first sentence and an example of the
    docstring of `main`'s module, and the flags that its `COMMON_FLAGS` names. SIGTERM ends a
    command as Ctrl-C does, so that unfinished files are removed.

    Args:
        main: The command, called without arguments once flags are parsed.
        sigterm_status: Exit status after SIGTERM, where `main` has no handler of its own.
    """

    def guarded(arguments):
        try:
            if len(arguments) > 1:
                raise InputError(
                    f"Expected flags only (--name=value). Received: {' '.join(arguments[1:])!r}. "
                    "Quote values that contain spaces; see --help."
                )
            for name in flags.FLAGS.allow_module:
                allow_module(name)
            with _ending_at_sigterm(sigterm_status), importing_quietly():
                main()
        except (InputError, TrainingDiverged, WorkerLost, OSError) as error:
            _fail(error)
        except Interrupted as error:
            _say(error)
            sys.exit(error.exit_status)
        except KeyboardInterrupt:
            _say("stopped by Ctrl-C")
            sys.exit(130)
        except Exception as error:
            if hides_messages():
                error.add_note(f"TensorFlow's own messages were hidden; {LEVEL}=0 shows them.")
            raise

    if "allow_module" not in flags.FLAGS:  # of an earlier command of this process
        flags.DEFINE_multi_string(
            "allow_module",
            [],
            "A Python module whose code a model may run; repeatable. A model directory that names "
            "a class from outside this package is refused without it: read the module first.",
        )
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")  # for names that it cannot encode
    logging.set_verbosity(logging.INFO)
    module = sys.modules[main.__module__]
    command_help.define_help_flags(module)
    app.run(guarded, flags_parser=functools.partial(_parse_flags, module))


def call(module: types.ModuleType, arguments: Sequence[str], instead_of: Iterable[str]) -> None:
    """Runs another command within this one, with its own flags.

    Its errors are raised, as `run` expects of a `main`.

    Args:
        module: The command, with `define_flags` and `main`.
        arguments: Its flags, as on a command line.
        instead_of: The names of this command's own flags, which are removed meanwhile.
    """
    own = {name: flags.FLAGS[name] for name in instead_of}
    for name in own:
        delattr(flags.FLAGS, name)
    others = set(flags.FLAGS)
    try:
        module.define_flags()
        flags.FLAGS(["", *arguments])
        module.main()
    finally:
        for name in set(flags.FLAGS) - others:
            delattr(flags.FLAGS, name)
        for name, flag in own.items():
            flags.FLAGS[name] = flag


@contextlib.contextmanager
def _ending_at_sigterm(status):
    def end(number, frame):
        raise Interrupted("stopped by SIGTERM", status)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _parse_flags(module, arguments):
    try:
        return flags.FLAGS(with_flag_files(arguments))
    except InputError as error:
        _fail(error)
    except (flags.Error, UnicodeError) as error:
        _fail(InputError(f"{command_help.explain(error, module)} See --help."))


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
    """Prints a last line, if stderr is still open: the exit status must be returned."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class _PathParser(flags.ArgumentParser):
    """A path: `~` is expanded, and an address of another protocol than those named is refused."""

    def __init__(self, protocols: tuple[str, ...] = ()):
        self.protocols = protocols
        self.placeholder = "MODEL" if protocols else "PATH"  # for the help

    def parse(self, argument):
        return local_path(super().parse(argument), self.protocols)


class _PathListParser(flags.ListParser):
    """Comma-separated paths."""

    def parse(self, argument):
        return [local_path(path) for path in super().parse(argument)]


def define_path(name: str, default: str | None, explanation: str) -> None:
    """Declares a flag that names a file or a directory; `--help` gives the explanation."""
    flags.DEFINE(_PathParser(), name, default, explanation, serializer=_AS_TEXT)


def define_model(
    name: str = "model",
    default: str | None = None,
    explanation: str = "Shipped model name, model directory or run directory.",
) -> None:
    """Declares a flag that names a model, which may also be an address of one of the hubs."""
    flags.DEFINE(_PathParser(_HUBS), name, default, explanation, serializer=_AS_TEXT)


def define_multi_path(name: str, default: list[str], explanation: str) -> None:
    """Declares a flag that names a file or a directory and may be given several times."""
    flags.DEFINE_multi(_PathParser(), _AS_TEXT, name, default, explanation)


def define_path_list(name: str, default: list[str], explanation: str) -> None:
    """Declares a flag that names files or directories, comma-separated."""
    flags.DEFINE(
        _PathListParser(), name, default, explanation, serializer=flags.CsvListSerializer(",")
    )


def define_run_flags(kept: str) -> None:
    """Declares the flags of a run directory, which both trainings have.

    Args:
        kept: What the run directory contains, for the help.
    """
    define_path("run", None, f"Run directory: {kept}.")
    flags.DEFINE_bool(
        "resume", False, "Continue the run in --run; start a new one if there is none."
    )


def check_given(*names: str) -> None:
    """Raises an error for the first of some flags, all of directories, that has no value."""
    for name in names:
        if not flags.FLAGS[name].value:
            raise InputError(f"Expected --{name}=DIR. Received: nothing. See --help.")


def define_settings(settings: type) -> None:
    """Declares a flag for each setting of a class, from its `setting` metadata.

    Args:
        settings: A dataclass such as `DMGANConfig`.
    """
    hints = typing.get_type_hints(settings)
    for field, setting in _settings(settings):
        name, explanation = setting.flag or field.name, setting.help
        hint = hints[field.name]
        if setting.registry is not None:
            names = ", ".join(setting.registry.names)
            explanation += f" One of {names}, or module:Class; with arguments, NAME(argument=1)."
        if setting.choices:
            flags.DEFINE_enum(name, field.default, setting.choices, explanation)
            continue
        if setting.expected:
            explanation += f" Must be {setting.expected}."
        repeatable = typing.get_origin(hint) is collections.abc.Sequence
        if setting.path:
            define = define_multi_path if repeatable else define_path
            define(name, list(field.default) if repeatable else field.default, explanation)
        elif repeatable:
            flags.DEFINE_multi_string(name, list(field.default), explanation)
        else:
            kind, *_ = typing.get_args(hint) or [hint]  # of `int | None`
            _DEFINE[kind](name, field.default, explanation)


def read_settings(settings: type):
    """Returns settings of a class, by the flags that `define_settings` declared.

    Raises:
        InputError: If a value is out of its range; it names the flag.
    """
    given = {
        field.name: flags.FLAGS[setting.flag or field.name].value
        for field, setting in _settings(settings)
    }
    return settings(**given)


def names_of_flags(settings: type) -> list[str]:
    """Returns the names of the flags that `define_settings` declares."""
    return [setting.flag or field.name for field, setting in _settings(settings)]


def _settings(settings):
    return [
        (field, field.metadata["setting"])
        for field in dataclasses.fields(settings)
        if "setting" in field.metadata
    ]


def flag_lines(names: Iterable[str]) -> list[str]:
    """Returns those of the named flags that have a value, as `--name=value`."""
    lines = []
    for flag in (flags.FLAGS[name] for name in names):
        if isinstance(flag, flags.MultiFlag):
            serialize = flag.serializer.serialize
            lines += [f"--{flag.name}={serialize(value)}" for value in flag.value or ()]
        elif flag.value not in (None, []):
            lines.append(flag.serialize())
    return lines


def flags_text(names: Iterable[str]) -> str:
    """Returns the named flags that have a value, one per line, as `--flagfile` reads them.

    Raises:
        InputError: If a value cannot be written in a line of such a file.
    """
    names = list(names)
    for name in names:
        value = flags.FLAGS[name].value
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not _is_line(text):
                raise InputError(
                    f"Expected --{name} in one line of text, because the run's flags.txt stores "
                    f"it. Received: {text[:80]!r}."
                )
    return "".join(f"{line}\n" for line in flag_lines(names))


def _is_line(text):
    """Whether a text is one line that UTF-8 can encode; file names may contain other bytes."""
    return not set(text) & {"\n", "\r"} and text.encode("utf-8", "ignore").decode() == text
