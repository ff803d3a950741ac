"""Reads a `metadata.jsonl`: one JSON object per line, with an image's name and captions."""

import collections
import json
import pathlib
from collections.abc import Iterable

from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError
from dmgan_tf.files.text_lines import read_lines

METADATA_FILE = "metadata.jsonl"
CAPTION_FIELD = "text"

_OTHER_FIELDS = frozenset({"file_name", "class_id"})
_FIELDS_SHOWN = 8
_MOST_CLASSES = 2**31  # in training they are 32-bit numbers


def read_metadata(
    listing: pathlib.Path, caption_field: str = CAPTION_FIELD, *, captions_needed: bool = False
) -> list[CaptionedImage]:
    """Reads a `metadata.jsonl`.

    Args:
        listing: The file.
        caption_field: The field of a caption, or a list of captions. An image without it has none.
        captions_needed: Whether a file in which no line has the field is an error.

    Returns:
        Its images in order. Their names are relative to the folder of the file, and a class is None
        where the line has none.

    Raises:
        InputError: If it is not UTF-8, a line cannot be read, or it has no captions.
    """
    try:
        lines = read_lines(listing)
    except UnicodeDecodeError as error:
        raise InputError(f"Expected UTF-8 in {listing}: {error}.") from error
    entries = [
        (f"{listing}:{number}", _entry_of(line, f"{listing}:{number}"))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if captions_needed and entries and not any(caption_field in entry for _, entry in entries):
        raise _no_captions(listing, caption_field, [entry for _, entry in entries])
    return [_image_of(entry, where, listing, caption_field) for where, entry in entries]


def cleaned(captions: Iterable[str]) -> tuple[str, ...]:
    """Returns captions that UTF-8 can encode; JSON may contain halves of surrogate pairs."""
    return tuple(caption.encode("utf-8", "replace").decode("utf-8").strip() for caption in captions)


def is_text(name: str) -> bool:
    """Whether UTF-8 can encode the name: no half surrogate pair, no other bytes."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _entry_of(line: str, where: str) -> dict:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: expected one JSON object a line: {error}.") from error
    name = entry.get("file_name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name or "\0" in name or not is_text(name):
        raise InputError(
            f'{where}: expected an object with a "file_name". Received: {line.strip()[:80]}'
        )
    return entry


def _image_of(entry: dict, where: str, listing: pathlib.Path, field: str) -> CaptionedImage:
    name, text = entry["file_name"], entry.get(field, [])
    if not _is_captions(text):
        raise InputError(
            f'{where}: expected "{field}" to be a caption or a list of captions. Received: '
            f"{text!r:.200}."
        )
    class_id = entry.get("class_id")
    if class_id is not None and (type(class_id) is not int or not 0 <= class_id < _MOST_CLASSES):
        raise InputError(
            f'{where}: expected "class_id" to be an integer from 0. Received: {class_id!r}.'
        )
    captions = [text] if isinstance(text, str) else text
    return CaptionedImage(listing.parent / name, name, cleaned(captions), class_id)


def _is_captions(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )


def _no_captions(listing: pathlib.Path, field: str, entries: list[dict]) -> InputError:
    """Lists the fields, and suggests one of them."""
    found = collections.Counter(name for entry in entries for name in entry)
    candidates = [
        name
        for name in found
        if name not in _OTHER_FIELDS
        and all(_is_captions(entry[name]) for entry in entries if name in entry)
    ]
    names = [json.dumps(name)[:80] for name in found]
    more = f" and {len(names) - _FIELDS_SHOWN} more" if len(names) > _FIELDS_SHOWN else ""
    if len(candidates) == 1 and candidates[0].isprintable():
        advice = f"If {json.dumps(candidates[0])} has them, give --caption_field={candidates[0]}."
    else:
        advice = "Name the one with the captions by --caption_field."
    return InputError(
        f'Expected the captions in the field "{field}" of the lines of {listing}. Received: lines '
        f"without {field}; their fields are {', '.join(names[:_FIELDS_SHOWN])}{more}. {advice}"
    )
