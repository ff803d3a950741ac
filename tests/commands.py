"""The package's commands, run in this process."""

import contextlib
import importlib
import logging

from absl import app, flags


def command_module(name: str):
    """The module that `python -m dmgan_tf.NAME` runs: a package's is its `__main__`."""
    module = importlib.import_module(f"dmgan_tf.{name}")
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"dmgan_tf.{name}.__main__")
    return module


@contextlib.contextmanager
def defined_flags(module):
    """The flags of a command, or of a script made like one, until the context ends.

    So, too, the handlers of logging that running it adds. They go first: while its handler is
    there, absl takes the root's level back with the flag.
    """
    app.define_help_flags()
    others, handlers = set(flags.FLAGS), logging.root.handlers[:]
    try:
        module.define_flags()
        yield flags.FLAGS
    finally:
        logging.root.handlers[:] = handlers
        for flag in set(flags.FLAGS) - others:
            delattr(flags.FLAGS, flag)
        flags.FLAGS.unparse_flags()
