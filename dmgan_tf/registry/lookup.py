"""Finds classes by name: the package's own by a registered name, others as `module:Class`.

A name may be followed by arguments of the constructor: `"hinge"`, `"my_module:Hinge(margin=2.0)"`.
Code outside the package runs only if the user named it, on a command line or by `allow_module`: a
model directory may name it, too, but that alone does not run it.
"""

import ast
import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from dmgan_tf.errors import InputError, did_you_mean, first_line

_PACKAGE = __name__.partition(".")[0]
_allowed_modules = set()


@dataclasses.dataclass(frozen=True)
class Choice:
    """A class by its name, and the arguments of its constructor.

    Args:
        name: A registered name, or `module:Class`.
        options: Keyword arguments, JSON values.
    """

    name: str
    options: Mapping = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Choice":
        """Reads `NAME` or `NAME(argument=value, ...)`; the values are Python literals.

        Raises:
            InputError: If the text is neither.
        """
        name, opened, arguments = text.strip().partition("(")
        if not opened:
            return cls(name)
        try:
            call = ast.parse(f"f({arguments}", mode="eval").body
            if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name):
                raise ValueError("no call with named arguments")
            options = {item.arg: ast.literal_eval(item.value) for item in call.keywords}
            if None in options:
                raise ValueError("no call with named arguments")
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise InputError(
                f"Expected NAME or NAME(argument=value, ...). Received: {text!r}. Quote it for the "
                'shell, as in --objective="my_module:Hinge(margin=2.0)".'
            ) from error
        return cls(name.strip(), options)

    @classmethod
    def of(cls, given: "str | Mapping | Choice") -> "Choice":
        """Reads a text, as `parse`, or the result of `Registry.describe`.

        Raises:
            InputError: If it is neither, nor a `Choice`.
        """
        if isinstance(given, str):
            return cls.parse(given)
        if isinstance(given, Mapping) and isinstance(given.get("class"), str):
            return cls(given["class"], {k: v for k, v in given.items() if k != "class"})
        if isinstance(given, cls):
            return given
        raise InputError(
            f"Expected a class by its name, or with its options. Received: {str(given)[:80]}."
        )

    def __str__(self):
        """The text that `parse` reads."""
        if not self.options:
            return self.name
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"


