"""What is said of a folder of pictures before they are prepared."""

import json

import pytest
from PIL import Image

from dmgan_tf.data.folder_survey import examine_folder
from dmgan_tf.errors import InputError


def make_folder(directory, count, caption="a red thing {}", sizes=(40,), class_of=None):
    directory.mkdir()
    for number in range(count):
        size = sizes[number % len(sizes)]
        Image.new("RGB", (size, size + 5), "red").save(directory / f"{number}.png")
        (directory / f"{number}.txt").write_text(caption.format(number))
    return directory


@pytest.mark.parametrize(("count", "held_out"), [(20, 5), (40, 8), (100, 10)])
def test_a_tenth_is_held_out_or_eight_or_a_quarter(tmp_path, count, held_out):
    folder = examine_folder(make_folder(tmp_path / "pictures", count))
    assert folder.num_training == count - held_out
    assert folder.longest_caption == 4 and not folder.says_sides
    assert set(folder.shorter_sides) == {40}


def test_a_folder_that_has_a_test_split_keeps_it(image_folder):
    folder = examine_folder(image_folder)
    assert folder.test_fraction is None and folder.num_training == 14


def test_captions_that_say_left_are_not_mirrored(tmp_path):
    assert examine_folder(make_folder(tmp_path / "a", 20, "Left arrow {}")).says_sides
    assert not examine_folder(make_folder(tmp_path / "b", 20, "bright leftovers {}")).says_sides


def test_folders_that_nothing_can_be_learned_from(tmp_path):
    with pytest.raises(InputError, match="20 captioned pictures .* Received: 19 pictures"):
        examine_folder(make_folder(tmp_path / "few", 19))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no captions in"):
        examine_folder(empty)
    broken = make_folder(tmp_path / "broken", 20)
    for path in broken.glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match="none that can be opened"):
        examine_folder(broken)


def test_captions_of_test_pictures_alone_are_not_enough(tmp_path):
    entries = [{"file_name": f"train/{n}.png"} for n in range(20)]
    entries += [{"file_name": f"test/{n}.png", "text": "a"} for n in range(4)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, entries)))
    with pytest.raises(InputError, match="captions of the pictures to train on"):
        examine_folder(tmp_path)


def test_few_classes_are_told_of(tmp_path):
    folder = tmp_path / "classes"
    folder.mkdir()
    entries = [{"file_name": f"{n}.png", "text": "a", "class_id": n % 4} for n in range(40)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, entries)))
    with pytest.raises(InputError, match="40 pictures, 4 values of class_id.*leave class_id out"):
        examine_folder(folder)
