import json

import pytest

from dmgan_tf.data import records
from dmgan_tf.data.image_sizes import stored_size
from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary


@pytest.fixture
def info(tmp_path):
    vocabulary = Vocabulary(["größe"])
    vocabulary.save(tmp_path / "vocabulary.txt")
    info = records.DatasetInfo(
        directory=tmp_path,
        name="größe",
        image_size=64,
        stored_size=76,
        vocabulary_sha256=vocabulary.sha256,
        vocabulary_size=2,
        splits={"train": records.Split(3, 4, 2, (records.Shard("train.tfrecord", 3),))},
        skipped={"broken image": 1},
        fingerprint="0" * 64,
    )
    (tmp_path / "dataset.json").write_text(info.to_json(), encoding="utf-8")
    return info


def test_example_round_trip():
    serialized = records.serialize_example(b"\xff\xd8\0", ["größe", "b", "c"], 5, "a/ö.jpg")
    example = records.parse_example(serialized)
    assert example["image"].numpy() == b"\xff\xd8\0"
    assert [caption.decode() for caption in example["captions"].numpy()] == ["größe", "b", "c"]
    assert example["class_id"].numpy() == 5
    assert example["file_name"].numpy().decode() == "a/ö.jpg"


def test_stored_size():
    assert [stored_size(size) for size in (64, 128, 256)] == [76, 152, 304]


def test_info_round_trip(info):
    assert records.load_dataset_info(info.directory) == info
    assert json.loads(info.to_json())["format_version"] == records.FORMAT_VERSION


def test_vocabulary_that_was_changed(info):
    assert info.vocabulary().words[1:] == ("größe",)
    Vocabulary(["grösse"]).save(info.directory / "vocabulary.txt")
    with pytest.raises(InputError, match="hash"):
        info.vocabulary()


def test_missing_shard(info):
    with pytest.raises(InputError, match="3 whole records in .*train.tfrecord. Received: no file"):
        records.open_records(info, "train")


def test_no_data_set(tmp_path):
    with pytest.raises(InputError, match="no such directory"):
        records.load_dataset_info(tmp_path / "none")
    with pytest.raises(InputError, match="no dataset.json"):
        records.load_dataset_info(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"format_version": 1}', '{"format_version": 1, "splits": {"train": {}}}'],
)
def test_foreign_description(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match="description of a data set"):
        records.load_dataset_info(tmp_path)


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda c: c.update(image_size="64"), "'64' is not a count"),
        (lambda c: c.update(stored_size=None), "None is not a count"),
        (lambda c: c.update(vocabulary_size=1e9), "is not a count"),
        (lambda c: c.update(fingerprint=7), "7 is not a text"),
        (lambda c: c["splits"]["train"].update(num_images=-1), "-1 is not a count"),
        (lambda c: c["splits"]["train"].update(num_images=4), "4 images in 'train', 3 in its"),
        (lambda c: c["splits"]["train"].update(num_captions=True), "True is not a count"),
        (lambda c: c["splits"]["train"].update(shards=None), "'NoneType' object is not iterable"),
        (lambda c: c["splits"]["train"]["shards"][0].update(num_images=2**40), "is not a count"),
        (lambda c: c["splits"]["train"]["shards"][0].update(file="../x"), "not the name of a file"),
        (lambda c: c["splits"]["train"]["shards"][0].update(file="/dev/zero"), "not the name of a"),
        (lambda c: c["splits"]["train"]["shards"][0].update(file=["x" * 999]), "not the name of a"),
        (lambda c: c.update(splits=[]), "no attribute 'items'"),
        (lambda c: c.pop("name"), "'name'"),
    ],
)
def test_values_that_no_preparation_writes(info, change, problem):
    path = info.directory / "dataset.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=f"dataset.json: .*{problem}.* Restore it, or") as caught:
        records.load_dataset_info(info.directory)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b""])
def test_what_is_no_json(tmp_path, content):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(InputError, match="description of a data set"):
        records.load_dataset_info(tmp_path)


def test_other_format_version(info):
    path = info.directory / "dataset.json"
    path.write_text(info.to_json().replace('"format_version": 1', '"format_version": 99'))
    with pytest.raises(InputError, match="format_version 1 .*Received: 99"):
        records.load_dataset_info(info.directory)
