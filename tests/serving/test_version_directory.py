"""Where an export may go."""

import os

import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.serving.version_directory import new_version_directory


def test_versions_count_up(tmp_path):
    output = tmp_path / "serving" / "birds"
    assert new_version_directory(output) == output / "1"
    assert not output.exists()
    for name in ("1", "007", ".9.tmp"):
        (output / name).mkdir(parents=True)
    assert new_version_directory(output) == output / "8"
    assert new_version_directory(output, 3) == output / "3"
    assert new_version_directory(output, 0) == output / "0"


def test_numbers_that_no_server_reads_are_no_versions(tmp_path):
    (tmp_path / "birds" / str(2**63)).mkdir(parents=True)
    assert new_version_directory(tmp_path / "birds") == tmp_path / "birds" / "1"
    (tmp_path / "birds" / str(2**63 - 1)).mkdir()
    with pytest.raises(InputError, match=f"version={2**63}"):
        new_version_directory(tmp_path / "birds")


@pytest.mark.parametrize("version", [1, 7, -1, 2**63])
def test_a_version_that_is_there_or_cannot_be(tmp_path, version):
    for name in ("1", "007"):
        (tmp_path / "birds" / name).mkdir(parents=True)
    with pytest.raises(InputError, match=f"version={version}"):
        new_version_directory(tmp_path / "birds", version)


@pytest.mark.parametrize("name", ["a b", "größe", '"', ".hidden"])
def test_a_name_that_no_address_can_hold(tmp_path, name):
    with pytest.raises(InputError, match="model's name on the server"):
        new_version_directory(tmp_path / name)


def test_a_directory_of_other_things_is_left_alone(tmp_path):
    output = tmp_path / "birds"
    output.mkdir()
    (output / "README.md").write_text("a model card")
    with pytest.raises(InputError, match="other things"):
        new_version_directory(output)
    (output / "models.config").write_text("model_config_list {}")  # so it was an export's
    assert new_version_directory(output) == output / "1"


def test_a_file_where_a_directory_should_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "birds"):
        with pytest.raises(InputError, match="file, a file"):
            new_version_directory(output)


def test_a_directory_that_may_not_be_written_to(tmp_path, monkeypatch):
    # Asked for rather than tried: tests may run as a user who may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path))
    with pytest.raises(InputError, match="may not write"):
        new_version_directory(tmp_path / "serving" / "birds")
