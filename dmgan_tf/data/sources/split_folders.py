"""Folders whose names say which images are for training, for validation and for testing.

The usual names are recognised: `val`, `valid`, `dev`, `Train`, `test2014`, `train_images`.
"""

import os
import re
from collections.abc import Iterable, Sequence

_SPLIT_OF = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
# A class may be called "train station", but hardly "train_images".
_SPLIT = re.compile(rf"({'|'.join(_SPLIT_OF)})(?:[-_. ]?(?:set|split|data|images?|\d+))*", re.I)
_LIKE_SPLIT = re.compile(rf"(?:{'|'.join(_SPLIT_OF)}|hold[-_ ]?out|held[-_ ]?out)(?![a-z])", re.I)

Parts = tuple[str, ...]  # the names of a folder and of those above it, from the source on


def split_of_name(name: str) -> str | None:
    """Returns the split of a folder of this name; None if the name is no split's.

    Example:

    >>> split_of_name("val2014"), split_of_name("Testing"), split_of_name("train station")
    ('validation', 'test', None)
    """
    match = _SPLIT.fullmatch(name)
    return _SPLIT_OF[match[1].lower()] if match else None


def folder_of_splits(folders: Sequence[Parts]) -> Parts:
    """Returns the parent of the folders of the splits, if there are any.

    Args:
        folders: The folder of every image.
    """
    common = os.path.commonprefix(list(folders))
    below = {folder[len(common)] for folder in folders if len(folder) > len(common)}
    if not any(split_of_name(name) for name in below):
        for depth, name in enumerate(common):
            if split_of_name(name):
                return common[:depth]
    return common


def split_of_folder(folder: Parts, above: Parts) -> str | None:
    """Returns the split of the images in a folder; None if its name is no split's.

    Args:
        folder: The folder.
        above: What `folder_of_splits` returned.
    """
    is_below = folder[: len(above)] == above and len(folder) > len(above)
    return split_of_name(folder[len(above)]) if is_below else None


def unused_folders(
    folders: Iterable[Parts], used: Iterable[Parts], above: Parts
) -> dict[Parts, str | None]:
    """Returns the folders that are those of a split by their names, but of no split.

    Args:
        folders: All folders of the source, each after the one that it is in.
        used: The folder of every image.
        above: The result of `folder_of_splits`.

    Returns:
        The split that each would be if it had captions; None where it is not beside the folders of
        the splits.
    """
    depth = len(above) + 1
    serving = {folder[:depth] for folder in used if split_of_folder(folder, above)}
    unused = {}
    for folder in folders:
        is_within = folder[:depth] in serving or any(folder[:n] in unused for n in range(depth + 1))
        if folder and not is_within and folder != above[: len(folder)]:
            split = split_of_folder(folder, above) if len(folder) == depth else None
            if split or _looks_like_split(folder[-1]):
                unused[folder] = split
    return unused


def _looks_like_split(name: str) -> bool:
    return split_of_name(name) is not None or _LIKE_SPLIT.match(name) is not None
