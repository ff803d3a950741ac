import json
import os
import shutil
import unicodedata

import pytest

from dmgan_tf.data.sources import image_folder
from dmgan_tf.data.sources.image_folder import read_image_folder
from dmgan_tf.errors import InputError


def write_listing(folder, entries):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_own_split_is_kept(tmp_path):
    write_listing(tmp_path / "train", [{"file_name": "a/1.jpg", "text": "red", "class_id": 7}])
    write_listing(tmp_path / "test", [{"file_name": "2.jpg", "text": ["blue", " sky "]}])
    splits = read_image_folder(tmp_path, test_fraction=0.5)
    (train,), (test,) = splits["train"], splits["test"]
    assert (train.file_name, train.captions, train.class_id) == ("train/a/1.jpg", ("red",), 7)
    assert train.path == tmp_path / "train/a/1.jpg"
    assert (test.file_name, test.captions, test.class_id) == ("test/2.jpg", ("blue", "sky"), 8)


def test_own_validation_split_is_kept(tmp_path):
    for name in ("test", "validation", "train"):
        write_listing(tmp_path / name, [{"file_name": f"{n}.jpg", "text": name} for n in range(4)])
    splits = read_image_folder(tmp_path, test_fraction=0.5)
    assert list(splits) == ["train", "validation", "test"]
    for name, images in splits.items():
        assert [image.file_name for image in images] == [f"{name}/{n}.jpg" for n in range(4)]
        assert all(image.captions == (name,) for image in images)
    classes = [image.class_id for images in splits.values() for image in images]
    assert classes == list(range(12))


def test_test_images_are_never_those_of_an_own_validation_split(tmp_path):
    for name in ("validation", "train"):
        write_listing(tmp_path / name, [{"file_name": f"{n}.jpg", "text": name} for n in range(4)])
    splits = read_image_folder(tmp_path, test_fraction=0.25)
    assert {name: len(images) for name, images in splits.items()} == {
        "train": 3,
        "validation": 4,
        "test": 1,
    }
    assert splits["test"][0].captions == ("train",)
    (tmp_path / "validation/metadata.jsonl").unlink()
    with pytest.raises(InputError, match="no captions in .*validation"):
        read_image_folder(tmp_path)


def test_a_listing_of_all_goes_before_folders(tmp_path):
    for name in ("", "train", "validation", "test"):
        write_listing(tmp_path / name, [{"file_name": f"{n}.jpg", "text": name} for n in range(4)])
    splits = read_image_folder(tmp_path, test_fraction=0.25)
    assert [len(images) for images in splits.values()] == [3, 1]


