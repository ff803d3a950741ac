"""`prepare_data` on CUB and COCO, from miniature trees to records."""

import hashlib
import io
import json
import pickle
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from miniature_trees import (
    BIRDS,
    COCO_NUMBERS,
    ODD_BIRD,
    ODD_CAPTIONS,
    make_birds,
    make_coco,
    write_pickle,
)
from PIL import Image

from dmgan_tf.convert.caption_pickle import read_vocabulary
from dmgan_tf.data import preparation, records
from dmgan_tf.data.sources.cub import CUB
from dmgan_tf.data.sources.published import split_as_released
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary


@pytest.fixture
def prepare(run_command, tmp_path):
    """Runs the command into `out`: `(exit status, stdout, stderr)`."""

    def run(dataset, source, *arguments):
        return run_command(
            "prepare_data",
            f"--dataset={dataset}",
            f"--source={source}",
            f"--output={tmp_path / 'out'}",
            "--image_size=32",
            *arguments,
        )

    return run


def rows_of(output, split):
    info = records.load_dataset_info(output)
    dataset = tf.data.TFRecordDataset(info.shard_paths(split)).map(records.parse_example)
    rows = list(dataset.as_numpy_iterator())
    return {row["file_name"].decode().removesuffix(".jpg"): row for row in rows}


def records_in(rows):
    return {name: (row["image"], list(row["captions"])) for name, row in rows.items()}


def digests(output):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in output.iterdir()
        if path.suffix == ".tfrecord"
    }


def released_ids(path, split, count):
    """The captions of each image as the release's code would draw them from its file."""
    ids = pickle.loads(path.read_bytes(), encoding="utf-8")[("train", "test").index(split)]
    return [ids[start : start + count] for start in range(0, len(ids), count)]


@pytest.mark.parametrize("protocol", [0, 2])
def test_birds_with_the_words_of_the_release(prepare, tmp_path, protocol):
    birds = make_birds(tmp_path / "birds", protocol=protocol)
    status, stdout, stderr = prepare("cub", birds)
    assert status == 0, stderr
    assert f"The vocabulary is that of {birds / 'captions.pickle'}" in stdout
    assert (
        f"train: 8,855 images are published; differs: {birds / 'train/filenames.pickle'} lists 4: "
        "it was shortened, is of another split, or its archive leaves images out (compare it with "
        "a fresh copy; scores on another list are not comparable); 3 classes remain of 150"
        in stdout
    )
    assert "both splits" not in stdout and "skipped: 1 empty caption\n" in stdout
    info = records.load_dataset_info(tmp_path / "out")
    assert info.name == "cub"
    assert info.vocabulary() == read_vocabulary(birds / "captions.pickle")
    tokenizer = Tokenizer(info.vocabulary())
    for split, names in BIRDS.items():
        rows = rows_of(tmp_path / "out", split)
        assert list(rows) == names or split == "train" and set(rows) == set(names)
        expected = released_ids(birds / "captions.pickle", split, 10)
        for name, ids in zip(names, expected, strict=True):
            captions = rows[name]["captions"]
            ids = [caption for caption in ids if caption]  # that of accents alone is left out
            assert [tokenizer.encode(caption.decode()) for caption in captions] == ids
            assert tokenizer.in_graph(tf.constant(captions)).to_list() == ids
            assert rows[name]["class_id"] == int(name[:3])
    odd = rows_of(tmp_path / "out", "train")[ODD_BIRD]["captions"]
    assert [
        [info.vocabulary().words[index] for index in tokenizer.encode(caption.decode())]
        for caption in odd
    ] == [words for _, words in ODD_CAPTIONS if words]
    # Where our words are the released ones, the caption is as it was written.
    assert odd[0] == b"This bird's beak is SHORT." and odd[3] == b"a caf au lait brd"