class Registry:
    """The classes of one kind.

    Args:
        kind: Their kind, for messages: `"objective"`.
        base: Their base class, as `module:Class`.
        classes: Registered names, and the `module:Class` of each.
    """

    def __init__(self, kind: str, base: str, classes: Mapping[str, str]):
        self.kind = kind
        self.base = base
        self.classes = dict(classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The registered names."""
        return tuple(self.classes)

    def check_name(self, name: str, called: str) -> None:
        """Raises an error for a name neither registered nor a `module:Class`; imports nothing.

        Args:
            name: The name.
            called: Its name in the message: `"--objective"`.

        Raises:
            InputError: With the registered names.
        """
        module, _, attribute = name.partition(":")
        if name not in self.classes and not (module and attribute):
            raise InputError(
                f"Expected {called} to be one of {', '.join(self.names)}, or module:Class. "
                f"Received: {name!r}.{did_you_mean(name, self.names)}"
            )

    def find(self, name: str) -> type:
        """Returns the class of a name, whose module is imported.

        Args:
            name: A registered name, or `module:Class` of a module that the user allowed.

        Raises:
            InputError: If there is no such name, module or class, if the module raises or was not
                allowed, or if the class is not of this kind.
        """
        self.check_name(name, f"the {self.kind}")
        if name in self.classes:
            return _attribute(self.kind, self.classes[name])
        module, _, attribute = name.partition(":")
        if module not in _allowed_modules and module.partition(".")[0] != _PACKAGE:
            raise InputError(
                f"Expected a model of this package's own classes. Received: one whose {self.kind} "
                f"is {name}, code outside the package, which is not run unless you allow it: read "
                f"the module {module}, then give --allow_module={module} (in Python: "
                f"allow_modules=[{module!r}])."
            )
        found = _attribute(self.kind, name)
        base = _attribute(self.kind, self.base)
        if not (isinstance(found, type) and issubclass(found, base)):
            raise InputError(
                f"Expected the {self.kind} {name} to be a class that inherits from "
                f"{self.base.replace(':', '.')}. Received: {_described(found)}."
            )
        return found

    def create(self, choice: Choice, **arguments) -> Any:
        """Returns an object of the chosen class.

        Args:
            choice: A `Choice`.
            **arguments: Further arguments of the constructor; the choice's own override them.

        Raises:
            InputError: As `find`, or if the constructor does not accept the arguments.
        """
        found = self.find(choice.name)
        given, taken = {**arguments, **choice.options}, options_of(found)
        try:
            for name in choice.options:
                if name not in taken:
                    raise TypeError(f"it takes {', '.join(taken) or 'none'}")
            inspect.signature(found).bind(**given)
        except TypeError as error:
            raise InputError(
                f"Expected arguments that the {self.kind} {choice.name} takes. Received: "
                f"{choice} ({first_line(error)})."
            ) from error
        try:
            return found(**given)
        except InputError:
            raise
        except (ArithmeticError, TypeError, ValueError) as error:
            if not choice.options:
                raise  # a bug, not a wrong option
            raise InputError(
                f"Expected options that the {self.kind} {choice.name} can be made with. Received: "
                f"{choice} ({first_line(error)})."
            ) from error

    def make(self, given: Any, offered: Mapping, **arguments) -> Any:
        """Returns an object of a class that is given in any form.

        Args:
            given: An object of this kind, which is returned unchanged; or a class by its name, as a
                `Choice` or as a result of `describe`.
            offered: Arguments for those classes whose constructors accept them.
            **arguments: Arguments for all classes.

        Raises:
            InputError: As `create`.
        """
        if isinstance(given, _attribute(self.kind, self.base)):
            return given
        choice = Choice.of(given)
        taken = options_of(self.find(choice.name))
        offered = {name: value for name, value in offered.items() if name in taken}
        return self.create(choice, **offered, **arguments)

    def name_of(self, found: type) -> str:
        """Returns the registered name of a class, or its `module:Class`."""
        path = f"{found.__module__}:{found.__qualname__}"
        return next((name for name, place in self.classes.items() if place == path), path)

    def describe(self, thing: Any) -> dict:
        """Returns the entry for `config.json` and checkpoints: the class's name and options."""
        return {"class": self.name_of(type(thing)), **own_config(thing)}

    def describe_briefly(self, thing: Any, offered: Mapping) -> str | dict:
        """Returns only the name, if `make`'s offered arguments give the rest; else `describe`."""
        description = self.describe(thing)
        name = description.pop("class")
        return name if description.items() <= offered.items() else {"class": name, **description}


def own_config(thing: Any) -> dict:
    """Returns the arguments in `thing.get_config()` that `options_of` names."""
    taken = options_of(type(thing))
    return {name: value for name, value in thing.get_config().items() if name in taken}


def options_of(found: type) -> list[str]:
    """Names the arguments that a class and its bases accept, but not those of a Keras class.

    A configuration must not set the arguments of every layer or model of Keras: `inputs` and
    `outputs` would change the class itself, for the rest of the process. A class names in
    `fixed_arguments` those of its bases that it sets itself.
    """
    names = []
    for base in found.__mro__:
        if base.__module__.partition(".")[0] == "keras":
            break
        if "__init__" in vars(base) and base is not object:
            _, *parameters = inspect.signature(base.__init__).parameters.values()
            names += [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [name for name in names if name not in getattr(found, "fixed_arguments", ())]


def allow_module(name: str) -> None:
    """Lets models that name classes of a module outside the package run its code.

    Args:
        name: The module's name, as `import` takes it.
    """
    _allowed_modules.add(name)


def allow_choice(choice: Choice) -> None:
    """Allows the module of a class that the user named, if it names one."""
    module, separator, _ = choice.name.partition(":")
    if separator:
        allow_module(module)


def _attribute(kind: str, place: str):
    module_name, _, attribute = place.partition(":")
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise InputError(
                f"Expected a module {module_name} for the {kind} {place}. Received: no such "
                "module. Start in its folder, or add the folder to PYTHONPATH."
            ) from error
        raise InputError(
            f"Expected the module {module_name} of the {kind} {place} to import. Received: "
            f"{first_line(error)}. Install what it needs."
        ) from error
    except Exception as error:  # the user's code may raise anything
        raise InputError(
            f"Expected the module {module_name} of the {kind} {place} to import. Received: "
            f"{type(error).__name__}: {first_line(error)}. Fix it."
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(
                f"Expected a class {attribute} in {module_name}, the {kind}. Received: a module "
                "without it. Check its spelling."
            )
        found = getattr(found, part)
    return found


def _described(found) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
