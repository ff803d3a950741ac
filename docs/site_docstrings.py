"""An extension of Griffe, which parses the docstrings: names of sections that it does not know."""

import griffe

_NAMES = {
    "Call arguments:": "Other Parameters: Call arguments",
    "Example:": "Examples:",
}


class Sections(griffe.Extension):
    """A renaming of sections to those names under which Griffe parses them."""

    def on_object(self, *, obj, **_):
        """Renames the sections of one docstring."""
        if obj.docstring:
            lines = obj.docstring.value.splitlines()
            obj.docstring.value = "\n".join(_NAMES.get(line, line) for line in lines)
