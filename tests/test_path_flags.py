"""Every flag that names a file or a folder expands `~` and refuses addresses, in every command."""

import pathlib

import pytest
from absl import flags
from commands import command_module, defined_flags
from test_public_api import COMMANDS

from dmgan_tf import command

# Flags of text that name no place. A new flag of text is one of them, or is declared by
# `command.define_path` and its like.
NO_PATHS = {
    *("allow_module", "batch_sizes", "caption", "dataset", "discriminator", "host"),
    *("image_backbone", "images_split", "metrics", "objective", "sample_captions", "split"),
    *("caption_field", "styles", "to_caption", "word_embedding"),
    "protocol",
}


_PATH_PARSERS = command._PathParser, command._PathListParser
_PARSERS = flags.ArgumentParser, flags.ListParser, *_PATH_PARSERS


def text_flags(name):
    """The command's own flags of text, by name."""
    module = command_module(name)
    with defined_flags(module):
        declared = flags.FLAGS.flags_by_module_dict()[module.__name__]
        return {flag.name: flag for flag in declared if type(flag.parser) in _PARSERS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_flag_of_text_is_known_to_name_a_place_or_not(name):
    others = {
        flag.name
        for flag in text_flags(name).values()
        if not isinstance(flag.parser, _PATH_PARSERS)
    }
    assert others <= NO_PATHS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_path(name, error_line, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.chdir(tmp_path)
    paths = set(text_flags(name)) - NO_PATHS
    assert paths & {"output", "run", "model"}
    for flag in paths:
        line = error_line(name, f"--{flag}=gs://bucket/data")
        assert f"--{flag}=gs://bucket/data: Expected a path of this machine" in line
        assert ". See --help." in line and ".." not in line
        with defined_flags(command_module(name)):
            flags.FLAGS(["command", f"--{flag}=~/x"])
            assert flags.FLAGS[flag].value in ("/somewhere/x", ["/somewhere/x"])
    assert not any(pathlib.Path(tmp_path).iterdir())


@pytest.mark.parametrize("address", ["hf://user/birds", "kaggle://user/birds/keras/birds/1"])
def test_a_model_may_be_on_a_hub(address):
    with defined_flags(command_module("sample")):
        flags.FLAGS(["command", f"--model={address}"])
        assert flags.FLAGS.model == address


def test_paths_with_commas_between_them(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    with defined_flags(command_module("convert")):
        flags.FLAGS(["command", "--discriminators=~/a.pth, b.pth"])
        assert flags.FLAGS.discriminators == ["/somewhere/a.pth", "b.pth"]
        with pytest.raises(flags.IllegalFlagValueError, match="s3"):
            flags.FLAGS(["command", "--discriminators=a.pth,s3://b/c.pth"])


def test_what_a_run_keeps_is_what_was_meant(monkeypatch):
    """Also where another home directory reads it."""
    monkeypatch.setenv("HOME", "/somewhere")
    with defined_flags(command_module("train")):
        flags.FLAGS(["command", "--run=~/run", "--inception=~/a", "--inception=b"])
        text = command.flags_text(["run", "inception"])
    assert text == "--run=/somewhere/run\n--inception=/somewhere/a\n--inception=b\n"


@pytest.mark.parametrize("value", ["a red\ndisc", "a red\rdisc", "\udcff"])
def test_a_value_that_flags_txt_cannot_hold(error_line, value, tmp_path):
    given = (f"--data={tmp_path}", f"--damsm={tmp_path}", f"--run={tmp_path}/run")
    line = error_line("train", *given, f"--sample_captions={value}")
    assert "Expected --sample_captions in one line of text, because the run's flags.txt" in line
    assert repr(value)[1:-1] in line
    assert not (tmp_path / "run").exists()


def test_lines_of_flags_for_a_report():
    with defined_flags(command_module("sample")):
        flags.FLAGS(["command", "--caption=a\nb", "--caption=c", "--stages"])
        assert command.flag_lines(["caption", "captions_file", "stages"]) == [
            "--caption=a\nb",
            "--caption=c",
            "--stages",
        ]


def test_a_backend_is_refused_before_anything_is_scored(error_line, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    line = error_line("evaluate", "--images=none", "--metrics=fid")
    assert "for an evaluation. Received: jax. Set KERAS_BACKEND=tensorflow" in line


@pytest.mark.parametrize("name", ["train", "pretrain_damsm"])
def test_a_backend_is_refused_before_a_run_is_claimed(name, error_line, tmp_path, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    given = {"data": "d", "run": tmp_path / "run", **({"damsm": "m"} if name == "train" else {})}
    line = error_line(name, *(f"--{flag}={value}" for flag, value in given.items()))
    assert "for training. Received: jax. Set KERAS_BACKEND=tensorflow" in line
    assert not any(tmp_path.iterdir())
