"""Which images of a source have changed since they were prepared.

A file with the same size and times is unchanged. Where they differ, the file is read and its hash
is compared: in a copy of the folder or a fresh checkout, the times differ and the images do not.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping

from dmgan_tf.data.sources.source import CaptionedImage, Unusable
from dmgan_tf.files import atomic

VERSIONS_FILE = "source_versions.json"


@dataclasses.dataclass(frozen=True)
class SourceVersions:
    """The versions of the images that a data set was prepared from.

    Args:
        identity: The hash of everything that the data set depends on except the images.
        images: The result of `describe` for each image, by its name.
    """

    identity: str
    images: Mapping[str, list | None]

    def save(self, directory: pathlib.Path) -> None:
        """Writes them into the directory of the data set."""
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False)
        atomic.write_text(directory / VERSIONS_FILE, text + "\n")


def load(directory: pathlib.Path) -> SourceVersions | None:
    """Reads the file of `SourceVersions.save`; None if it is missing or damaged."""
    try:
        content = json.loads((directory / VERSIONS_FILE).read_text(encoding="utf-8"))
        return SourceVersions(**content)
    except (OSError, ValueError, TypeError):
        return None


def describe(image: CaptionedImage) -> list | None:
    """Returns the version of an image, the times of its file, and the hash of its content.

    None for an image that is not a file, whose version is sufficient.
    """
    if image.path is None:
        return None
    # Before the content is read, so that a change in between is found later.
    return [*_quick(image), _digest(image)]


def changed_images(
    images: Iterable[CaptionedImage], described: Mapping[str, list | None]
) -> list[CaptionedImage]:
    """Returns the images whose content has changed since they were described.

    Args:
        images: The current images.
        described: The results of `describe`, by name; an image without an entry is unchanged.
    """

    def has_changed(image):
        *quick, digest = described[image.file_name]
        return quick != _quick(image) and digest != _digest(image)

    images = [image for image in images if described.get(image.file_name)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [
            image for image, new in zip(images, pool.map(has_changed, images), strict=True) if new
        ]


def _quick(image: CaptionedImage) -> list:
    try:
        status = os.stat(image.path)
    except OSError:
        return [image.version(), None, None]
    # The second one changes even where a copy keeps the first.
    return [image.version(), status.st_mtime_ns, status.st_ctime_ns]


def _digest(image: CaptionedImage) -> str | None:
    try:
        return hashlib.sha256(image.read()).hexdigest()
    except Unusable:
        return None
