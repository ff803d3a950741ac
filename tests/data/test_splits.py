import dataclasses
import math
import random

import pytest

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.sources.image_folder import embedded_dataset_path, read_image_folder
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.data.splits import held_out_split, hold_out_validation
from dmgan_tf.errors import InputError


def images_of(split, count, per_class=1, first_class=0):
    return [
        CaptionedImage(None, f"{split}/{n}.jpg", (f"a {n}",), first_class + n // per_class)
        for n in range(count)
    ]


def names(images):
    return {image.file_name for image in images}


def classes(images):
    return {image.class_id for image in images}


def test_whole_classes_of_the_training_split():
    splits = {"train": images_of("train", 100, 5), "test": images_of("test", 20, 5, 20)}
    divided = hold_out_validation(splits, 0.25, "birds")
    assert list(divided) == ["train", "validation", "test"]
    assert divided["test"] == splits["test"]
    assert (len(divided["train"]), len(divided["validation"])) == (75, 25)
    assert not classes(divided["train"]) & classes(divided["validation"])
    for part in ("train", "validation"):  # in the order they had
        assert divided[part] == [image for image in splits["train"] if image in divided[part]]


def test_nothing_is_held_out_by_default():
    splits = {"train": images_of("train", 3), "test": []}
    assert hold_out_validation(splits, 0, "birds") == splits


@pytest.mark.parametrize("per_class", [1, 5])
def test_the_order_of_the_listing_does_not_matter(per_class):
    images = images_of("train", 200, per_class)
    expected = hold_out_validation({"train": images, "test": []}, 0.1, "birds")
    shuffled = random.Random(0).sample(images, len(images))
    if per_class == 1:  # images that are no class are numbered as they are listed
        shuffled = [
            dataclasses.replace(image, class_id=n) for n, image in enumerate(shuffled, start=7)
        ]
    again = hold_out_validation({"train": shuffled, "test": []}, 0.1, "birds")
    assert names(again["validation"]) == names(expected["validation"])
    assert len(expected["validation"]) == 20


def test_a_larger_fraction_holds_out_the_same_and_more():
    splits = {"train": images_of("train", 100), "test": []}
    held_out = [
        names(hold_out_validation(splits, fraction, "birds")["validation"])
        for fraction in (0.02, 0.1, 0.5)
    ]
    assert [len(part) for part in held_out] == [2, 10, 50]
    assert held_out[0] < held_out[1] < held_out[2]


def test_which_ones_is_fixed():
    splits = {"train": images_of("train", 100, 5), "test": []}
    assert classes(hold_out_validation(splits, 0.15, "birds")["validation"]) == {8, 9, 15}
    splits = {"train": images_of("train", 40), "test": []}
    assert names(hold_out_validation(splits, 0.05, "coco")["validation"]) == {
        "train/29.jpg",
        "train/37.jpg",
    }


def test_embedded_data_set():
    splits = read_image_folder(embedded_dataset_path())
    divided = hold_out_validation(splits, 0.05, "emoji")
    assert [len(classes(images)) for images in divided.values()] == [238, 13, 40]
    assert names(divided["train"]) | names(divided["validation"]) == names(splits["train"])
    assert len(divided["train"]) + len(divided["validation"]) == 923


@pytest.mark.parametrize("fraction", [-0.01, 0.51, 1, math.inf, math.nan])
def test_fraction_out_of_range(fraction):
    splits = {"train": images_of("train", 10), "test": []}
    with pytest.raises(InputError, match=r"fraction in \[0, 0.5\]. Received: (-|0.51|1|inf|nan)"):
        hold_out_validation(splits, fraction, "birds")


@pytest.mark.parametrize("num_classes, fraction", [(10, 0.05), (3, 0.1), (150, 0.003)])
def test_a_fraction_of_no_class_and_the_fraction_advised(num_classes, fraction):
    splits = {"train": images_of("train", 2 * num_classes, 2), "test": []}
    with pytest.raises(InputError, match=f"{fraction} of {num_classes} in birds") as caught:
        hold_out_validation(splits, fraction, "birds")
    advised = float(str(caught.value).partition("Give ")[2].split()[0])
    assert len(hold_out_validation(splits, advised, "birds")["validation"]) == 2


def test_a_single_class_cannot_be_divided():
    splits = {"train": images_of("train", 8, 8), "test": []}
    with pytest.raises(InputError, match="one class cannot be divided"):
        hold_out_validation(splits, 0.5, "birds")


def test_a_validation_split_is_not_divided_again():
    splits = {"train": images_of("train", 10), "validation": [], "test": []}
    with pytest.raises(InputError, match="birds, which has one. Leave out --validation_fraction"):
        hold_out_validation(splits, 0.1, "birds")


def with_counts(info, **counts):
    """The description of a data set whose splits have these numbers of images."""
    shape = info.splits["train"]
    splits = {name: dataclasses.replace(shape, num_images=count) for name, count in counts.items()}
    return dataclasses.replace(info, splits=splits)


@pytest.mark.parametrize(
    ("counts", "min_images", "expected"),
    [
        ({"train": 9, "test": 5}, 1, "test"),
        ({"train": 9, "validation": 3, "test": 5}, 1, "validation"),
        ({"train": 9, "validation": 1, "test": 5}, 2, "test"),
        ({"train": 9, "validation": 0, "test": 0}, 1, None),
        ({"train": 9}, 1, None),
    ],
)
def test_validation_comes_before_test(prepared_data, counts, min_images, expected):
    info = with_counts(load_dataset_info(prepared_data), **counts)
    assert held_out_split(info, min_images) == expected