def test_birds_are_cropped_as_by_the_release(prepare, tmp_path):
    birds = make_birds(tmp_path / "birds")
    assert prepare("cub", birds)[0] == 0
    name = BIRDS["test"][0]  # its box: left 20, top 14, width 30, height 20, in 80x60 pixels
    with Image.open(birds / f"CUB_200_2011/images/{name}.jpg") as image:
        # The middle is (35, 24), half the side int(30 * 0.75) = 22.
        expected = image.crop((13, 2, 57, 46)).resize((38, 38), Image.Resampling.BILINEAR)
    with Image.open(io.BytesIO(rows_of(tmp_path / "out", "test")[name]["image"])) as stored:
        assert stored.size == (38, 38)
        difference = np.asarray(stored, np.float32) - np.asarray(expected, np.float32)
    assert np.abs(difference).mean() < 2


def test_without_a_vocabulary_captions_stay_as_they_are(prepare, tmp_path):
    birds = make_birds(tmp_path / "birds", captions_pickle=False)
    status, stdout, _ = prepare("cub", birds)
    assert status == 0 and "The vocabulary is" not in stdout
    vocabulary = records.load_dataset_info(tmp_path / "out").vocabulary()
    assert vocabulary.id_of("caf\xe9") is not None
    captions = rows_of(tmp_path / "out", "train")[BIRDS["train"][0]]["captions"]
    assert captions[0] == b"This bird is grey, it's beak red."


def test_a_given_vocabulary_goes_before_that_of_the_tree(prepare, tmp_path, caplog):
    birds = make_birds(tmp_path / "birds", beside=True)
    (birds / "CUB_200_2011/captions.pickle").write_bytes(b"damaged")
    given = Vocabulary(["zebra", "bird", "caf"])  # of a released encoder: it has no accents
    given.save(tmp_path / "vocabulary.txt")
    status, _, stderr = prepare("cub", birds, f"--vocabulary={tmp_path / 'vocabulary.txt'}")
    assert status == 0, stderr
    assert "vocabulary.txt may be that of another data set" in caplog.text
    assert records.load_dataset_info(tmp_path / "out").vocabulary() == given
    captions = rows_of(tmp_path / "out", "test")[BIRDS["test"][0]]["captions"]
    assert b"a blue bird with a caf au lait_2 belly" in captions


def test_every_layout_of_birds_gives_the_same_bytes(prepare, tmp_path):
    birds = make_birds(tmp_path / "birds")
    assert prepare("cub", birds)[0] == 0
    first = digests(tmp_path / "out")
    other = make_birds(tmp_path / "b", beside=True, class_info=False, captions_pickle=False)
    vocabulary = f"--vocabulary={birds / 'captions.pickle'}"
    status, _, stderr = prepare("cub", other / "CUB_200_2011", vocabulary, "--overwrite")
    assert status == 0, stderr
    assert len(first) == 2 and digests(tmp_path / "out") == first


@pytest.mark.parametrize("metadata, texts", [(False, ""), (True, "text"), (True, "{part}")])
def test_coco(prepare, tmp_path, metadata, texts):
    coco = make_coco(tmp_path / "coco", metadata=metadata, texts=texts, captions_pickle=True)
    status, stdout, stderr = prepare("coco", coco, "--image_size=64")  # of 50 pixels: enlarged
    assert status == 0, stderr
    listing = "test/filenames.pickle" if metadata else "annotations/captions_val2014.json"
    assert f"test: 40,504 images are published; differs: {coco / listing} lists 3: it" in stdout
    tokenizer = Tokenizer(records.load_dataset_info(tmp_path / "out").vocabulary())
    rows = rows_of(tmp_path / "out", "train")
    expected = released_ids(coco / "captions.pickle", "train", 5)
    for number, ids in zip(COCO_NUMBERS["train2014"], expected, strict=True):
        row = rows[f"COCO_train2014_{number:012d}"]
        assert [tokenizer.encode(caption.decode()) for caption in row["captions"]] == ids
        assert min(tf.io.decode_jpeg(row["image"]).shape[:2]) == 64
    assert sorted(row["class_id"] for row in rows.values()) == list(range(5))


