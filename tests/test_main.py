"""`python -m dmgan_tf` and the installed `dmgan`: the list of commands, and what it hands on."""

import hashlib
import re
import runpy
import subprocess
import sys

import pytest
from source_imports import ROOT
from test_public_api import COMMANDS

from dmgan_tf import __main__ as front


@pytest.fixture
def front_door(monkeypatch, capsys):
    """Runs `dmgan` with some words: `(exit status, stdout, stderr)`."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["dmgan", *words])
        try:
            front.main()
            status = 0
        except SystemExit as exited:
            status = exited.code
        return status, *capsys.readouterr()

    return run


def test_every_command_is_found_and_has_its_place():
    assert sorted(front.commands()) == sorted(COMMANDS)
    assert set(COMMANDS) <= set(front._ORDER), "say in _ORDER where a newcomer meets it"


@pytest.mark.parametrize("words", [(), ("--help",), ("help",)])
def test_the_list_of_commands(front_door, words):
    status, text, _ = front_door(*words)
    assert status == 0
    lines = text.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100
    listed = [match[1] for line in lines if (match := re.match(r"  (\w+)  +[A-Z]", line))]
    assert listed == [name for name in front._ORDER if name in COMMANDS]
    assert 'python -m dmgan_tf.sample --model=avatars_256 --caption="' in text


def test_the_list_imports_no_framework():
    program = (
        "import sys; from dmgan_tf.__main__ import overview; overview();"
        "assert not {'tensorflow', 'keras', 'absl', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_what_a_report_of_a_problem_holds(front_door):
    status, text, _ = front_door("--version")
    assert status == 0
    for line in ("dmgan_tf .+", r"Python 3\.", r"TensorFlow 2\.", r"Keras 3\.", "devices CPU:0"):
        assert re.search(f"^{line}", text, re.MULTILINE), text
    assert re.search("^model avatars_128 [0-9a-f]{16}$", text, re.MULTILINE)


def test_a_report_is_made_without_tensorflow(front_door, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    status, text, _ = front_door("--version")
    assert status == 0
    assert "TensorFlow cannot be imported: " in text and "devices unknown" in text


def test_the_digest_of_a_model_is_of_names_and_bytes(tmp_path):
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    both = b"".join(
        name + b"\0" + hashlib.sha256(content).digest()
        for name, content in ((b"a", b"1"), (b"b", b"2"))
    )
    assert front.digest_of(tmp_path) == hashlib.sha256(both).hexdigest()[:16]


def test_a_command_gets_what_follows_its_name(front_door, monkeypatch):
    called = []

    def run_module(name, **options):
        called.append((name, sys.argv[1:], options))

    monkeypatch.setattr(runpy, "run_module", run_module)
    assert front_door("evaluate", "--images=x", "y") == (0, "", "")
    options = {"run_name": "__main__", "alter_sys": True}
    assert called == [("dmgan_tf.evaluate", ["--images=x", "y"], options)]


def test_a_command_runs_as_by_its_own_name():
    both = [
        subprocess.run(
            [sys.executable, "-m", *words, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for words in (["dmgan_tf", "convert"], ["dmgan_tf.convert"])
    ]
    assert both[0] == both[1] and "--generator=PATH" in both[0]


def test_an_unknown_command_names_the_nearest(front_door):
    status, stdout, stderr = front_door("smaple")
    assert (status, stdout) == (2, "")
    assert stderr.startswith("error: Expected one of sample, demo, ")
    assert stderr.endswith("Received: 'smaple'. Did you mean 'sample'?\n")
