"""What surrounds the steps of a run; whole runs are in `test_resume.py` and `test_survival.py`."""

import dataclasses
import json
import logging
import types

import numpy as np
import pytest
import tensorflow as tf
from tiny_training import CONFIG, PRETRAINING

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.errors import InputError, Interrupted
from dmgan_tf.training import dmgan_run
from dmgan_tf.training.config import RunSettings
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.samples import SampleSheets
from dmgan_tf.training.session import session
from dmgan_tf.training.session.run_directory import RunDirectory
from dmgan_tf.training.session.session import Session


def variables(value):
    names = "w", "optimizer/0001/adam/learning_rate", "steps/0000/steps_done"
    return {name: tf.Variable(float(value)) for name in names}


def values(held):
    return [variable.numpy() for variable in held.values()]


def test_going_back_leaves_what_moves_on_and_what_was_set(prepared_data, tmp_path):
    with Session(tmp_path / "run", PRETRAINING, RunSettings()) as run:
        run.scan(load_dataset_info(prepared_data))
        held = variables(1)
        model = types.SimpleNamespace(weights=list(held.values()), described={})
        assert run.is_new and run.restore(model, held, steps_per_epoch=3) == 0
        assert run.roll_back() is None and values(held) == [1, 1, 1]
        run.store.save(4, variables(2), {"steps_per_epoch": 3})
        assert run.roll_back() == 4 and values(held) == [2, 1, 1]
        held["w"].assign(7.0)
        assert run.restore(model, held, steps_per_epoch=3) == 4 and values(held) == [2, 1, 2]


def test_as_many_checkpoints_stay_as_wanted(tmp_path):
    with Session(tmp_path / "run", PRETRAINING, RunSettings(keep_checkpoints=2)) as run:
        for step in (1, 2, 3):
            run.store.save(step, variables(0))
        assert run.store.steps() == [2, 3]


def test_a_second_process_is_refused_before_it_changes_anything(
    prepared_data, damsm_directory, tmp_path
):
    """A damaged checkpoint, say, is not moved away under the process that trains."""
    RunDirectory(tmp_path).prepare("--epochs=9", resume=False)
    (tmp_path / "checkpoints/step-00000001.npz").write_bytes(b"half written")
    with RunDirectory(tmp_path).lock():
        before = {path: path.stat() for path in tmp_path.rglob("*")}
        with pytest.raises(InputError, match="to be free. Received: .* process"):
            train_dmgan(CONFIG, prepared_data, damsm_directory, tmp_path, resume=True)
        with pytest.raises(InputError, match="to be free. Received: .* process"):
            pretrain_damsm(PRETRAINING, prepared_data, tmp_path, resume=True)
        assert {path: path.stat() for path in tmp_path.rglob("*")} == before


def test_the_start_says_what_was_decided_and_the_end_what_was_skipped(
    prepared_data, tmp_path, caplog
):
    data = tmp_path / "data"
    data.mkdir()
    for path in prepared_data.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    shard = next(data.glob("train-*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    config = dataclasses.replace(PRETRAINING, epochs=1)
    with pytest.raises(InputError, match="1 of 14.*--max_skipped_fraction"):
        pretrain_damsm(config, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with caplog.at_level(logging.INFO):
        pretrain_damsm(
            config, data, tmp_path / "run", settings=RunSettings(max_skipped_fraction=0.1)
        )
    for line in (
        "strategy default, one replica",
        "Precision: float32",
        "Data: shapes, 14 training images, 1 of them unreadable and left out; "
        "3 steps of 4 images an epoch, 1 epochs",
        f"A new run of 3 steps in {tmp_path / 'run'}",
        "Trained without some records: 1 of 14 records of 'train' are unreadable",
    ):
        assert line in caplog.text
    with caplog.at_level(logging.INFO):
        config = dataclasses.replace(PRETRAINING, epochs=2)
        pretrain_damsm(config, prepared_data, tmp_path / "run", resume=True)
    assert "from the checkpoint of step 3 of 6" in caplog.text
    assert "readable records than when step 3 was saved" in caplog.text


def interrupt_before(monkeypatch, owner, name):
    """Stops the run as by a signal, which is raised on the spot where all is saved."""

    def interrupted(*_, **__):
        raise Interrupted("stopped", 75)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize(
    ("owner", "name", "missing"),
    [
        (SampleSheets, "on_epoch_end", {"samples/step-00000003.png", "model"}),
        (dmgan_run.CurrentModel, "save", {"model"}),
        (RunDirectory, "note_epoch_end", set()),
    ],
)
def test_the_work_of_an_epochs_end_is_done_again(
    prepared_data,
    damsm_directory,
    finished_run,
    tmp_path,
    monkeypatch,
    capsys,
    owner,
    name,
    missing,
):
    run = tmp_path / "run"
    config = dataclasses.replace(CONFIG, epochs=1)
    arguments = prepared_data, damsm_directory, run
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_before(patch, owner, name)
        train_dmgan(config, *arguments)
    for path in ("checkpoints/step-00000003.npz", "samples/step-00000003.png", "model"):
        assert (run / path).exists() == (path not in missing)
    capsys.readouterr()
    monkeypatch.setattr(session, "_fit_ranges", lambda *_: [])
    train_dmgan(config, *arguments, resume=True)
    (line,) = (x for x in capsys.readouterr().err.splitlines() if x.startswith("epoch"))
    assert line.startswith("epoch 1/1: discriminator_32_loss=")
    sheets = [path / "samples/step-00000003.png" for path in (run, finished_run)]
    assert sheets[0].read_bytes() == sheets[1].read_bytes()
    assert (run / "model/config.json").exists()
    assert json.loads((run / "last_epoch.json").read_text()) == {"step": 3}
    train_dmgan(config, *arguments, resume=True)
    assert "epoch" not in capsys.readouterr().err


def test_the_means_of_an_epoch_are_those_of_all_its_steps(
    prepared_data, tmp_path, monkeypatch, capsys
):
    """Of a run, too, that was interrupted within the epoch."""

    def line_of(run):
        lines = capsys.readouterr().err.splitlines()
        return next(x for x in lines if x.startswith("epoch 1/1")).rpartition(", ")[0]

    config = dataclasses.replace(PRETRAINING, epochs=1)
    pretrain_damsm(config, prepared_data, tmp_path / "whole")
    expected = line_of(tmp_path / "whole")
    run_settings = RunSettings(checkpoint_every=1)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        saved = []

        def interrupted(store, step, *_):
            saved.append(step)
            if step == 3:
                raise Interrupted("stopped", 75)
            original(store, step, *_)

        original = session.CheckpointStore.save
        patch.setattr(session.CheckpointStore, "save", interrupted)
        pretrain_damsm(config, prepared_data, tmp_path / "run", settings=run_settings)
    assert saved == [1, 2, 3]
    capsys.readouterr()
    pretrain_damsm(config, prepared_data, tmp_path / "run", resume=True)
    assert line_of(tmp_path / "run") == expected
    with np.load(tmp_path / "run/checkpoints/step-00000003.npz") as checkpoint:
        metadata = json.loads(checkpoint["metadata"].tobytes())["metadata"]
    assert metadata["epoch_means"]["counts"]["loss"] == 3