def test_flat_folder_is_split_by_class(tmp_path):
    entries = [
        {"file_name": f"{number}.jpg", "text": "red", "class_id": number // 5}
        for number in range(100)
    ]
    write_listing(tmp_path, entries)
    splits = read_image_folder(tmp_path, test_fraction=0.25)
    classes = {name: {image.class_id for image in images} for name, images in splits.items()}
    assert (len(classes["train"]), len(classes["test"])) == (15, 5)
    assert not classes["train"] & classes["test"]
    assert (len(splits["train"]), len(splits["test"])) == (75, 25)
    write_listing(tmp_path, reversed(entries))
    again = read_image_folder(tmp_path, test_fraction=0.25)
    assert {image.class_id for image in again["test"]} == classes["test"]


def test_without_classes_every_image_is_its_own(tmp_path):
    write_listing(tmp_path, [{"file_name": f"{n}.jpg", "text": "red"} for n in range(20)])
    splits = read_image_folder(tmp_path)
    images = splits["train"] + splits["test"]
    assert len(splits["test"]) == 2
    assert sorted(image.class_id for image in images) == list(range(20))


def test_a_single_image_stays_in_training_and_fraction_zero_holds_nothing_out(tmp_path):
    write_listing(tmp_path, [{"file_name": "1.jpg", "text": "red"}])
    assert [len(images) for images in read_image_folder(tmp_path, 0.9).values()] == [1, 0]
    write_listing(tmp_path, [{"file_name": f"{n}.jpg", "text": "red"} for n in range(3)])
    assert [len(images) for images in read_image_folder(tmp_path, 0.0).values()] == [3, 0]
    with pytest.raises(InputError, match="test fraction"):
        read_image_folder(tmp_path, 1.0)


def test_sidecar_captions(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("1.jpg", "deep/2.PNG", "no-caption.jpg", "3.doc"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "1.txt").write_text("a red apple\n\na fruit\n", encoding="utf-8-sig")
    (tmp_path / "deep/2.txt").write_text("ein grüner Apfel", encoding="utf-8")
    (tmp_path / "3.txt").write_text("no image", encoding="utf-8")
    splits = read_image_folder(tmp_path, test_fraction=0.0)
    assert {image.file_name: image.captions for image in splits["train"]} == {
        "1.jpg": ("a red apple", "", "a fruit"),
        "deep/2.PNG": ("ein grüner Apfel",),
    }


@pytest.mark.parametrize(
    "line, message",
    [
        ("{", "expected one JSON object"),
        ("[1]", "file_name"),
        ('{"text": "red"}', "file_name"),
        ('{"file_name": ""}', "file_name"),
        (r'{"file_name": "\ud800.jpg"}', "file_name"),
        (r'{"file_name": "\u0000.jpg"}', "file_name"),
        ("[" * 100_000, "expected one JSON object"),
        ('{"file_name": "2.jpg", "class_id": ' + "9" * 5000 + "}", "expected one JSON object"),
        ('{"file_name": "2.jpg", "text": 3}', '"text"'),
        ('{"file_name": "2.jpg", "text": ["red", null]}', '"text"'),
        ('{"file_name": "2.jpg", "text": "red", "class_id": "x"}', '"class_id"'),
        ('{"file_name": "2.jpg", "text": "red", "class_id": -1}', '"class_id"'),
        ('{"file_name": "2.jpg", "text": "red", "class_id": true}', '"class_id"'),
    ],
)
def test_malformed_line_is_named(tmp_path, line, message):
    write_listing(tmp_path, [{"file_name": "1.jpg", "text": "red"}, "", line])
    with pytest.raises(InputError, match=message) as caught:
        read_image_folder(tmp_path)
    assert "metadata.jsonl:3: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_image_listed_twice_is_refused(tmp_path):
    write_listing(tmp_path, [{"file_name": "1.jpg", "text": "red"}] * 2)
    with pytest.raises(InputError, match="'1.jpg' 2 times"):
        read_image_folder(tmp_path)


def test_no_folder_and_no_captions(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        read_image_folder(tmp_path / "none")
    (tmp_path / "1.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="no captions"):
        read_image_folder(tmp_path)
    write_listing(tmp_path, [])
    with pytest.raises(InputError, match="no captions"):
        read_image_folder(tmp_path)


def test_metadata_that_are_no_utf8(tmp_path):
    (tmp_path / "metadata.jsonl").write_bytes('{"file_name": "größe.jpg"}'.encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8 in .*metadata.jsonl"):
        read_image_folder(tmp_path)


def test_a_name_that_is_no_utf8(tmp_path):
    (tmp_path / "a.txt").write_text("red")
    for suffix in ("jpg", "txt"):
        shutil.copy(tmp_path / "a.txt", os.fsencode(tmp_path) + b"/\xff." + suffix.encode())
    with pytest.raises(InputError, match=r"names in UTF-8 in .*Received: .*\\udcff.jpg'. Rename"):
        read_image_folder(tmp_path)


def test_classes_that_leave_no_number_for_other_images(tmp_path):
    last = {"file_name": "1.jpg", "text": "red", "class_id": 2**31 - 1}
    write_listing(tmp_path, [last])
    assert read_image_folder(tmp_path)["train"][0].class_id == 2**31 - 1
    write_listing(tmp_path, [last, {"file_name": "2.jpg", "text": "red"}])
    with pytest.raises(InputError, match="for the 1 images without one. Received: 2147483647"):
        read_image_folder(tmp_path)


def test_half_a_surrogate_pair_becomes_storable(tmp_path):
    write_listing(tmp_path, [r'{"file_name": "1.jpg", "text": "red \ud83d"}'])
    (image,) = read_image_folder(tmp_path)["train"]
    assert image.captions == ("red ?",)


def test_embedded_data_set_is_whole_and_small():
    source = image_folder.embedded_dataset_path()
    splits = read_image_folder(source)
    assert [len(images) for images in splits.values()] == [923, 141]
    assert all(image.path.is_file() for images in splits.values() for image in images)
    classes = [{image.class_id for image in images} for images in splits.values()]
    assert [len(ids) for ids in classes] == [251, 40]
    assert not classes[0] & classes[1]
    size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    assert size <= 5_000_000
    attribution = (source / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for holder in ("Google Inc", "Microsoft Corporation", "Miles Johnson", "Unicode, Inc."):
        assert holder in attribution


SPLIT = {
    "train/1.jpg": "red",
    "train/2.jpg": "red",
    "test/1.jpg": "blue",
    "Val_images/1.jpg": "sky",
}


def write_captions(folder, captions):
    """An empty file for each image, with its captions beside it."""
    for name, text in captions.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        path.with_suffix(".txt").write_text(text, encoding="utf-8", newline="")


def names(splits):
    return {name: [image.file_name for image in images] for name, images in splits.items()}


@pytest.mark.parametrize("above", ["", "birds/", "birds/images/"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_split_is_kept_wherever_its_captions_lie(tmp_path, above, listed):
    entries = {f"{above}{name}": text for name, text in SPLIT.items()}
    if listed:
        write_listing(tmp_path, [{"file_name": n, "text": text} for n, text in entries.items()])
    else:
        write_captions(tmp_path, entries)
    assert names(read_image_folder(tmp_path, 0.5)) == {
        "train": [f"{above}train/1.jpg", f"{above}train/2.jpg"],
        "validation": [f"{above}Val_images/1.jpg"],
        "test": [f"{above}test/1.jpg"],
    }


@pytest.mark.parametrize("name", ["val", "valid", "validation", "dev", "VAL", "val2014", "dev set"])
def test_a_validation_split_may_be_spelled_in_other_ways(tmp_path, name):
    for folder in ("train", name):
        write_listing(tmp_path / folder, [{"file_name": f"{n}.jpg", "text": "red"} for n in "ab"])
    splits = read_image_folder(tmp_path, 0.5)
    assert names(splits)["validation"] == [f"{name}/a.jpg", f"{name}/b.jpg"]
    assert [len(images) for images in splits.values()] == [1, 2, 1]


def test_test_images_are_not_trained_on_where_the_others_lie_in_no_folder(tmp_path):
    write_captions(tmp_path, {"1.jpg": "red", "more/2.jpg": "red", "test/3.jpg": "red"})
    expected = {"train": ["1.jpg", "more/2.jpg"], "test": ["test/3.jpg"]}
    assert names(read_image_folder(tmp_path)) == expected


def test_images_of_one_split_folder_alone_are_divided(tmp_path, caplog):
    write_captions(tmp_path, {f"train/{n}.jpg": "red" for n in range(4)})
    splits = read_image_folder(tmp_path, 0.25)
    assert [len(images) for images in splits.values()] == [3, 1] and not caplog.messages


def test_test_images_alone_are_refused(tmp_path):
    write_captions(tmp_path, {"test/1.jpg": "red", "test/2.jpg": "blue"})
    with pytest.raises(InputError, match="captions of test images only. .* as --source"):
        read_image_folder(tmp_path)


def test_folders_beside_those_of_a_split_are_counted(tmp_path):
    write_captions(tmp_path, {name: "red" for name in ("train/1.jpg", "val/1.jpg", "more/1.jpg")})
    source = image_folder.ImageFolder(tmp_path, 0.0)
    splits = source.read()
    assert names(splits) == {"train": ["train/1.jpg"], "validation": ["val/1.jpg"], "test": []}
    account = source.account(splits)
    reason = "beside the folders of the splits"
    assert account.skipped == (("more/1.jpg", reason), ("more/1.txt", reason))
    assert account.captions == 2


@pytest.mark.parametrize("folder", ["cat/test", "holdout", "test_hard"])
def test_a_folder_that_looks_like_a_split_and_is_none_is_named(tmp_path, caplog, folder):
    write_captions(tmp_path, {"cat/train/1.jpg": "red", "dog/2.jpg": "red", f"{folder}/3.jpg": "a"})
    assert len(read_image_folder(tmp_path, 0.0)["train"]) == 3
    (message,) = caplog.messages
    assert f"{folder}/" in message and "not used as such" in message


def test_a_class_may_be_called_like_half_a_split(tmp_path, caplog):
    write_captions(tmp_path, {"trains/1.jpg": "red", "valley/2.jpg": "a", "testudo/3.jpg": "a"})
    assert len(read_image_folder(tmp_path, 0.0)["train"]) == 3 and not caplog.messages


def test_a_list_that_names_nothing_in_the_folders_of_splits(tmp_path, caplog):
    write_listing(tmp_path, [{"file_name": f"{n}.jpg", "text": "red"} for n in range(4)])
    for name in ("train", "test"):
        write_listing(tmp_path / name, [{"file_name": "1.jpg", "text": "red"}])
    source = image_folder.ImageFolder(tmp_path, 0.25)
    splits = source.read()
    assert [len(images) for images in splits.values()] == [3, 1]
    assert "test/, train/ look like splits" in caplog.text
    below = "metadata.jsonl below another"
    assert dict(source.account(splits).skipped) == {
        "train/metadata.jsonl": below,
        "test/metadata.jsonl": below,
    }


def test_every_class_may_have_a_list_of_its_own(tmp_path):
    for name in ("cat", "dog"):
        write_listing(tmp_path / name, [{"file_name": "1.jpg", "text": name}])
    write_captions(tmp_path, {"cow/1.jpg": "cow"})
    expected = ["cat/1.jpg", "dog/1.jpg", "cow/1.jpg"]
    assert names(read_image_folder(tmp_path, 0.0))["train"] == expected


def test_a_caption_ends_at_a_line_feed_only(tmp_path):
    odd = "a\u2028red\u2029bird\x85with\x0ba\x0cbeak\x1c\x1d\x1ehere\rthere"
    write_captions(tmp_path, {"1.jpg": f"{odd}\r\nanother\n{odd}"})
    (image,) = read_image_folder(tmp_path, 0.0)["train"]
    assert image.captions == (odd, "another", odd)
    write_listing(tmp_path, [json.dumps({"file_name": "1.jpg", "text": odd}, ensure_ascii=False)])
    assert read_image_folder(tmp_path, 0.0)["train"][0].captions == (odd,)


def test_captions_in_another_field(tmp_path):
    entries = [{"file_name": f"{n}.jpg", "caption": f"red {n}", "class_id": n} for n in range(3)]
    write_listing(tmp_path, entries)
    with pytest.raises(InputError) as caught:
        read_image_folder(tmp_path)
    assert str(caught.value) == (
        f'Expected the captions in the field "text" of the lines of {tmp_path}/metadata.jsonl. '
        'Received: lines without text; their fields are "file_name", "caption", "class_id". If '
        '"caption" has them, give --caption_field=caption.'
    )
    images = image_folder.ImageFolder(tmp_path, 0.0, caption_field="caption").read()["train"]
    assert [image.captions for image in images] == [("red 0",), ("red 1",), ("red 2",)]
    write_listing(tmp_path, [{**entry, "title": "red", "width": 3} for entry in entries])
    with pytest.raises(InputError, match="Name the one with the captions by --caption_field"):
        read_image_folder(tmp_path)
    write_listing(tmp_path, [*entries, {"file_name": "4.jpg", "text": "red"}])
    assert len(read_image_folder(tmp_path, 0.0)["train"]) == 4  # some have none: counted later


@pytest.mark.parametrize("form, other", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_found_in_either_normal_form(tmp_path, form, other):
    name = "\xfcber/caf\xe9"
    write_captions(tmp_path, {f"{unicodedata.normalize(form, name)}.jpg": "red"})
    (path,) = tmp_path.rglob("*.jpg")
    listed = f"{unicodedata.normalize(other, name)}.jpg"
    write_listing(tmp_path, [{"file_name": listed, "text": "red"}])
    (image,) = read_image_folder(tmp_path, 0.0)["train"]
    assert image.path == path and image.file_name == listed
    (tmp_path / "metadata.jsonl").unlink()
    renamed = unicodedata.normalize(other, "caf\xe9.txt")
    path.with_suffix(".txt").rename(path.parent / renamed)
    (image,) = read_image_folder(tmp_path, 0.0)["train"]
    assert image.captions == ("red",)


def test_a_file_of_captions_that_cannot_be_read(tmp_path):
    write_captions(tmp_path, {"1.jpg": "red"})
    (tmp_path / "1.txt").write_bytes(b"\xff")
    with pytest.raises(InputError, match="UTF-8 in .*1.txt"):
        read_image_folder(tmp_path)
