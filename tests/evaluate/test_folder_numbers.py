"""Whatever stands in a folder to score: the numbers of the report add up to it."""

import json
import os
import pathlib
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.folder_images import FolderImages

FOLDERS = ("", "a", "a/b", "c", "__MACOSX", "a/.ipynb_checkpoints", ".git/objects")
NAMES = ("1.png", "2.JPG", "3.jfif", "4.gif", "x.txt", "noext", "._1.png", ".x.png", "Thumbs.db")
LINKS = {  # where to, by what stands for the root and for a folder beside it
    "to a picture": "{store}/1.png",
    "to nowhere": "{root}/nowhere.png",
    "to a folder": "{store}",
    "to the root": "{root}",
    "to a folder below": "{root}/a",
}
STORE = ("1.png", "2.txt", "deep/3.png")
PICTURES = (".png", ".jpg", ".gif", ".jfif")


@st.composite
def trees(draw):
    """Files and links by their path, each with what it links to, and how many are asked for."""
    place = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES))
    files = {os.path.join(*parts): None for parts in draw(st.lists(place, max_size=12))}
    link_names = st.sampled_from(("l.png", "m", "n.jpg", "._l"))
    where = st.tuples(st.sampled_from(FOLDERS[:4]), link_names)
    links = draw(st.dictionaries(where, st.sampled_from(sorted(LINKS)), max_size=4))
    return files | {os.path.join(*parts): kind for parts, kind in links.items()}


def write_tree(tree, root, store):
    buffer = pathlib.Path(store.parent, "picture.png")
    Image.new("RGB", (2, 2)).save(buffer)
    picture = buffer.read_bytes()
    for base, names in ((store, STORE), (root, [name for name in tree if tree[name] is None])):
        base.mkdir()
        for name in names:
            (base / name).parent.mkdir(parents=True, exist_ok=True)
            (base / name).write_bytes(picture)
    for name, kind in tree.items():
        if kind is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(LINKS[kind].format(root=root, store=store))


def is_looked_at(name):
    return not any(part[0] == "." or part in ("__MACOSX", "Thumbs.db") for part in name.split("/"))


def expected_numbers(tree):
    """How many pictures, and how many files and links in all; a linked folder counts once."""
    visible = {name: kind for name, kind in tree.items() if is_looked_at(name)}
    pictures = [
        name
        for name, kind in visible.items()
        if kind in (None, "to a picture") and pathlib.Path(name).suffix.lower() in PICTURES
    ]
    if "to a folder" not in visible.values():
        return len(pictures), len(tree)
    return len(pictures) + 2, len(tree) - 1 + len(STORE)


@settings(max_examples=150, deadline=None)
@given(tree=trees(), listed=st.none() | st.sets(st.sampled_from(NAMES[:4])))
def test_the_numbers_add_up_to_what_stands_in_the_folder(tree, listed):
    with tempfile.TemporaryDirectory() as directory:
        root, store = pathlib.Path(directory, "root"), pathlib.Path(directory, "store")
        write_tree(tree, root, store)
        pictures, entries = expected_numbers(tree)
        if listed is not None:
            names = sorted(name for name in listed if name in tree)
            lines = (json.dumps({"file_name": name, "text": "x"}) for name in names)
            (root / "metadata.jsonl").write_text("\n".join(lines))
            pictures, entries = len(names), entries + 1
        if pictures == 0:
            with pytest.raises(InputError, match="Received: none"):
                FolderImages(root)
            return
        for asked in (None, 1):
            report = FolderImages(root, asked).counted()
            left_out = sum(found["count"] for found in report["left_out"].values())
            assert report["num_images"] == (asked or pictures)
            assert report["num_images"] + left_out == entries