def test_as_many_images_as_published(prepare, tmp_path, monkeypatch):
    birds = make_birds(tmp_path / "birds")
    counts = {"train": (4, 3), "test": (3, 2)}
    monkeypatch.setattr(CUB, "published_counts", counts)
    write_pickle(birds / "test/class_info.pickle", [3, 199])
    (birds / f"CUB_200_2011/images/{BIRDS['test'][0]}.jpg").unlink()
    status, stdout, stderr = prepare("cub", birds, "--max_skipped_fraction=0.5")
    assert status == 0, stderr
    counts["test"] = (1, 1)
    more = prepare("cub", birds, "--max_skipped_fraction=0.5")[1]
    assert "train: 4 images are published; as here" in stdout
    assert re.search(
        "test: 3 images are published; differs: .*test/filenames.pickle lists 2: .* comparable.; "
        "1 of the listed were skipped, and skipped.txt says why; 1 classes remain of 2\n",
        stdout,
    )
    assert re.search("test: 1 images are .*; differs: .* lists 2: images were added", more)
    assert "1 classes are in both splits" in stdout


def test_validation_birds_are_classes_of_the_training_split(prepare, tmp_path, monkeypatch):
    birds = make_birds(tmp_path / "birds")
    counts = {"train": (4, 3), "test": (2, 2)}
    monkeypatch.setattr(CUB, "published_counts", counts)
    assert prepare("cub", birds)[0] == 0
    whole = {split: rows_of(tmp_path / "out", split) for split in BIRDS}
    status, stdout, stderr = prepare("cub", birds, "--validation_fraction=0.34", "--overwrite")
    assert status == 0, stderr
    assert "train and validation: 4 images are published; as here" in stdout
    assert "test: 2 images are published; as here" in stdout
    train, validation, test = (
        rows_of(tmp_path / "out", split) for split in ("train", "validation", "test")
    )
    assert validation and train
    assert not {name[:3] for name in train} & {name[:3] for name in validation}
    assert records_in({**train, **validation}) == records_in(whole["train"])
    assert records_in(test) == records_in(whole["test"])
    # The vocabulary is still that of the release, whose captions were compared with all images.
    info = records.load_dataset_info(tmp_path / "out")
    assert info.vocabulary() == read_vocabulary(birds / "captions.pickle")


@pytest.mark.parametrize("damage", ["missing", "fewer"])
def test_published_counts_are_those_of_training_and_validation(prepare, tmp_path, damage):
    birds = make_birds(tmp_path / "birds", captions_pickle=False)
    arguments = ["--validation_fraction=0.34", "--max_skipped_fraction=0.5"]
    if damage == "missing":
        (birds / f"CUB_200_2011/images/{BIRDS['train'][2]}.jpg").unlink()
    status, stdout, stderr = prepare("cub", birds, *arguments)
    assert status == 0, stderr
    left = "1 of the listed were skipped, and skipped.txt says why; 2" * (damage == "missing")
    assert re.search(
        "train and validation: 8,855 images are published; differs: .*train/filenames.pickle lists "
        f"4: .*; {left or 3} classes remain of 150\n",
        stdout,
    )


def test_validation_images_of_coco_do_not_depend_on_its_layout(prepare, tmp_path):
    held_out = []
    for number, metadata in enumerate((False, True)):
        coco = make_coco(tmp_path / f"coco{number}", metadata=metadata)
        if not metadata:  # the annotations list the images in another order than the archive
            path = coco / "annotations/captions_train2014.json"
            content = json.loads(path.read_text())
            content["images"].reverse()
            path.write_text(json.dumps(content))
        status, stdout, stderr = prepare("coco", coco, "--validation_fraction=0.4", "--overwrite")
        assert status == 0, stderr
        assert "train and validation: 82,783 images are published; differs" in stdout
        held_out.append(set(rows_of(tmp_path / "out", "validation")))
        assert len(held_out[-1] | set(rows_of(tmp_path / "out", "train"))) == 5
        assert len(rows_of(tmp_path / "out", "test")) == 3
    assert held_out[0] == held_out[1] and len(held_out[0]) == 2


