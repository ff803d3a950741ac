"""Saved images are a folder that scores as they do, and never a mixture."""

import numpy as np
import pytest
from tiny_evaluation import ArrayImages, random_images

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import CaptionPlan
from dmgan_tf.evaluate.folder_images import FolderImages
from dmgan_tf.evaluate.saving import ImageSaver

PLAN = CaptionPlan(["a red disc", "ein grüner Kreis"], np.array([3, 5]), np.array([1, 0, 1]), {})


def save(directory, images):
    saver = ImageSaver(directory, images)
    for first in range(0, images.num_images, 2):
        saver(first, images.images[first : first + 2])


def test_saved_images_come_back_with_their_captions(tmp_path):
    images = ArrayImages(random_images(0, 3), PLAN)
    save(tmp_path / "saved", images)
    folder = FolderImages(tmp_path / "saved")
    np.testing.assert_array_equal(np.concatenate(list(folder.batches(0, 2))), images.images)
    captions, class_ids = folder.captions_and_classes()
    assert captions == ["ein grüner Kreis", "a red disc", "ein grüner Kreis"]
    assert class_ids == [5, 3, 5]


def test_an_unfinished_folder_has_no_captions_of_older_images(tmp_path):
    images = ArrayImages(random_images(0, 3), PLAN)
    save(tmp_path, images)
    ImageSaver(tmp_path, images)(0, images.images[:2])
    assert not (tmp_path / "metadata.jsonl").exists()
    ImageSaver(tmp_path, images)(2, images.images[2:])
    assert (tmp_path / "metadata.jsonl").is_file()


def test_images_of_no_known_caption_have_no_listing(tmp_path):
    save(tmp_path, ArrayImages(random_images(0, 3)))
    assert {path.name for path in tmp_path.iterdir()} == {"00000.png", "00001.png", "00002.png"}


@pytest.mark.parametrize("name", ["00003.png", "photo.JPG"])
def test_other_images_would_count_as_these(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / ".00000.7.tmp.png").touch()
    with pytest.raises(InputError, match=f"no other images .* Received: {name}"):
        ImageSaver(tmp_path, ArrayImages(random_images(0, 3)))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(InputError, match="a file"):
        ImageSaver(tmp_path / "x", ArrayImages(random_images(0, 3)))


def test_captions_of_any_characters_come_back(tmp_path):
    captions = [
        "a red disc\u2028of two lines\x85",
        "\0\x1b[31m\u202e\ufeff",
        "\u7ea2\u8272 \u0645\u0631\u0628\u0639 \U0001f426",
        "red " * 10_000,
        'quotes " and \\ and \r\n',
    ]
    plan = CaptionPlan(captions, np.arange(5), np.arange(5), {})
    images = ArrayImages(random_images(0, 5), plan)
    save(tmp_path / "saved", images)
    read, class_ids = FolderImages(tmp_path / "saved").captions_and_classes()
    assert read == [caption.strip() for caption in captions]
    assert class_ids == [0, 1, 2, 3, 4]
