"""Matches files of captions to the images beside them, by their names."""

import collections
import pathlib
from collections.abc import Iterable

from dmgan_tf.data.sources.account import CAPTION_SUFFIXES, IMAGE_SUFFIXES
from dmgan_tf.errors import InputError
from dmgan_tf.files.folder_listing import composed
from dmgan_tf.files.text_lines import read_lines

NO_SIDECAR = "image without a file of captions"
NO_IMAGE = "file of captions without an image"
SECOND_SIDECAR = "second file of captions of an image"


def match_sidecars(
    files: Iterable[pathlib.Path],
) -> tuple[list[tuple[pathlib.Path, pathlib.Path]], dict[pathlib.Path, str]]:
    """Finds the captions of each image: NAME.txt, NAME.jpg.txt, NAME.caption or NAME.jpg.caption.

    The suffix may be in capitals, and the name in either normal form of Unicode. Where an image has
    several such files, the first in this order is read.

    Args:
        files: The files of one or more folders, in order.

    Returns:
        The path of each image that has captions and that of the captions, in the order of the
        images; and why each of the other images and caption files is not used.
    """
    images, sidecars = [], collections.defaultdict(list)
    for path in files:
        suffix = path.suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            images.append(path)
        elif suffix in CAPTION_SUFFIXES:
            sidecars[path.parent, composed(path.stem)].append(path)
    pairs, unused = [], {}
    for path in images:
        # An image "a.jpg" may be beside another "a.png", but "a.jpg.txt" is of the first only.
        found = [
            sidecar
            for name in (path.stem, path.name)
            for sidecar in sidecars.get((path.parent, composed(name)), ())
        ]
        if not found:
            unused[path] = NO_SIDECAR
            continue
        found.sort(key=lambda sidecar: _preference(path, sidecar))
        pairs.append((path, found[0]))
        unused |= dict.fromkeys(found[1:], SECOND_SIDECAR)
    read = {sidecar for _, sidecar in pairs}
    for path in (path for paths in sidecars.values() for path in paths):
        if path not in read:
            unused.setdefault(path, NO_IMAGE)
    return pairs, {path: reason for path, reason in unused.items() if path not in read}


def read_sidecar(path: pathlib.Path) -> list[str]:
    """Returns the captions in a file, one per line.

    Raises:
        InputError: If it cannot be read, or is not UTF-8.
    """
    try:
        return read_lines(path)
    except UnicodeDecodeError as error:
        raise InputError(f"Expected UTF-8 in {path}: {error}.") from error
    except OSError as error:
        raise InputError(f"Cannot read the captions in {path}: {error.strerror}.") from error


def _preference(image: pathlib.Path, sidecar: pathlib.Path) -> tuple:
    """The sort key; the first is read: by suffix, then a name without the image's suffix."""
    return (
        CAPTION_SUFFIXES.index(sidecar.suffix.lower()),
        composed(sidecar.stem) == composed(image.name),
        sidecar.stem not in (image.stem, image.name),  # in another Unicode normalisation form
        sidecar.suffix not in CAPTION_SUFFIXES,
        sidecar.name,
    )
