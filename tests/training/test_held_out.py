import dataclasses

import pytest
from tiny_training import PRETRAINING

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.splits import held_out_split
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.training import dmgan_run
from dmgan_tf.training.damsm_run import pretrain_damsm


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


def test_pretraining_is_watched_on_the_validation_split(data, tmp_path, run_command):
    config = dataclasses.replace(PRETRAINING, epochs=1)
    result = pretrain_damsm(config, data, tmp_path / "run", flags_text="--epochs=1")
    assert result.retrieval_split == "validation" and 0 <= result.retrieval_accuracy <= 1
    model = load_model_directory(tmp_path / "run")
    assert model.extra["damsm"]["retrieval_split"] == "validation"
    assert "of the validation split" in model.readme
    arguments = (f"--data={data}", f"--run={tmp_path}/run", "--resume", "--epochs=1")
    sizes = ("--backbone_channels=4", "--encoder_input_size=16", "--word_dim=8")
    status, stdout, stderr = run_command(
        "pretrain_damsm", *arguments, *sizes, "--embedding_dim=6", "--batch_size=4"
    )
    assert status == 0, stderr
    assert stdout.startswith("retrieval on the validation split: ")
