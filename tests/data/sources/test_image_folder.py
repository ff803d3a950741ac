import json
import os
import shutil

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
