import json
import shutil

import pytest
from miniature_trees import COCO_NUMBERS, coco_captions, coco_name, make_birds, make_coco

from dmgan_tf.data.sources.coco import COCO
from dmgan_tf.errors import InputError

NAMES = {
    split: [f"{coco_name(part, number)}.jpg" for number in COCO_NUMBERS[part]]
    for split, part in (("train", "train2014"), ("test", "val2014"))
}


@pytest.mark.parametrize("images", ["", "images/", None])
@pytest.mark.parametrize("metadata", [False, True])
def test_what_is_listed(tmp_path, images, metadata):
    source = COCO(make_coco(tmp_path / "coco", images=images, metadata=metadata))
    assert source.vocabulary_file is None and source.in_release_order == metadata
    splits = source.read()
    for split, listed in splits.items():
        assert [image.file_name for image in listed] == NAMES[split]
        assert all(image.path.is_file() and image.box is None for image in listed)
    classes = [image.class_id for listed in splits.values() for image in listed]
    assert classes == list(range(8))
    # The first five with a word, of those in the file.
    assert splits["train"][1].captions == tuple(coco_captions(25)[1:6])
    assert splits["test"][0].captions == tuple(coco_captions(42)[1:6])


@pytest.mark.parametrize("images", ["", "images/", None])
@pytest.mark.parametrize("texts", ["{part}", "text/{part}", "text"])
@pytest.mark.parametrize("moved", [False, True])
def test_texts_in_the_folders_that_the_zips_unpack_to(tmp_path, images, texts, moved):
    folder = make_coco(tmp_path / "coco", images=images, metadata=True, texts=texts)
    if moved:  # one of the two, as people do whom the other code asks for text/
        for path in (folder / texts.format(part="train2014")).glob("*_train2014_*.txt"):
            (folder / "text").mkdir(exist_ok=True)
            path.rename(folder / "text" / path.name)
    source = COCO(folder)
    splits = source.read()
    assert source.lists == {name: folder / name / "filenames.pickle" for name in ("train", "test")}
    assert splits["train"][1].captions == tuple(coco_captions(25)[1:6])
    assert splits["test"][0].captions == tuple(coco_captions(42)[1:6])
    assert all(image.path.is_file() for listed in splits.values() for image in listed)


def test_a_text_that_is_nowhere(tmp_path):
    folder = make_coco(tmp_path / "coco", metadata=True, texts="{part}")
    name = coco_name("val2014", 73)
    (folder / f"val2014/{name}.txt").unlink()
    with pytest.raises(InputError) as caught:
        COCO(folder).read()
    assert str(caught.value) == (
        f"Expected the captions {name}.txt in {folder}/text, {folder}/text/val2014 or "
        f"{folder}/val2014. Received: no such file. Unpack train2014-text.zip and "
        f"val2014-text.zip of the metadata archive for COCO in {folder}."
    )


def test_texts_alone_are_no_images(tmp_path):
    folder = make_coco(tmp_path / "coco", images="images/", metadata=True, texts="{part}")
    shutil.rmtree(folder / "images")
    with pytest.raises(InputError, match="no images there. Unpack train2014.zip of COCO 2014 in"):
        COCO(folder).read()


def test_birds_are_not_coco(tmp_path):
    birds = make_birds(tmp_path / "birds")
    with pytest.raises(InputError, match="COCO_train2014_0.* '001.Black.*--dataset=cub"):
        COCO(birds).read()
    with pytest.raises(InputError, match="captions_train2014.json, or the lists .* neither"):
        COCO(birds / "CUB_200_2011").read()


def test_the_lists_of_the_release_go_first(tmp_path):
    make_coco(tmp_path / "coco")
    make_coco(tmp_path / "coco", metadata=True, captions_pickle=True, protocol=2)
    source = COCO(tmp_path / "coco")
    assert source.in_release_order
    assert source.vocabulary_file == tmp_path / "coco/captions.pickle"


