"""Paths as users write them."""

import os
import re
from collections.abc import Sequence

from dmgan_tf.errors import InputError

# One slash is enough, which is what pathlib leaves of two. One letter is a drive of Windows.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def local_path(path: str, protocols: Sequence[str] = ()) -> str:
    """Returns a user's path with `~` expanded.

    Args:
        path: A path, or an address of one of the protocols.
        protocols: Those whose addresses are returned unchanged, such as `hf`.

    Raises:
        InputError: If it is another address, or the home directory of an unknown user.
    """
    if path.startswith(tuple(f"{protocol}://" for protocol in protocols)):
        return path
    check_local(path, protocols)
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        user = path.partition("/")[0]
        raise InputError(
            f"Expected {user} to be the home directory of a user of this machine. Received: no "
            f"such user. Write ./{path} for a name that begins with ~."
        )
    return expanded


def check_local(path: str | os.PathLike, protocols: Sequence[str] = ()) -> None:
    """Raises an error for an address such as `gs://BUCKET/DIR`, which is not a local path.

    Args:
        path: The path.
        protocols: Those whose addresses are also allowed, for the message.

    Raises:
        InputError: If the path begins with the name of a protocol.
    """
    match = _ADDRESS.match(os.fspath(path))
    if match:
        expected = ", ".join(["a path of this machine", *(f"{name}://" for name in protocols)])
        raise InputError(
            f"Expected {expected}. Received: an address of {match[1]}://. Copy the files, or mount "
            "the storage, and give that path."
        )
