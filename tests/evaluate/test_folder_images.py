"""The pictures of a folder in order, upright; and all else that stands there, counted."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.data.sources import account
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate import folder_images
from dmgan_tf.evaluate.folder_images import FolderImages
from dmgan_tf.files import folder_listing


@pytest.fixture
def folder(tmp_path):
    for number in range(5):
        pixels = np.full((6, 8, 3), 40 * number, "uint8")
        (tmp_path / "b").mkdir(exist_ok=True)
        name = f"b/{number}.png" if number % 2 else f"{number}.png"
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def levels(images):
    return [int(image[0, 0, 0]) for image in images]


def test_a_folders_images_come_in_the_order_of_their_names(folder):
    images = FolderImages(folder)
    assert images.num_images == 5 and images.size == (6, 8)
    batches = list(images.batches(0, 2))
    assert [batch.shape for batch in batches] == [(2, 6, 8, 3), (2, 6, 8, 3), (1, 6, 8, 3)]
    assert levels(np.concatenate(batches)) == [0, 80, 160, 40, 120]
    assert levels(np.concatenate(list(images.batches(3, 4)))) == [40, 120]
    assert list(images.batches(5, 4)) == []


def test_as_many_as_asked_for(folder):
    assert levels(np.concatenate(list(FolderImages(folder, 2).batches(0, 4)))) == [0, 80]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_every_kind_of_picture_is_read_as_rgb(tmp_path, mode):
    Image.new("RGB", (4, 4), (100, 100, 100)).convert(mode).save(tmp_path / "x.png")
    (batch,) = FolderImages(tmp_path).batches(0, 1)
    assert batch.shape == (1, 4, 4, 3) and abs(levels(batch)[0] - 100) < 3


def test_metadata_gives_order_captions_and_classes(folder):
    lines = [
        {"file_name": "4.png", "text": "four", "class_id": 7},
        {"file_name": "0.png", "text": ["zero", "none"]},
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    images = FolderImages(folder)
    assert levels(np.concatenate(list(images.batches(0, 2)))) == [160, 0]
    captions, class_ids = images.captions_and_classes()
    assert captions == ["four", "zero"] and class_ids == [7, None]


def test_without_metadata_there_are_no_captions(folder):
    assert FolderImages(folder).captions_and_classes() is None


def test_the_description_knows_the_files(folder):
    first = FolderImages(folder).description()
    Image.new("RGB", (8, 6), "red").save(folder / "6.png")
    assert FolderImages(folder).description()["listing_sha256"] != first["listing_sha256"]


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="Expected images .* Received: none"):
        FolderImages(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        FolderImages(tmp_path / "none")


def test_fewer_images_than_asked_for(folder):
    with pytest.raises(InputError, match="Expected 6 images .* Received: 5"):
        FolderImages(folder, 6)


def test_mixed_sizes(folder):
    Image.new("RGB", (8, 8)).save(folder / "c.png")
    with pytest.raises(InputError, match="one size .* 0.png of 8x6 and c.png of 8x8 pixels"):
        FolderImages(folder)


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_a_file_that_is_no_image(folder, content):
    (folder / "broken.png").write_bytes(content)
    with pytest.raises(InputError, match="broken.png"):
        FolderImages(folder)


def test_an_image_cut_short(folder):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 8, 3), "uint8")).save(
        folder / "cut.png"
    )
    content = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut.png"):
        list(FolderImages(folder).batches(0, 8))


def test_a_listed_image_that_is_missing(folder):
    (folder / "metadata.jsonl").write_text('{"file_name": "gone.png", "text": "x"}')
    with pytest.raises(InputError, match="gone.png"):
        FolderImages(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_listed_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "pipe.png", "text": "x"}')
    with pytest.raises(InputError, match="pipe.png"):
        FolderImages(folder)


def test_an_image_that_is_listed_twice(folder):
    (folder / "metadata.jsonl").write_text(2 * '{"file_name": "0.png", "text": "x"}\n')
    with pytest.raises(InputError, match="every image once .* 0.png 2 times"):
        FolderImages(folder)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_more_than_8_bits_are_not_cut_off(folder, dtype):
    Image.fromarray(np.full((6, 8), 1000, dtype)).save(folder / "deep.tif")
    with pytest.raises(InputError, match="8 bits per channel .*deep.tif"):
        FolderImages(folder)


def test_names_need_not_be_utf_8(folder):
    try:
        os.rename(folder / "2.png", os.fsencode(folder) + b"/\xff.png")
    except OSError:
        pytest.skip("names are UTF-8 in this file system")
    assert FolderImages(folder).description()["listing_sha256"]


def test_other_pictures_of_the_same_names_and_sizes_are_told_apart(folder):
    first = FolderImages(folder).description()
    os.utime(folder / "2.png", (2e9, 2e9))
    assert FolderImages(folder).description() != first


def test_an_empty_caption_is_none(folder):
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": ["", "a bird"]}\n')
    assert FolderImages(folder).captions_and_classes() == (["a bird"], [None])
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": " "}\n')
    assert FolderImages(folder).captions_and_classes() is None


def counts(images):
    return {reason: len(names) for reason, names in images.left_out.items()}


def test_what_is_left_out_is_named(folder):
    for name in (".hidden.png", "._0.png", "b/Thumbs.db", "b/.ipynb_checkpoints/1.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"no picture at all")
    (folder / "gone.png").symlink_to("nowhere.png")
    images = FolderImages(folder)
    assert images.num_images == 5
    assert images.left_out == {
        ".ipynb_checkpoints": ["b/.ipynb_checkpoints/1.png"],
        "._*": ["._0.png"],
        "Thumbs.db": ["b/Thumbs.db"],
        folder_listing.BROKEN_LINK: ["gone.png"],
        "hidden": [".hidden.png"],
        account.NOT_LISTED_CAPTIONS: ["notes.txt"],
    }
    assert images.counted()["left_out"]["hidden"] == {"count": 1, "names": [".hidden.png"]}
    assert "left_out" not in images.description()  # another note is no other evaluation


def test_linked_folders_are_followed_and_a_circle_is_told_of(folder, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    Image.new("RGB", (8, 6), "white").save(store / "1.png")
    (folder / "linked").symlink_to(store)
    (folder / "b/round").symlink_to("..")
    images = FolderImages(folder)
    assert levels(np.concatenate(list(images.batches(0, 6)))) == [0, 80, 160, 40, 120, 255]
    assert images.left_out[folder_listing.CIRCLE] == ["b/round"]


def test_pictures_that_the_list_leaves_out_and_those_beyond_the_number(folder):
    lines = [{"file_name": f"{number}.png", "text": "x"} for number in (4, 0)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert counts(FolderImages(folder, 1)) == {
        folder_images.THE_LIST: 1,
        account.NOT_LISTED_CAPTIONS: 1,
        folder_images.NOT_ASKED_FOR: 1,
        account.NOT_LISTED_IMAGE: 3,
    }


def test_a_listed_name_in_another_normal_form(folder):
    os.rename(folder / "2.png", folder / "e\u0301.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "\u00e9.png", "text": "x"}')
    assert levels(next(FolderImages(folder).batches(0, 1))) == [80]


def test_an_image_that_is_listed_twice_by_two_names(folder):
    lines = ('{"file_name": "0.png", "text": "x"}', '{"file_name": "b/../0.png", "text": "x"}')
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match="every image once .* 0.png 2 times"):
        FolderImages(folder)


def test_no_pictures_but_other_files(tmp_path):
    (tmp_path / "a.heic").touch()
    with pytest.raises(
        InputError,
        match=r"none. Left out: 1 image of .* not read \(a.heic\)",
    ):
        FolderImages(tmp_path)


def test_a_photograph_is_scored_upright(tmp_path):
    """As `prepare_data` stores it; a tag that Pillow cannot write again is of no matter."""
    turned, bad = b"\x12\1\3\0\1\0\0\0\6\0\0\0", b"\x0f\1\3\0\1\0\0\0\7\0\0\0"
    block = b"Exif\0\0II*\0\x08\0\0\0\2\0" + turned + bad + bytes(4)
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=block, quality=95)
    images = FolderImages(tmp_path)
    assert images.size == (16, 8)
    (batch,) = images.batches(0, 1)
    assert batch.shape == (1, 16, 8, 3) and batch[0, :7].min() > 200 and batch[0, 9:].max() < 50


def test_transparency_is_white_as_in_prepared_data(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    (batch,) = FolderImages(tmp_path).batches(0, 1)
    assert batch.min() == 255


def test_a_picture_that_turns_once_it_is_read_is_told_of(folder, monkeypatch):
    """A PNG may hold its EXIF block behind the pixels."""
    images = FolderImages(folder)
    images.size = (8, 6)
    with pytest.raises(InputError, match="one size .* 0.png of 8x6"):
        list(images.batches(0, 4))


@pytest.mark.parametrize(
    "content, name",
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), "HEIC, .* convert it"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"rubbish", "no picture; it begins with b'rubbish'"),
    ],
)
def test_what_a_file_is_is_named_without_an_address(folder, content, name):
    (folder / "x.jpg").write_bytes(content)
    with pytest.raises(InputError, match=f"x.jpg. Received: .*{name}") as caught:
        FolderImages(folder)
    assert " object at 0x" not in str(caught.value)
