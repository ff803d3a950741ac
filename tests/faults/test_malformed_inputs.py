"""Malformed inputs of every kind end in one line, without a crash, a hang or half a file."""

import random

import pytest
from faults import malformed_inputs, mutations
from faults.malformed_inputs import Result, all_cases, run_campaign, table
from faults.planted import SIGNS

SAMPLE = 0.06  # of the campaign: some 60 cases


def failures(results):
    return [result for result in results if result.outcome == "failed"]


def check(results):
    failed = failures(results)
    assert not failed, "\n\n".join(f"{r.kind} {r.number}: {r.message}" for r in failed[:5])
    outcomes = {result.outcome for result in results}
    assert outcomes == {"accepted", "refused"}  # damages that change nothing, and such that do


def test_a_sample_of_malformed_inputs(tmp_path):
    cases = all_cases(SAMPLE)
    assert 50 <= len(cases) <= 80
    check(run_campaign(cases, tmp_path))


@pytest.mark.slow
def test_a_thousand_malformed_inputs(tmp_path):
    cases = all_cases()
    assert len(cases) == 1000
    results = run_campaign(cases, tmp_path)
    print(table(results))
    check(results)


def test_the_same_seed_makes_the_same_damage():
    data = bytes(range(256)) * 4
    first, second, other = (
        [mutations.damage_bytes(random.Random(f"{seed}/{n}"), data) for n in range(50)]
        for seed in (0, 0, 1)
    )
    assert first == second != other
    assert sum(damaged != data for damaged in first) > 40


def test_a_planted_fault_is_seen_and_the_campaign_goes_on(tmp_path):
    names = ["other exception", "two lines", "crash", "half a file", "status one"]
    results = run_campaign([(name, 0) for name in names], tmp_path)
    for name, result in zip(names, results, strict=True):
        assert result.outcome == "failed" and SIGNS[name] in result.message, result


@pytest.mark.slow
def test_a_planted_hang_and_a_planted_want_of_memory_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(malformed_inputs, "SECONDS_A_CASE", 15)
    results = run_campaign([("hang", 0), ("much memory", 0), ("two lines", 0)], tmp_path)
    assert [result.outcome for result in results] == ["failed"] * 3
    for result in results:
        assert SIGNS[result.kind] in result.message


def test_the_table_counts():
    results = [
        Result("a", 0, "accepted", "", 1.0, 0.0),
        Result("a", 1, "failed", "x", 2.0, 30.0),
        Result("b", 0, "refused", "x", 0.5, 0.0),
    ]
    rows = [line.split() for line in table(results).splitlines()]
    assert rows[1:4] == [
        ["a", "2", "1", "0", "1"],
        ["b", "1", "0", "1", "0"],
        ["all", "3", "1", "1", "1"],
    ]
    assert "2.0 s (a 1)" in table(results) and "30 MB (a 1)" in table(results)
