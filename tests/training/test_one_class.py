"""Batches of one class are counted and told of; a data set of one class at once."""

import json

import pytest
import stub_run
import tensorflow as tf
from PIL import Image
from tiny_training import (
    CONFIG,
    PRETRAINING,
    make_batch,
    make_damsm,
    make_dmgan,
    save_damsm,
    shared,
    take_step,
)

from dmgan_tf.data.preparation import prepare
from dmgan_tf.data.sources.image_folder import read_image_folder
from dmgan_tf.errors import InputError
from dmgan_tf.training import damsm_run
from dmgan_tf.training.config import DMGANConfig
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.one_class import OneClassNotice, check_local_batch, is_of_one_class


@pytest.fixture(scope="module")
def one_class(tmp_path_factory):
    """A data set whose training images are of one class; the test images are of one, too."""
    folder = tmp_path_factory.mktemp("one_class")
    for split, count in (("train", 8), ("test", 4)):
        (folder / split).mkdir()
        lines = []
        for number in range(count):
            Image.new("RGB", (40, 40), (30 * number, 90, 90)).save(folder / split / f"{number}.png")
            line = {"file_name": f"{number}.png", "text": f"a red disc {number}", "class_id": 0}
            lines.append(json.dumps(line))
        (folder / split / "metadata.jsonl").write_text("\n".join(lines))
    data = tmp_path_factory.mktemp("prepared") / "data"
    return prepare(read_image_folder(folder), data, name="one", image_size=32)


@pytest.mark.parametrize("ids, expected", [([3, 3, 3], 1), ([3, 3, 4], 0), ([4, 3, 3], 0)])
def test_what_is_of_one_class(ids, expected):
    assert is_of_one_class(tf.constant(ids)).numpy() == expected


@pytest.mark.parametrize("make", [make_dmgan, make_damsm])
def test_a_step_counts_such_a_batch_whose_loss_is_0(make):
    several, one = make_batch(0), make_batch(0) | {"class_ids": tf.zeros([4], tf.int32)}
    name = "damsm_loss" if make is make_dmgan else "loss"
    logs = take_step(shared(make), several)
    assert logs["one_class_batches"] == 0 and logs[name] > 0.1
    logs = take_step(shared(make), one)
    assert logs["one_class_batches"] == 1 and logs[name] == 0


def test_replicas_look_at_what_they_compare_with(two_replicas):
    with two_replicas.scope():
        damsm = make_damsm(negatives="local")
    logs = take_step(damsm, make_batch(0), two_replicas)  # of one class on each
    assert logs["one_class_batches"] == 1 and logs["loss"] == 0


def test_one_warning_a_run(caplog):
    notice = OneClassNotice(40)
    for epoch, count in enumerate([0, 3, 5]):
        notice.on_epoch_end(epoch, {"one_class_batches": float(count)})
    (message,) = caplog.messages
    assert message.startswith("3 of 40 batches of epoch 2 had images of one class only")
    assert "Leave class_id out" in message


def test_pretraining_on_one_class_is_refused(one_class, tmp_path):
    with pytest.raises(InputError, match="two classes or more.* 8 of one.*Leave class_id out"):
        pretrain_damsm(PRETRAINING, one_class.directory, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_on_one_class_is_warned_of_at_once(one_class, tmp_path, caplog):
    save_damsm(tmp_path / "damsm", one_class.vocabulary())
    with pytest.raises(InputError, match="zeppelin"):
        train_dmgan(
            CONFIG,
            one_class.directory,
            tmp_path / "damsm",
            tmp_path / "run",
            sample_captions=["zeppelin"],
        )
    assert "8 of one" in caplog.text and "Leave class_id out" in caplog.text


def test_the_line_of_an_epoch_has_their_number(prepared_data, tmp_path, capfd, caplog):
    stub_run.train(
        tmp_path / "run", prepared_data, at_step=lambda step: {"one_class_batches": float(step < 3)}
    )
    first, second = (
        line for line in capfd.readouterr().err.splitlines() if line.startswith("epoch")
    )
    assert "one_class_batches=2" in first and "one_class_batches" not in second
    assert "2 of 3 batches of epoch 1" in caplog.text


def test_retrieval_of_a_split_of_one_class_is_not_measured(one_class, caplog):
    assert damsm_run._split_to_measure(one_class) is None
    assert "the test split has images of one class only" in caplog.text


@pytest.mark.parametrize("size, replicas", [(2, 2), (3, 2), (6, 4)])
def test_a_device_needs_two_images_of_its_own(size, replicas):
    with pytest.raises(InputError, match=f"{2 * replicas} or more.*Received: {size}"):
        check_local_batch(size, replicas)
    check_local_batch(2 * replicas, replicas)


def test_a_batch_of_one_is_refused(error_line):
    with pytest.raises(InputError, match="--batch_size to be 2 or more. Received: 1"):
        DMGANConfig(batch_size=1)
    line = error_line("train", "--data=d", "--damsm=m", "--run=r", "--batch_size=1")
    assert "Expected --batch_size to be 2 or more. Received: 1." in line
