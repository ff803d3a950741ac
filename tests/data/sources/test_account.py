"""For any folder that a user brings, the report's numbers add up to what stands in it."""

import contextlib
import io
import os
import pathlib
import shutil
import tempfile

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from miniature_trees import make_birds, make_coco
from PIL import Image

from dmgan_tf.data import preparation, records
from dmgan_tf.data.sources.account import FolderCounts
from dmgan_tf.data.sources.coco import COCO
from dmgan_tf.data.sources.cub import CUB
from dmgan_tf.data.sources.image_folder import ImageFolder
from dmgan_tf.errors import InputError
from dmgan_tf.files.folder_listing import leftover_kind

FOLDERS = ["", "a", "a/b", "train", "Test", "val", "train/cat", ".cache", "__MACOSX", "images"]
NAMES = ["1", "2", "\xe9", "e\u0301", "._1", ".3", "1.jpg", "Thumbs", "README", "metadata"]
SUFFIXES = [".jpg", ".PNG", ".jfif", ".heic", ".txt", ".TXT", ".caption", ".db", ".csv", ""]


def picture(kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(buffer, kind)
    return buffer.getvalue()


PICTURE = picture()
CONTENTS = [PICTURE, b"a red bird\nbird", b"", b"\n!?\n"]
METADATA = [
    '{"file_name": "1.jpg", "text": "a bird"}\n{"file_name": "2.jpg", "text": ["", "red"]}',
    '{"file_name": "train/1.jpg", "text": "a bird"}\n{"file_name": "Test/1.jpg", "text": "red"}',
    '{"file_name": "../1.PNG", "text": "red"}\n{"file_name": "gone.jpg", "text": "red"}',
]
METADATA = [
    f'{lines}\n{{"file_name": "b.png", "text": "a"}}\n{{"file_name": "train/b.png", "text": "a"}}'
    for lines in METADATA
]
BASE = [("pair", "", "b", None), ("pair", "train", "b", None), ("pair", "train", "c", None)]


def a_file(folders):
    name = st.builds("{}{}".format, st.sampled_from(NAMES), st.sampled_from(SUFFIXES))
    file = st.tuples(st.just("file"), folders, name, st.sampled_from(CONTENTS))
    link = st.tuples(st.just("link"), folders, name, st.sampled_from([*FOLDERS[:6], "1.jpg", "x"]))
    store = st.tuples(st.just("store"), folders, name, st.just(None))
    pair = st.tuples(st.just("pair"), folders, st.sampled_from(NAMES), st.just(None))
    return st.one_of(file, pair, pair, link, store)


def trees(folders=FOLDERS, min_size=4):
    return st.lists(a_file(st.sampled_from(folders)), min_size=min_size, max_size=14)


def grow(root, tree):
    """Writes the entries of a tree, of which the later do not overwrite the earlier."""
    store = root.parent / "store"
    store.mkdir()
    (store / "7.png").write_bytes(PICTURE)
    (store / "7.txt").write_text("a stored bird")
    (store / "back").symlink_to(root)
    for kind, folder, name, content in tree:
        if not (root / folder).resolve().is_relative_to(root.parent):
            continue
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            (root / folder).mkdir(parents=True, exist_ok=True)
            path = root / folder / name
            if kind == "link":
                path.symlink_to(os.path.relpath(root / content, path.parent))
            elif kind == "store":
                path.symlink_to(store)
            elif kind == "pair":
                for suffix, held in ((".png", PICTURE), (".txt", b"a bird\n\na red one")):
                    with open(f"{path}{suffix}", "xb") as file:
                        file.write(held)
            else:
                is_text = path.suffix.lower() in (".txt", ".caption")
                with open(path, "xb") as file:  # captions that are no UTF-8 would be an error
                    file.write(b"a red bird" if is_text and content == PICTURE else content)


def entries_below(root):
    """How many entries stand in a folder, counted in another way: by real paths, depth first."""
    seen = set(root.resolve().parents)

    def count(folder):
        if folder.resolve() in seen:
            return 1
        seen.add(folder.resolve())
        total = 0
        for path in folder.iterdir():
            if path.is_symlink() and leftover_kind(path.name):
                total += 1
            elif leftover_kind(path.name):
                total += sum(not p.is_dir() or p.is_symlink() for p in [path, *path.rglob("*")])
            else:
                total += count(path) if path.is_dir() else 1
        return total

    return count(root)


def prepare(source, output):
    splits = source.read()
    account = source.account(splits)
    return preparation.prepare(
        splits,
        output,
        name="x",
        image_size=16,
        small_images="upscale",
        max_skipped_fraction=1.0,
        num_workers=1,
        account=account,
    )


def check(info, root, images_elsewhere=0):
    counts = info.files
    assert counts.total == entries_below(root)
    stored = sum(split.num_images for split in info.splits.values())
    assert stored - images_elsewhere <= counts.images <= stored
    skipped = {**counts.images_skipped, **counts.others_skipped}
    assert all(info.skipped[reason] >= number > 0 for reason, number in skipped.items())
    numbers = [int(word) for word in str(counts).replace("(", "").split() if word.isdigit()]
    assert numbers[0] == sum(numbers[1:5])
    assert sum(numbers[5:]) == sum(counts.not_looked_at.values()) == numbers[4]
    assert records.load_dataset_info(info.directory) == info
    lines = []
    if info.skipped:
        lines = (info.directory / "skipped.txt").read_text(encoding="utf-8").splitlines()
    others = [line.split("\t")[0] for line in lines if line.count("\t") == 1]
    assert len(others) == len(set(others)) == sum(counts.others_skipped.values())
    assert all(os.path.lexists(root / name) for name in others)


@contextlib.contextmanager
def temporary_folder():
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


prepared = {"yes": 0, "no": 0}


@settings(max_examples=40, deadline=None)
@given(trees(), st.none() | st.tuples(st.sampled_from(FOLDERS[:6]), st.sampled_from(METADATA)))
def test_an_image_folder_adds_up(tree, metadata):
    with temporary_folder() as folder:
        root = folder / "source"
        root.mkdir()
        grow(root, [*BASE, *tree])
        if metadata is not None and (root / metadata[0]).is_dir():
            with (
                contextlib.suppress(OSError),
                open(root / metadata[0] / "metadata.jsonl", "x") as f,
            ):
                f.write(metadata[1])
        try:
            info = prepare(ImageFolder(root), folder / "out")
        except InputError as error:
            event(f"refused: {str(error)[:40]}")
            prepared["no"] += 1
            assert "\n" not in str(error) and not (folder / "out/dataset.json").exists()
            return
        prepared["yes"] += 1
        check(info, root, images_elsewhere=2 if metadata else 0)


def test_most_of_these_folders_were_prepared():
    assert prepared["yes"] > prepared["no"]


PUBLISHED = ["", "text", "train", "test", "CUB_200_2011", "train2014", "annotations", ".git"]


@pytest.mark.parametrize(
    "source, make, options",
    [
        (CUB, make_birds, {}),
        (COCO, make_coco, {"metadata": True, "captions_pickle": True}),
        (COCO, make_coco, {"images": None}),
    ],
)
@settings(max_examples=8, deadline=None)
@given(tree=trees(PUBLISHED, min_size=0))
def test_a_published_data_set_with_other_files_adds_up(source, make, options, tree):
    with temporary_folder() as folder:
        root = make(folder / "source", **options)
        grow(root, tree)
        info = prepare(source(root), folder / "out")
        check(info, root)
        assert info.skipped.keys().isdisjoint({"missing image", "broken image"})


def test_what_is_counted_and_named(tmp_path, caplog):
    root = tmp_path / "source"
    for name in ("1.jpg", "2.jpg", "3.JFIF", "4.png", "5.avif", "6.png", "8.heic", "._1.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(PICTURE)
    for name in (
        "1.TXT",
        "2.caption",
        "3.JFIF.txt",
        "4.txt",
        "4.caption",
        "5.txt",
        "7.txt",
        "a.md",
    ):
        (root / name).write_text("a red bird")
    (root / "5.avif").write_bytes(b"none")
    (root / "9.png").symlink_to("none.png")
    source = ImageFolder(root, test_fraction=0.0)
    info = prepare(source, tmp_path / "out")
    assert info.splits["train"].num_images == 4
    assert info.files == FolderCounts(
        images=4,
        images_skipped={"broken image": 1},
        captions=5,
        others_skipped={
            "broken link": 1,
            "file of captions without an image": 1,
            "image of a format that is not read": 1,
            "image without a file of captions": 1,
            "neither an image nor captions": 1,
            "second file of captions of an image": 1,
        },
        not_looked_at={"._*": 1},
    )
    check(info, root)
    source.account(source.read()).warn()
    assert "Skipped 1, image without a file of captions: '6.png'" in caplog.messages
    (root / "b.md").write_text("later")
    again = ImageFolder(root, test_fraction=0.0)
    assert prepare(again, tmp_path / "out").files.total == info.files.total + 1
    assert prepare(again, tmp_path / "out").skipped["neither an image nor captions"] == 2


def test_a_name_that_is_no_utf8_is_counted(tmp_path):
    for name in (b"1.png", b"1.txt", b"\xff.csv"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(PICTURE if name.endswith(b"png") else b"a bird")
    info = prepare(ImageFolder(tmp_path, 0.0), tmp_path.parent / f"{tmp_path.name}_out")
    assert info.files.others_skipped == {"neither an image nor captions": 1}
    assert "\\udcff.csv\t" in (info.directory / "skipped.txt").read_text(encoding="utf-8")
