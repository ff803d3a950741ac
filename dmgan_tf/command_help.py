"""The `--help` of a command, and its message about a mistyped flag or value.

`--help` fits on one screen: what the command does, an example, and the flags that most people use,
which the command's module names in `COMMON_FLAGS`, most used first. `--helpfull` shows the rest.
"""

import contextlib
import re
import sys
import textwrap
import types

from absl import app, flags

from dmgan_tf.errors import did_you_mean

_WIDTH = 100  # columns
_WIDEST_FLAG = 30  # characters, before its text begins on a new line
_FLAG_FILE = "--flagfile=PATH", "A file with more flags, one per line; repeatable."
_MODULE = __name__  # the help flags belong to this module, not to the command


def define_help_flags(module: types.ModuleType) -> None:
    """Declares `--help` and `--helpfull` for a command, instead of those that absl declares.

    Args:
        module: The command's module: its docstring begins with a sentence, and has an example.
    """
    app.define_help_flags()
    for name, short_name, text in (
        ("help", "?", short_help),
        ("helpshort", None, short_help),
        ("helpfull", None, full_help),
    ):
        flag = _HelpFlag(name, short_name, module, text)
        flags.DEFINE_flag(flag, module_name=_MODULE)


class _HelpFlag(flags.BooleanFlag):
    """A flag that prints a text about a command and ends the process."""

    def __init__(self, name, short_name, module, text):
        super().__init__(name, False, "Show help.", short_name=short_name, allow_override=True)
        self._module = module
        self._text = text

    def parse(self, argument):
        if self._parse(argument):
            with contextlib.suppress(BrokenPipeError):  # of `| head`
                print(self._text(self._module), flush=True)
            sys.exit(0)


def short_help(module: types.ModuleType) -> str:
    """Returns what a command does, an example, and its common flags, at most a screen of them."""
    common, others = _flags_of(module)
    return "\n".join(
        [
            *textwrap.wrap(_sentence(module), _WIDTH),
            "",
            *_example(module),
            "",
            *_lines(_described(common or others)),
            "",
            "--helpfull says more"
            + (f" and lists {len(others)} more flags." if common and others else "."),
        ]
    )


def full_help(module: types.ModuleType) -> str:
    """Returns the docstring of a command, and all its flags."""
    common, others = _flags_of(module)
    of_every_command = [*_described([flags.FLAGS["allow_module"]]), _FLAG_FILE]
    parts = [(module.__doc__ or "").strip()]
    for title, listed in (
        ("Flags", _described(common)),
        ("More flags" if common else "Flags", _described(others)),
        ("Flags of every command", of_every_command),
    ):
        if listed:
            parts.append("\n".join([f"{title}:", *_lines(listed)]))
    return "\n\n".join(parts)


def _flags_of(module):
    """The flags of a command: the common ones in their order, the others as they were declared."""
    # The name under which absl keeps the flags of a module that is run.
    name = sys.argv[0] if module.__name__ == "__main__" else module.__name__
    declared = {flag.name: flag for flag in flags.FLAGS.flags_by_module_dict().get(name, ())}
    common = [declared.pop(name) for name in getattr(module, "COMMON_FLAGS", ())]
    return common, [flag for flag in declared.values() if flag.name != "allow_module"]


def _sentence(module):
    return (module.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")


def _example(module):
    """The first lines of a docstring that give this command, with those that continue them."""
    lines = (module.__doc__ or "").splitlines()
    name = (module.__spec__ and module.__spec__.name or module.__name__).removesuffix(".__main__")
    begins = re.compile(rf"\s*python -m {re.escape(name)}( --|$)")
    start = next((number for number, line in enumerate(lines) if begins.match(line)), len(lines))
    end = start
    while end < len(lines) and lines[end].endswith("\\"):
        end += 1
    return textwrap.indent(textwrap.dedent("\n".join(lines[start : end + 1])), "  ").splitlines()


def _described(listed):
    return [(_spelling(flag), _text(flag)) for flag in listed]


def _lines(described: list[tuple[str, str]]) -> list[str]:
    column = 4 + min(_WIDEST_FLAG, max((len(spelling) for spelling, _ in described), default=0))
    lines = []
    for spelling, text in described:
        start = f"  {spelling}".ljust(column)
        if not start.endswith(" "):
            lines.append(start)
            start = " " * column
        lines += textwrap.wrap(
            text,
            _WIDTH,
            initial_indent=start,
            subsequent_indent=" " * column,
            break_on_hyphens=False,
        )
    return lines


def _spelling(flag):
    if flag.boolean:
        return f"--{flag.name}" if flag.default is False else f"--[no]{flag.name}"
    return f"--{flag.name}={_placeholder(flag.parser)}"


def _placeholder(parser):
    for kind, placeholder in (
        (flags.IntegerParser, "N"),
        (flags.FloatParser, "X"),
        (flags.EnumParser, "NAME"),
        (flags.ListParser, "A,B,..."),
    ):
        if isinstance(parser, kind):
            return placeholder
    return getattr(parser, "placeholder", "TEXT")


def _text(flag):
    """What a flag is for, its choices and its default."""
    said, _, _ = flag.help.partition(";\n    repeat this option")  # absl's, of a repeatable one
    parts = [said]
    if isinstance(flag.parser, flags.EnumParser):
        choices = flag.parser.enum_values
        parts = [said.removeprefix(f"<{'|'.join(choices)}>: "), f"One of {', '.join(choices)}."]
    if flag.boolean:
        parts += ["[on]"] * bool(flag.default)
    elif flag.default not in (None, [], ""):
        parts.append(f"[{flag.default_as_str.strip(chr(39))}]")
    return " ".join(parts)


def explain(error: Exception, module: types.ModuleType) -> str:
    """Says what is wrong with a flag, and which flag or value was probably meant.

    Args:
        error: What absl raised.
        module: The command's module.

    Returns:
        One or more sentences.
    """
    if isinstance(error, flags.UnrecognizedFlagError):
        meant = _nearest_flag(error.flagname, module)
        return f"Unknown command line flag {error.flagname!r}.{meant}"
    match = re.match(r"flag --(?P<name>\w+)=(?P<rest>.*)", str(error), re.DOTALL)
    if isinstance(error, flags.IllegalFlagValueError) and match:
        name, parser = match["name"], flags.FLAGS[match["name"]].parser
        if isinstance(parser, flags.EnumParser):
            value, _, _ = match["rest"].rpartition(": ")
            choices = ", ".join(parser.enum_values)
            meant = did_you_mean(value, parser.enum_values)
            return f"Expected --{name} to be one of {choices}. Received: {value!r}.{meant}"
        if isinstance(parser, flags.IntegerParser | flags.FloatParser):
            value, _, _ = match["rest"].partition(": ")
            return f"Expected --{name} ({parser.syntactic_help}). Received: {value!r}."
    return f"{str(error).rstrip('.')}."


def _nearest_flag(received, module):
    common, others = _flags_of(module)
    names = ["allow_module", "flagfile", "help", "helpfull"]
    for flag in (*common, *others):
        names += [flag.name, f"no{flag.name}"] if flag.boolean else [flag.name]
    return did_you_mean(received, names, "--")
