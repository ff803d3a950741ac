"""The `demo` command: one line and a status where it cannot start, and an end in order."""

import builtins
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest

# A shell's background jobs ignore SIGINT, and their children with them.
COMMAND = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "demo"
runpy.run_module("dmgan_tf.demo", run_name="__main__")
"""


@pytest.fixture
def needs_gradio():
    pytest.importorskip("gradio", reason='needs Gradio: pip install -e ".[demo]"')


@pytest.fixture
def without_gradio(monkeypatch):
    """An installation without the extra, wherever the tests run."""
    original = builtins.__import__

    def missing(name, *arguments, **settings):
        if name.partition(".")[0] == "gradio":
            raise ModuleNotFoundError("No module named 'gradio'", name="gradio")
        return original(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", missing)


def test_without_gradio(error_line, without_gradio, vivid_model):
    line = error_line("demo", f"--model={vivid_model}")
    assert "Gradio" in line and 'pip install "dmgan_tf[demo]"' in line


def test_flags_that_cannot_be_used(error_line):
    assert "--model=MODEL" in error_line("demo", "--model=")
    for port in (-1, 65536):
        assert str(port) in error_line("demo", "--model=x", f"--port={port}")
    assert "many" in error_line("demo", "--model=x", "--port=many")


def test_a_port_in_use(error_line, needs_gradio, vivid_model):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = error_line("demo", f"--model={vivid_model}", f"--port={port}")
    assert f"--port={port}: Address already in use" in line


def test_a_host_that_is_not_this_machine(error_line, needs_gradio, vivid_model):
    line = error_line("demo", f"--model={vivid_model}", "--host=192.0.2.1", "--port=0")
    assert "--host=192.0.2.1" in line


def test_a_model_that_is_not_there_or_cannot_draw(
    error_line, needs_gradio, damsm_directory, tmp_path
):
    none = tmp_path / "none"
    assert str(none) in error_line("demo", f"--model={none}", "--port=0")
    line = error_line("demo", f"--model={damsm_directory}", "--port=0")
    assert "no generator" in line


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [(signal.SIGINT, 130, "stopped by Ctrl-C"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
)
def test_it_says_where_the_page_is_and_ends_in_order(
    needs_gradio, vivid_model, number, status, line
):
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, f"--model={vivid_model}", "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(300, process.kill)
    watchdog.start()
    try:
        said = process.stdout.readline()
        url = re.fullmatch(
            r"The page is at (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\.\n", said
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url[1], timeout=60) as response:
            assert b"DM-GAN" in response.read()
        # Every open page holds such a connection.
        with opener.open(f"{url[1]}gradio_api/heartbeat/visitor", timeout=60) as heartbeat:
            assert heartbeat.readline()
            process.send_signal(number)
            stdout, stderr = process.communicate()
    finally:
        watchdog.cancel()
        process.kill()
    assert process.returncode == status, stderr
    assert stdout == "" and stderr.splitlines()[-1] == line and "Traceback" not in stderr
