import json
import shutil

import pytest
from miniature_trees import COCO_NUMBERS, coco_captions, coco_name, make_coco

from dmgan_tf.data.coco import read_coco
from dmgan_tf.errors import InputError

NAMES = {
    split: [f"{coco_name(part, number)}.jpg" for number in COCO_NUMBERS[part]]
    for split, part in (("train", "train2014"), ("test", "val2014"))
}


@pytest.mark.parametrize("images", ["", "images/", None])
@pytest.mark.parametrize("metadata", [False, True])
def test_what_is_listed(tmp_path, images, metadata):
    source = read_coco(make_coco(tmp_path / "coco", images=images, metadata=metadata))
    assert source.captions_pickle is None and source.in_release_order == metadata
    for split, listed in source.splits.items():
        assert [image.file_name for image in listed] == NAMES[split]
        assert all(image.path.is_file() and image.box is None for image in listed)
    classes = [image.class_id for listed in source.splits.values() for image in listed]
    assert classes == list(range(8))
    # The first five with a word, of those in the file.
    assert source.splits["train"][1].captions == tuple(coco_captions(25)[1:6])
    assert source.splits["test"][0].captions == tuple(coco_captions(42)[1:6])


def test_the_lists_of_the_release_go_first(tmp_path):
    make_coco(tmp_path / "coco")
    make_coco(tmp_path / "coco", metadata=True, captions_pickle=True, protocol=2)
    source = read_coco(tmp_path / "coco")
    assert source.in_release_order
    assert source.captions_pickle == tmp_path / "coco/captions.pickle"


def rewrite(folder, change):
    path = folder / "annotations/captions_train2014.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda c: shutil.rmtree(c), "the folder of COCO 2014 at .*no folder"),
        (
            lambda c: (c / "annotations/captions_val2014.json").unlink(),
            "captions_val2014.json, or the lists .* neither. Unpack",
        ),
        (lambda c: shutil.rmtree(c / "val2014"), "in .*val2014.* or .*images. .* val2014.zip"),
        (
            lambda c: (c / "annotations/captions_train2014.json").write_text('{"images": ['),
            "captions_train2014.json: .* no JSON .* again",
        ),
        (lambda c: rewrite(c, lambda content: [content]), "captions_train2014.json.* Received: no"),
        (lambda c: rewrite(c, lambda content: {"images": []}), "no 'annotations'"),
        (
            lambda c: rewrite(c, lambda content: {**content, "images": []}),
            "no images, or other names",
        ),
        (
            lambda c: rewrite(c, lambda content: {**content, "images": [{"id": 9}]}),
            "no 'file_name'",
        ),
        (
            lambda c: rewrite(c, lambda content: {**content, "annotations": [{"caption": 5}]}),
            "no text where one belongs",
        ),
        (
            lambda c: rewrite(
                c,
                lambda content: {
                    **content,
                    "annotations": [a for a in content["annotations"] if a["id"] // 1000 < 4],
                },
            ),
            "Expected 5 captions in .*captions_train2014.json for COCO_train2014_000000000009.jpg. "
            "Received: 3",
        ),
    ],
)
def test_bad_annotations_are_named(tmp_path, damage, message):
    make_coco(tmp_path / "coco")
    damage(tmp_path / "coco")
    with pytest.raises(InputError, match=message) as caught:
        read_coco(tmp_path / "coco")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_list_of_the_release_is_missing(tmp_path, split):
    make_coco(tmp_path / "coco", metadata=True)
    (tmp_path / f"coco/{split}/filenames.pickle").unlink()
    with pytest.raises(InputError, match=f"{split}/filenames.pickle, the list .* no such file"):
        read_coco(tmp_path / "coco")


def test_a_short_text_of_the_release(tmp_path):
    make_coco(tmp_path / "coco", metadata=True)
    name = coco_name("val2014", 73)
    (tmp_path / f"coco/text/{name}.txt").write_text("a bus\n" * 4)
    with pytest.raises(InputError, match=f"5 captions in .*{name}.txt. Received: 4"):
        read_coco(tmp_path / "coco")
