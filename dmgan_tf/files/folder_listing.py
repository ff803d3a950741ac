"""Lists a user's folder: every entry once, files separate from the rest.

Archives, file managers and notebooks leave files that look like pictures or captions and are not.
They are ignored, but counted, so that the numbers of a report add up.
"""

import collections
import dataclasses
import functools
import os
import pathlib
import unicodedata
from collections.abc import Callable, Iterator, Mapping

_LEFTOVERS = frozenset(
    {
        "__macosx",  # from archives of macOS, unpacked on other systems
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",  # thumbnails of network storage devices
        "lost+found",
    }
)
BROKEN_LINK = "broken link"
CIRCLE = "link back to a folder above it"
KNOWN_FOLDER = "link to a folder that is listed already"
UNREADABLE_FOLDER = "folder that cannot be read"
NO_FILE = "neither a file nor a folder"


@dataclasses.dataclass(frozen=True)
class FolderListing:
    """The entries of a folder and of those in it, each but the folders once.

    The number of all entries is `len(files) + len(refused) + len(not_looked_at)`.

    Args:
        root: The folder, as given; every path begins with it.
        files: The files, sorted by path.
        folders: The folders that were entered, sorted by path; they are not entries.
        refused: Entries that cannot be used, each with a short reason, by which they are counted,
            such as a broken link or one to a folder that is listed already.
        not_looked_at: Ignored hidden files and leftovers of systems and programs, each with its
            kind, by which they are counted. Every file in a folder of this kind is an entry.
    """

    root: pathlib.Path
    files: tuple[pathlib.Path, ...]
    folders: tuple[pathlib.Path, ...]
    refused: Mapping[pathlib.Path, str]
    not_looked_at: Mapping[pathlib.Path, str]

    def __len__(self):
        return len(self.files) + len(self.refused) + len(self.not_looked_at)

    def __iter__(self) -> Iterator[pathlib.Path]:
        yield from self.files
        yield from self.refused
        yield from self.not_looked_at

    def find(self, path: pathlib.Path) -> pathlib.Path | None:
        """Returns the file at a path, in any Unicode normalisation form of its name.

        Args:
            path: Its path, beginning with the root.
        """
        path = pathlib.Path(os.path.normpath(path))
        if path in self._known:
            return path
        return self._by_composed_name.get(composed(str(path)))

    @functools.cached_property
    def _known(self) -> frozenset[pathlib.Path]:
        return frozenset(self.files)

    @functools.cached_property
    def _by_composed_name(self) -> dict[str, pathlib.Path]:
        return {composed(str(path)): path for path in self.files}


def list_folder(root: str | os.PathLike) -> FolderListing:
    """Lists a folder and all in it; links are followed.

    A folder is entered once, by its own path if that is below the root and else by the first link
    to it. So cycles of links end, and an entry with two paths is listed once.

    Args:
        root: The folder.

    Raises:
        OSError: If the root itself cannot be read.
    """
    root = pathlib.Path(root)
    files, listed, refused, not_looked_at = [], [], {}, {}
    # A link upwards would list the root again, and everything beside it.
    entered = {_identity(parent) for parent in root.resolve().parents}
    folders, links = collections.deque([root]), collections.deque()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        try:
            identity, entries = _identity(folder), _entries_of(folder)
        except OSError:
            if folder == root:
                raise
            refused[folder] = UNREADABLE_FOLDER
            continue
        if identity in entered:
            is_circle = folder.parent.resolve().is_relative_to(folder.resolve())
            refused[folder] = CIRCLE if is_circle else KNOWN_FOLDER
            continue
        entered.add(identity)
        listed.append(folder)
        for entry in entries:
            path, kind = folder / entry.name, leftover_kind(entry.name)
            if kind is not None:
                not_looked_at.update(dict.fromkeys(_files_below(path, entry), kind))
            elif _leads_to(entry.is_dir):
                (links if entry.is_symlink() else folders).append(path)
            elif _leads_to(entry.is_file):
                files.append(path)
            else:
                refused[path] = BROKEN_LINK if entry.is_symlink() else NO_FILE
    return FolderListing(root, tuple(sorted(files)), tuple(sorted(listed)), refused, not_looked_at)


def leftover_kind(name: str) -> str | None:
    """Returns the kind of leftover with this name; None for a user's file or folder.

    Args:
        name: The name of a file or folder, without the folders it is in.

    Example:

    >>> leftover_kind("._robin.jpg"), leftover_kind("robin.jpg")
    ('._*', None)
    """
    if name.casefold() in _LEFTOVERS:
        return name
    if name == ".ipynb_checkpoints":
        return name
    if name.startswith("._"):  # the metadata of a file of macOS
        return "._*"
    return "hidden" if name.startswith(".") else None


def composed(name: str) -> str:
    """Returns a name in the normal form NFC; macOS writes some letters as two characters."""
    return unicodedata.normalize("NFC", name)


def _entries_of(folder: pathlib.Path) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _leads_to(is_kind: Callable[[], bool]) -> bool:
    try:
        return is_kind()
    except OSError:  # for example a link to itself
        return False


def _files_below(path: pathlib.Path, entry: os.DirEntry) -> list[pathlib.Path]:
    """The entry itself, or the files in it if it is a folder; no link is followed."""
    if not entry.is_dir(follow_symlinks=False):
        return [path]
    found = [
        pathlib.Path(folder, name)
        for folder, folders, files in os.walk(path)
        for name in [*files, *(n for n in folders if os.path.islink(os.path.join(folder, n)))]
    ]
    return sorted(found)


def _identity(folder: pathlib.Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