def rewrite(folder, change):
    path = folder / "annotations/captions_train2014.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda c: shutil.rmtree(c), "a folder of images at .*no folder"),
        (
            lambda c: (c / "annotations/captions_val2014.json").unlink(),
            "captions_val2014.json, or the lists .* neither. Unpack",
        ),
        (lambda c: shutil.rmtree(c / "val2014"), "in .*val2014.* or .*images. .* val2014.zip"),
        (
            lambda c: (c / "annotations/captions_train2014.json").write_text('{"images": ['),
            "captions_train2014.json: .* JSONDecodeError, .* again",
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
        COCO(tmp_path / "coco").read()
    assert "\n" not in str(caught.value)


IMAGE = {"id": 9, "file_name": "a.jpg"}


@pytest.mark.parametrize(
    "change, received",
    [
        (lambda c: [c], "TypeError, list indices"),
        (lambda c: None, "TypeError, 'NoneType' object"),
        (lambda c: {"images": c["images"]}, "KeyError, 'annotations'"),
        (lambda c: {**c, "images": {"0": IMAGE}}, "TypeError, string indices"),
        (lambda c: {**c, "images": []}, "ValueError, no images, or other names than those of"),
        (
            lambda c: {**c, "images": [{**IMAGE, "file_name": "train2014/a.jpg"}]},
            "ValueError, no images, or other names than those of files",
        ),
        (lambda c: {**c, "images": [IMAGE, "b"]}, "TypeError, string indices"),
        (lambda c: {**c, "images": [{"id": 9}]}, "KeyError, 'file_name'"),
        (lambda c: {**c, "images": [{**IMAGE, "id": [9]}]}, "TypeError, unhashable"),
        (
            lambda c: {**c, "images": [{**IMAGE, "file_name": 9}]},
            "TypeError, a name or a caption that is not text",
        ),
        (
            lambda c: {**c, "annotations": [{"image_id": 9, "caption": 5}]},
            "TypeError, a name or a caption that is not text",
        ),
        (lambda c: {**c, "annotations": [{"caption": "a bus"}]}, "KeyError, 'image_id'"),
    ],
)
def test_annotations_of_other_types(tmp_path, change, received):
    make_coco(tmp_path / "coco")
    rewrite(tmp_path / "coco", change)
    with pytest.raises(InputError) as caught:
        COCO(tmp_path / "coco").read()
    message = str(caught.value)
    assert message.startswith(
        f"Expected COCO's captions in {tmp_path}/coco/annotations/captions_train2014.json: "
        '"images" with "id" and "file_name", "annotations" with "image_id" and "caption". '
        f"Received: {received}"
    )
    assert message.endswith(
        " Get the file again: it is in annotations_trainval2014.zip of COCO 2014."
    )


@pytest.mark.parametrize("name", ["..", "a\0.jpg", "\ud800.jpg"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    make_coco(tmp_path / "coco")
    rewrite(tmp_path / "coco", lambda c: {**c, "images": [{**IMAGE, "file_name": name}]})
    with pytest.raises(InputError, match="relative to their folder, in .*captions_train2014.json"):
        COCO(tmp_path / "coco").read()


def test_an_image_that_the_annotations_list_twice(tmp_path):
    make_coco(tmp_path / "coco")
    rewrite(tmp_path / "coco", lambda c: {**c, "images": [*c["images"], c["images"][1]]})
    with pytest.raises(
        InputError, match="every image of coco once, .*000025.jpg' 2 times. Correct the list"
    ):
        COCO(tmp_path / "coco").read()


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_list_of_the_release_is_missing(tmp_path, split):
    make_coco(tmp_path / "coco", metadata=True)
    (tmp_path / f"coco/{split}/filenames.pickle").unlink()
    with pytest.raises(InputError, match=f"{split}/filenames.pickle, the list .* no such file"):
        COCO(tmp_path / "coco").read()


def test_a_short_text_of_the_release(tmp_path):
    make_coco(tmp_path / "coco", metadata=True)
    name = coco_name("val2014", 73)
    (tmp_path / f"coco/text/{name}.txt").write_text("a bus\n" * 4)
    with pytest.raises(InputError, match=f"5 captions in .*{name}.txt. Received: 4"):
        COCO(tmp_path / "coco").read()
