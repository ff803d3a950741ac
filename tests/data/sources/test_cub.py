import shutil

import pytest
from miniature_trees import BIRDS, bird_captions, make_birds, write_pickle

from dmgan_tf.data.sources.cub import CUB
from dmgan_tf.errors import InputError

FIRST = BIRDS["train"][0]


@pytest.fixture
def birds(tmp_path):
    return make_birds(tmp_path / "birds")


def test_what_is_listed(birds):
    source = CUB(birds)
    assert source.vocabulary_file == birds / "captions.pickle"
    assert source.in_release_order
    splits = source.read()
    train, test = splits["train"], splits["test"]
    assert [image.file_name for image in train] == [f"{name}.jpg" for name in BIRDS["train"]]
    assert [image.class_id for image in train] == [1, 1, 3, 200]
    assert [image.class_id for image in test] == [2, 199]
    first = train[0]
    assert first.path == birds / f"CUB_200_2011/images/{FIRST}.jpg" and first.path.is_file()
    assert first.box == (40, 30, 24, 26)  # rounded down, as by the release
    assert train[1].box == (2, 3, 77, 55)  # the second in the list, the first in images.txt
    assert test[0].box == (20, 14, 30, 20)
    expected = [text for text in bird_captions(1) if text.strip(" -")]
    expected = [text.replace("\ufffd\ufffd", " ") for text in expected]
    assert first.captions == tuple(expected) and len(expected) == 10


@pytest.mark.parametrize(
    "beside, arrange, place",
    [
        (False, None, "birds"),
        (False, None, "birds/CUB_200_2011"),
        (True, None, "birds"),
        (True, None, "birds/CUB_200_2011"),
        (False, lambda root: (root / "birds/CUB_200_2011").rename(root / "CUB_200_2011"), "birds"),
        (
            False,
            lambda root: (root / "birds/text").rename(root / "birds/CUB_200_2011/text"),
            "birds",
        ),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2])
def test_every_layout_gives_the_same(tmp_path, beside, arrange, place, protocol):
    expected = CUB(make_birds(tmp_path / "reference")).read()
    make_birds(tmp_path / "birds", beside=beside, protocol=protocol)
    if arrange:
        arrange(tmp_path)
    source = CUB(tmp_path / place)
    assert source.vocabulary_file is not None
    for split, images in source.read().items():
        assert all(image.path.is_file() for image in images)
        without_path = [(i.file_name, i.captions, i.class_id, i.box) for i in images]
        assert without_path == [
            (i.file_name, i.captions, i.class_id, i.box) for i in expected[split]
        ]


def test_a_relative_source(birds, monkeypatch):
    monkeypatch.chdir(birds / "CUB_200_2011")
    assert len(CUB(".").read()["train"]) == 4


def test_classes_of_the_folders_where_none_are_given(birds):
    expected = CUB(birds).read()
    for split in BIRDS:
        (birds / split / "class_info.pickle").unlink()
    assert CUB(birds).read() == expected


def change(birds, name, old, new):
    path = birds / name
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda b: shutil.rmtree(b), "Expected a folder of images at .*no folder"),
        (
            lambda b: (b / "train/filenames.pickle").unlink(),
            "Expected train/filenames.pickle, the list .*birds.* metadata archive",
        ),
        (lambda b: (b / "test/filenames.pickle").unlink(), "Expected test/filenames.pickle"),
        (lambda b: shutil.rmtree(b / "text"), "Expected text, the folder .* unpack"),
        (
            lambda b: (b / f"text/{FIRST}.txt").write_text("a bird\n" * 9),
            r"Expected 10 captions in .*0046_18.txt. Received: 9",
        ),
        (lambda b: (b / f"text/{FIRST}.txt").unlink(), "0046_18.txt. Received: no such file"),
        (
            lambda b: write_pickle(b / "train/class_info.pickle", [1, 1, 3]),
            "each of the 4 images of .*train/filenames.pickle, in .*class_info.pickle. Received: 3",
        ),
        (
            lambda b: shutil.rmtree(b / "CUB_200_2011"),
            "Expected .*CUB_200_2011/images.txt. Received: no such file",
        ),
        (
            lambda b: (b / "CUB_200_2011/bounding_boxes.txt").unlink(),
            "bounding_boxes.txt. Received: no such file",
        ),
        (
            lambda b: change(b, "CUB_200_2011/bounding_boxes.txt", "2 40.5", "9 40.5"),
            "a bounding box for each of the 6 images .*none for 1, such as .*0046_18.jpg",
        ),
        (
            lambda b: change(b, "CUB_200_2011/bounding_boxes.txt", "14.0", ""),
            r"bounding_boxes.txt:3: expected NUMBER LEFT .* '3 20.0  30.0 20.0'",
        ),
        (
            lambda b: change(b, "CUB_200_2011/bounding_boxes.txt", "14.0", "nan"),
            "Expected numbers for the image 3 in .*bounding_boxes.txt. Received: 20.0 nan",
        ),
        (
            lambda b: change(b, "CUB_200_2011/images.txt", "0046_18", "0046_19"),
            "filenames.pickle in .*images.txt. Received: no .*0046_18.jpg there",
        ),
        (
            lambda b: write_pickle(b / "test/filenames.pickle", BIRDS["train"][:2]),
            "every image of cub once, .* Received: .*0046_18.jpg' 2 times",
        ),
    ],
)
def test_bad_sources_are_named(birds, damage, message):
    (birds / "test/class_info.pickle").unlink()
    damage(birds)
    with pytest.raises(InputError, match=message) as caught:
        CUB(birds).read()
    assert "\n" not in str(caught.value)


def test_a_name_without_a_class(birds):
    (birds / "train/class_info.pickle").unlink()
    names = ["Black_footed_Albatross/Black_Footed_Albatross_0046_18"]
    write_pickle(birds / "train/filenames.pickle", names)
    with pytest.raises(InputError, match="the class first. Received: 'Black_footed"):
        CUB(birds).read()
