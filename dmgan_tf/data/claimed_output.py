"""Checks the output directory of a data set: free, unfinished or complete."""

import logging
import pathlib
from collections.abc import Hashable, Mapping

from dmgan_tf.data import records, source_versions
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError
from dmgan_tf.files import atomic

PROGRESS_DIRECTORY = ".preparing"

_logger = logging.getLogger(__name__)


def open_output(
    output: pathlib.Path,
    fingerprint: str,
    identity: str,
    versions: Mapping[CaptionedImage, Hashable | None],
) -> records.DatasetInfo | None:
    """Claims the directory for this data set; returns the description if it is complete already.

    A data set of the same captions and settings, of which images were repaired, is written again.

    Args:
        output: The directory.
        fingerprint: The hash of everything that the data set depends on.
        identity: The hash of the same without images in files.
        versions: The `version` of each image.

    Raises:
        InputError: If it contains another data set, or this one with images that no longer exist.
    """
    claim = output / PROGRESS_DIRECTORY / "fingerprint.txt"
    finished, changed = None, []
    if (output / records.INFO_FILE).exists():
        finished = records.load_dataset_info(output)
        held = {finished.fingerprint}
        before = source_versions.load(output)
        if before is not None:
            held.add(before.identity)
            if identity == before.identity:
                changed = source_versions.changed_images(versions, before.images)
    else:
        held = set(claim.read_text(encoding="utf-8").split()) if claim.exists() else {fingerprint}
    if held.isdisjoint({fingerprint, identity}) or any(versions[i] is None for i in changed):
        raise _another_data_set(output, finished)
    if finished is not None:
        shards = [shard for split in finished.splits.values() for shard in split.shards]
        if not changed and all((output / shard.file).exists() for shard in shards):
            return finished
        if changed:
            _logger.warning(
                "%d images have changed since %s was prepared, the first %s: it is written again.",
                *(len(changed), output, changed[0]),
            )
        (output / records.INFO_FILE).unlink()
    atomic.write_text(claim, f"{fingerprint}\n{identity}\n")
    for leftover in output.glob(".*.tmp.tfrecord"):
        leftover.unlink()  # of a process that was killed
    return None


def _another_data_set(output: pathlib.Path, finished: records.DatasetInfo | None) -> InputError:
    if finished is None:
        what = (
            "an unfinished one, of a source or settings that have changed since. Give --overwrite "
            "to start again, or choose another --output."
        )
    else:
        what = (
            "one that contains a data set of another source or other settings. Choose another "
            "--output, or replace it with --overwrite."
        )
    return InputError(
        f"Expected an empty directory, or one that contains this data set, at {output}. "
        f"Received: {what}"
    )
