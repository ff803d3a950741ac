import dataclasses

import pytest

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.splits import held_out_split
from dmgan_tf.training import dmgan_run


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


@pytest.fixture(scope="module")
def data(validated_data):
    return validated_data


def test_the_sheets_show_captions_of_the_validation_split(data):
    info = load_dataset_info(data)
    captions = dmgan_run._held_out_captions(data, info)
    assert len(captions) == info.split("validation").num_images
    assert len(set(captions)) == 2  # of two classes
