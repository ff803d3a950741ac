"""Runs that are killed at any moment end as if they had never been; what differs is seen."""

import random

import numpy as np
import pytest
from faults.kill_campaign import AIMS, Kill, plan, run_campaign, table
from faults.tiny_run import broken_files, differences, leftovers, make_inputs
from PIL import Image


@pytest.mark.slow
@pytest.mark.parametrize(("command", "kills"), [("train", 20), ("pretrain_damsm", 5)])
def test_a_run_survives_being_killed(command, kills, tmp_path):
    make_inputs(tmp_path / "inputs")
    results = run_campaign(command, tmp_path / "inputs", tmp_path, kills)
    print(table(results))
    assert len(results) == kills
    assert [kill for kill in results if kill.problems] == []
    # They fell on more than one kind of moment, and no step is lost that was to be saved.
    assert len({kill.place for kill in results}) >= 3
    assert all(0 <= kill.reached - kill.saved <= 2 for kill in results)


def test_moments_are_spread_and_of_the_seed():
    moments = plan("train", 20, 36, random.Random(0))
    assert [moment.step for moment in moments] == sorted(moment.step for moment in moments)
    assert moments[0].step < 12 and moments[-1].step > 24
    assert {moment.aim for moment in moments} == AIMS["train"].keys()
    assert moments == plan("train", 20, 36, random.Random(0))
    assert moments != plan("train", 20, 36, random.Random(1))


def write_run(run, value):
    """Files such as a run ends with."""
    for part in ("checkpoints", "model", "samples"):
        (run / part).mkdir(parents=True)
    np.savez(run / "checkpoints/step-00000002.npz", a=np.zeros(3))
    np.savez(run / "checkpoints/step-00000004.npz", a=np.full(3, value))
    (run / "model/config.json").write_text("{}")
    Image.new("RGB", (8, 8)).save(run / "samples/latest.png")
    return run


def test_half_a_file_is_seen(tmp_path):
    run = write_run(tmp_path / "run", 1)
    assert broken_files(run) == []
    for path in sorted(run.rglob("*.*")):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert [line.split(" ")[0] for line in broken_files(run)] == [str(path.relative_to(run))]
        path.write_bytes(whole)


def test_another_value_is_seen_and_a_file_left_over(tmp_path):
    one, same, other = (write_run(tmp_path / str(n), value) for n, value in enumerate((1, 1, 2)))
    assert differences(one, same) == [] == leftovers(one)
    assert differences(one, other) == ["checkpoints/step-00000004.npz"]
    left = [".model.7.old", "checkpoints/step-00000002.npz.damaged", "samples/.latest.7.tmp.png"]
    for name in left:
        (one / name).write_text("")
    assert leftovers(one) == left


def test_the_table_counts():
    kills = [
        Kill("train", "step", "step", 5, 4, []),
        Kill("train", "model", "step", 9, 9, ["model/config.json differs"]),
        Kill("train", "model", "writing the model", 12, 12, []),
    ]
    rows = [line.split() for line in table(kills).splitlines()]
    assert ["step", "2", "1", "1", "1", "at", "most"] in rows
    assert ["all", "3", "2", "1", "1", "at", "most"] in rows
    assert "model/config.json differs" in table(kills)