def test_an_interrupted_preparation_goes_on(prepare, tmp_path, monkeypatch):
    birds = make_birds(tmp_path / "birds")
    arguments = ("cub", birds, "--shards=4", "--workers=1")
    assert prepare(*arguments)[0] == 0
    whole = digests(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    encode, read = preparation.encode_image, []

    def interrupted(image, *rest):
        read.append(image)
        if len(read) == 3:
            raise KeyboardInterrupt
        return encode(image, *rest)

    monkeypatch.setattr(preparation, "encode_image", interrupted)
    assert prepare(*arguments)[0] == 130
    assert len(digests(tmp_path / "out")) == 2
    read[:] = [None] * 3
    assert prepare(*arguments)[0] == 0
    assert len(read) == 3 + 4  # two of the six images were done
    assert digests(tmp_path / "out") == whole


def break_picture(birds):
    path = birds / f"CUB_200_2011/images/{BIRDS['train'][2]}.jpg"
    path.write_bytes(path.read_bytes()[:300])


def move_box(birds):
    path = birds / "CUB_200_2011/bounding_boxes.txt"
    path.write_text(path.read_text().replace("2.0 3.0 77.0 55.0", "60.0 3.0 77.0 55.0"))


@pytest.mark.parametrize(
    "damage, message",
    [
        (
            lambda birds: (birds / f"CUB_200_2011/images/{BIRDS['train'][2]}.jpg").unlink(),
            "Expected the image .*0001_1071.jpg, .* 1 of 6 .* --max_skipped_fraction=0.167",
        ),
        (break_picture, "1 of 6, the first .*0001_1071.jpg .broken image.*again with --overwrite"),
        (
            move_box,
            "box inside the image .*.jpg of 80x60 pixels. Received: left 60, top 3, width 77",
        ),
        (
            lambda birds: (
                make_coco(birds / "c", metadata=True, captions_pickle=True)
                .joinpath("captions.pickle")
                .replace(birds / "captions.pickle")
            ),
            "captions.pickle of this data set in .*birds/captions.pickle. Received: a list of "
            r"25 \(list\) for train, where .*train/filenames.pickle gives 40. Take it",
        ),
        (
            lambda birds: (birds / "captions.pickle").write_bytes(b"<html>"),
            "captions.pickle.*web page",
        ),
    ],
)
def test_bad_birds_are_one_line(error_line, tmp_path, damage, message):
    birds = make_birds(tmp_path / "birds")
    damage(birds)
    line = error_line(
        "prepare_data",
        "--dataset=cub",
        f"--source={birds}",
        f"--output={tmp_path / 'out'}",
        "--image_size=32",
    )
    assert re.search(message, line), line


def test_a_mended_source_is_begun_anew(prepare, tmp_path):
    birds = make_birds(tmp_path / "birds")
    boxes = birds / "CUB_200_2011/bounding_boxes.txt"
    right = boxes.read_text()
    move_box(birds)
    status, _, stderr = prepare("cub", birds)
    assert status == 2 and "start again with --overwrite" in stderr
    boxes.write_text(right)
    status, _, stderr = prepare("cub", birds)
    assert status == 2
    assert (
        "Received: an unfinished one, of a source or settings that have changed since. Give "
        "--overwrite to start again" in stderr
    )
    assert prepare("cub", birds, "--overwrite")[0] == 0


def test_the_advice_fits_a_captions_pickle_that_was_given(prepare, tmp_path):
    birds = make_birds(tmp_path / "birds")
    coco = make_coco(tmp_path / "coco", metadata=True, captions_pickle=True)
    status, _, stderr = prepare("cub", birds, f"--vocabulary={coco / 'captions.pickle'}")
    assert status == 2 and "or leave the flag out" in stderr and "move it away" not in stderr


def test_an_image_folder_takes_the_words_of_the_release_too(
    run_command, image_folder, tmp_path, caplog
):
    birds = make_birds(tmp_path / "birds")
    status, _, stderr = run_command(
        "prepare_data",
        f"--source={image_folder}",
        f"--output={tmp_path / 'out'}",
        "--image_size=32",
        f"--vocabulary={birds / 'captions.pickle'}",
    )
    assert status == 0, stderr
    assert "captions.pickle may be that of another data set" in caplog.text
    words = records.load_dataset_info(tmp_path / "out").vocabulary().words[1:]
    assert set(split_as_released("A red bird")) < set(words)
