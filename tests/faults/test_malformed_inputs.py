"""Malformed inputs of every kind end in one line, without a crash, a hang or half a file."""

import random

import pytest
from faults import malformed_inputs, mutations
from faults.malformed_inputs import Result, all_cases, run_campaign, run_case, table
from faults.originals import make_originals
from faults.planted import SIGNS


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A directory with the originals."""
    directory = tmp_path_factory.mktemp("faults")
    make_originals(directory / "originals")
    return directory


def run_here(cases, scratch):
    """Runs cases in this process, where a crash would be the end of all tests."""
    return [Result(*case, *run_case(*case, scratch)[:2], 0.0, 0.0) for case in cases]


def check(results):
    failed = [result for result in results if result.outcome == "failed"]
    assert not failed, "\n\n".join(f"{r.kind} {r.number}: {r.message}" for r in failed[:5])
    outcomes = {result.outcome for result in results}
    assert outcomes == {"accepted", "refused"}  # damages that change nothing, and such that do


def test_two_malformed_inputs_of_every_kind(scratch):
    cases = all_cases(0.001)
    assert len(cases) == 2 * len({kind for kind, _ in cases}) > 30
    check(run_here(cases, scratch))


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


@pytest.mark.parametrize("name", ["other exception", "two lines", "half a file", "status one"])
def test_a_planted_fault_is_seen(name, scratch):
    (result,) = run_here([(name, 0)], scratch)
    assert result.outcome == "failed" and SIGNS[name] in result.message, result


@pytest.mark.slow
def test_what_would_end_the_process_is_seen_and_the_campaign_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(malformed_inputs, "SECONDS_A_CASE", 15)
    names = ["crash", "hang", "much memory", "two lines"]
    results = run_campaign([(name, 0) for name in names], tmp_path)
    assert [(result.kind, result.outcome) for result in results] == [(n, "failed") for n in names]
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
