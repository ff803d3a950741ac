"""Settings defined once: default, range, choices and help, each at its field.

    @dataclasses.dataclass(frozen=True)
    class MySettings(Checked):
        batch_size: int = setting(10, "Images per step.", low=1)

The flags of a command, its `--help`, `flags.txt` and the checks are derived from the fields:
`command.define_settings` and `command.read_settings`.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from dmgan_tf.errors import InputError
from dmgan_tf.registry.lookup import Choice, Registry, allow_choice


@dataclasses.dataclass(frozen=True)
class Setting:
    """The metadata of a setting, beside its name, type and default.

    Args:
        help: Its text in `--help`.
        flag: Name of its flag; `None` for that of the field.
        path: Whether it names a file or a directory.
        choices: The allowed texts; empty for any.
        registry: The classes that it can name, beside those that a user names as `module:Class`.
        expected: The range of a number, in words.
        holds: Whether a value is as expected.
    """

    help: str
    flag: str | None = None
    path: bool = False
    choices: Sequence[str] = ()
    registry: Registry | None = None
    expected: str = ""
    holds: Callable[[Any], bool] = lambda value: True

    def check(self, name: str, value: Any) -> None:
        """Raises an error for a value that is not allowed; may import a module that it names.

        Raises:
            InputError: With the name of the flag.
        """
        flag = f"--{self.flag or name}"
        if self.registry is not None:
            choice = Choice.parse(value)
            self.registry.check_name(choice.name, flag)
            allow_choice(choice)
        elif not self.holds(value):
            raise InputError(f"Expected {flag} to be {self.expected}. Received: {value}.")


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[str] = (),
    registry: Registry | None = None,
    must: tuple[str, Callable[[Any], bool]] | None = None,
    flag: str | None = None,
    path: bool = False,
) -> Any:
    """Returns a dataclass field with the metadata of a setting.

    Args:
        default: Its default value; with `None`, `None` is allowed, too.
        help: Its text in `--help`.
        low: The smallest number allowed.
        high: The largest number allowed.
        above: A number that it must exceed.
        below: A number that it must be less than.
        choices: The allowed texts.
        registry: The classes that it can name; a user may also name one as `module:Class`.
        must: Another condition: what it must be, in words, and a function that checks it.
        flag: Name of the flag; `None` for that of the field.
        path: Whether it names a file or a directory, or several.
    """
    if choices:
        must = f"one of {tuple(choices)}", lambda value: value in choices
    elif any(bound is not None for bound in (low, high, above, below)):
        must = _range(low, high, above, below)
    known = Setting(help, flag, path, choices, registry, *(must or ()))
    return dataclasses.field(default=default, metadata={"setting": known})


class Checked:
    """A base of dataclasses whose fields are checked by their `setting` metadata."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if "setting" in field.metadata and (value is not None or field.default is not None):
                field.metadata["setting"].check(field.name, value)

    def find_classes(self) -> None:
        """Imports the classes that settings name, so that a wrong one is reported at once.

        Raises:
            InputError: If one is missing, cannot be imported, or is of the wrong kind.
        """
        for field in dataclasses.fields(self):
            known = field.metadata.get("setting")
            if known is not None and known.registry is not None:
                known.registry.find(Choice.parse(getattr(self, field.name)).name)


def _range(low, high, above, below):
    """The words for a range of numbers, and the function that checks it."""

    def holds(value):
        return (
            math.isfinite(value)
            and (low is None or value >= low)
            and (high is None or value <= high)
            and (above is None or value > above)
            and (below is None or value < below)
        )

    if above is not None:
        return ("a positive number" if high is None else f"above {above}, at most {high}"), holds
    if high is not None:
        return f"from {low} to {high}", holds
    if below is not None:
        return f"from {low} up to, not including, {below}", holds
    return f"{low} or more", holds
