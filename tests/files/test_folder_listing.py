import collections
import os
import socket
import unicodedata

import pytest

from dmgan_tf.files import folder_listing
from dmgan_tf.files.folder_listing import leftover_kind, list_folder


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def names(listing, paths):
    return [str(path.relative_to(listing.root)) for path in paths]


def by_name(listing, table):
    return {str(path.relative_to(listing.root)): why for path, why in table.items()}


def test_files_come_in_the_order_of_their_paths(tmp_path):
    write(tmp_path, "b.jpg", "a.jpg", "a/z.jpg", "a-b/y.jpg")
    listing = list_folder(tmp_path)
    assert listing.files == tuple(sorted(p for p in tmp_path.rglob("*") if p.is_file()))
    assert len(listing) == len(list(listing)) == 4


def test_leftovers_are_counted_file_by_file_and_not_looked_at(tmp_path):
    write(tmp_path, "1.jpg", "._1.jpg", ".DS_Store", "Thumbs.db", "a/desktop.ini", "a/2.jpg")
    write(tmp_path, "__MACOSX/._1.jpg", "__MACOSX/a/._2.jpg", "a/.ipynb_checkpoints/2.jpg")
    (tmp_path / "__MACOSX/up").symlink_to("..")
    (tmp_path / "a/.git").mkdir()
    listing = list_folder(tmp_path)
    assert names(listing, listing.files) == ["1.jpg", "a/2.jpg"]
    assert collections.Counter(listing.not_looked_at.values()) == {
        "._*": 1,
        ".ipynb_checkpoints": 1,
        "Thumbs.db": 1,
        "__MACOSX": 3,
        "desktop.ini": 1,
        "hidden": 1,
    }
    assert listing.refused == {}


def test_a_root_that_is_hidden_itself_is_looked_at(tmp_path):
    write(tmp_path, ".cache/1.jpg")
    assert len(list_folder(tmp_path / ".cache").files) == 1


def test_links_are_followed(tmp_path):
    write(tmp_path, "store/b/1.jpg", "store/2.jpg", "source/3.jpg")
    (tmp_path / "source/linked").symlink_to(tmp_path / "store/b")
    (tmp_path / "source/4.jpg").symlink_to("../store/2.jpg")
    listing = list_folder(tmp_path / "source")
    assert names(listing, listing.files) == ["3.jpg", "4.jpg", "linked/1.jpg"]


def test_a_circle_ends_and_each_folder_has_its_own_name(tmp_path):
    root = tmp_path / "root"
    write(tmp_path, "beside.jpg", "root/b/1.jpg", "root/c/2.jpg", "store/3.jpg")
    for link, target in (
        ("a", "b"),  # a second name, which comes first
        ("b/c", "../c"),
        ("c/b", "../b"),
        ("c/up", "../.."),
        ("d", "../store"),
        ("e", "../store"),
    ):
        (root / link).symlink_to(target)
    (tmp_path / "store/round").symlink_to("../root")
    listing = list_folder(root)
    assert names(listing, listing.files) == ["b/1.jpg", "c/2.jpg", "d/3.jpg"]
    assert by_name(listing, listing.refused) == {
        **dict.fromkeys(["a", "b/c", "c/b", "d/round", "e"], folder_listing.KNOWN_FOLDER),
        "c/up": folder_listing.CIRCLE,
    }


def test_what_is_no_file_is_refused_by_reason(tmp_path):
    (tmp_path / "1.jpg").symlink_to("none.jpg")
    (tmp_path / "2.jpg").symlink_to("2.jpg")
    os.mkfifo(tmp_path / "3.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "4.jpg"))
    listing = list_folder(tmp_path)
    assert by_name(listing, listing.refused) == {
        "1.jpg": folder_listing.BROKEN_LINK,
        "2.jpg": folder_listing.BROKEN_LINK,
        "3.jpg": folder_listing.NO_FILE,
        "4.jpg": folder_listing.NO_FILE,
    }


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    write(tmp_path, "a/1.jpg", "b/2.jpg")
    scandir = os.scandir

    def scan(folder):
        if os.path.basename(folder) == "a":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    listing = list_folder(tmp_path)
    assert names(listing, listing.files) == ["b/2.jpg"]
    assert by_name(listing, listing.refused) == {"a": folder_listing.UNREADABLE_FOLDER}
    with pytest.raises(PermissionError):
        list_folder(tmp_path / "a")


def test_a_name_is_found_in_either_normal_form(tmp_path):
    name = "f\xfc\xdfe/\xe9t\xe9.jpg"
    for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
        root = tmp_path / form
        write(root, unicodedata.normalize(form, name))
        listing = list_folder(root)
        (path,) = listing.files
        assert listing.find(root / unicodedata.normalize(other, name)) == path
        assert listing.find(root / "a/.." / unicodedata.normalize(form, name)) == path
        assert listing.find(root / "ete.jpg") is None


@pytest.mark.parametrize("name", ["robin.jpg", "a.", "_1.jpg", "THUMBS", "macosx"])
def test_names_of_users(name):
    assert leftover_kind(name) is None
