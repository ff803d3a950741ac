import json

import pytest

from dmgan_tf.data import records
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
    assert [records.stored_size(size) for size in (64, 128, 256)] == [76, 152, 304]


def test_info_round_trip(info):
    assert records.load_dataset_info(info.directory) == info
    assert json.loads(info.to_json())["format_version"] == records.FORMAT_VERSION


def test_vocabulary_that_was_changed(info):
    assert info.vocabulary().words[1:] == ("größe",)
    Vocabulary(["grösse"]).save(info.directory / "vocabulary.txt")
    with pytest.raises(InputError, match="hash"):
        info.vocabulary()


def test_missing_shard(info):
    with pytest.raises(InputError, match="train.tfrecord"):
        info.shard_paths("train")


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


def test_other_format_version(info):
    path = info.directory / "dataset.json"
    path.write_text(info.to_json().replace('"format_version": 1', '"format_version": 99'))
    with pytest.raises(InputError, match="format_version 1 .*Received: 99"):
        records.load_dataset_info(info.directory)
