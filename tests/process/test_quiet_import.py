"""What an import of TensorFlow writes, by a stand-in for it; each in a process of its own."""

import json
import os
import signal
import subprocess
import sys

import pytest
from source_imports import ROOT

PROGRAM = """
import sys
from dmgan_tf.process.quiet_import import hides_messages, importing_quietly

with importing_quietly():
    import tensorflow
print(hides_messages(), tensorflow.__spec__.origin == tensorflow.__file__)
print("after", file=sys.stderr)
"""
WRITING = "import os, sys\nos.write(2, b'oneDNN\\n')\nprint('python', file=sys.stderr)\n"


def run(directory, source, **environment):
    (directory / "tensorflow.py").write_text(source)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**kept, "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_of_it_is_seen(tmp_path):
    finished = run(tmp_path, WRITING + "assert os.environ['TF_CPP_MIN_LOG_LEVEL'] == '3'")
    assert (finished.stdout, finished.stderr) == ("True True\n", "after\n")


@pytest.mark.parametrize(("level", "seen"), [("0", "oneDNN\npython\nafter\n"), ("1", "after\n")])
def test_who_asks_sees_it(tmp_path, level, seen):
    finished = run(tmp_path, WRITING, TF_CPP_MIN_LOG_LEVEL=level)
    assert (finished.stdout, finished.stderr) == ("False True\n", seen)


@pytest.mark.parametrize(
    ("environment", "value"), [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")]
)
def test_onednn_is_used_unless_it_is_switched_off(tmp_path, environment, value):
    check = f"import os\nassert os.environ['TF_ENABLE_ONEDNN_OPTS'] == {value!r}"
    assert run(tmp_path, check, **environment).returncode == 0


def test_an_import_that_fails_shows_all(tmp_path):
    finished = run(tmp_path, WRITING + "raise ImportError('libcuda')")
    assert finished.returncode == 1
    assert finished.stderr.startswith("oneDNN\npython\nTraceback")
    assert finished.stderr.endswith("ImportError: libcuda\n")


def test_a_process_that_dies_of_it_shows_all(tmp_path):
    finished = run(tmp_path, WRITING + "sys.stderr.flush()\nos.abort()")
    assert finished.returncode == -signal.SIGABRT
    assert "oneDNN\npython\n" in finished.stderr


def test_ctrl_c_is_no_failure(tmp_path):
    finished = run(tmp_path, WRITING + "raise KeyboardInterrupt")
    assert finished.stderr.startswith("Traceback") and "oneDNN" not in finished.stderr


def test_keras_on_a_backend_that_is_not_there(tmp_path):
    finished = run(tmp_path, "import keras", KERAS_BACKEND="mxnet")
    assert finished.stderr.endswith("Set KERAS_BACKEND=tensorflow.\n"), finished.stderr


def test_keras_takes_over_nothing_but_its_backend(tmp_path):
    lines = [
        "from dmgan_tf.process.quiet_import import importing_quietly",
        "with importing_quietly():",
        "    import keras",
        "print(keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon())",
        "print(keras.backend.backend())",
    ]
    settings = {"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps({**settings, "backend": "numpy"}))
    kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    finished = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**kept, "PYTHONPATH": str(ROOT), "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == "float32 channels_last 1e-07\nnumpy\n"


@pytest.mark.slow
def test_a_command_starts_without_a_word(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_CPP")}
    finished = subprocess.run(
        [sys.executable, "-m", "dmgan_tf.sample", "--model=avatars_128", "--num_samples=1"]
        + ["--caption=a smiling person", f"--output={tmp_path}"],
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (finished.stdout, finished.stderr) == (f"{tmp_path}/sheet.png\n", "")
