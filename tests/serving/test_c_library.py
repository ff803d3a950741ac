"""The export without Python: TensorFlow's C library, from the installed wheel, and a C program."""

import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.slow  # it compiles a program, and runs it as processes

PROGRAM = pathlib.Path(__file__).with_name("predict.c")
INVALID_ARGUMENT = 3


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    library, headers = tf.sysconfig.get_lib(), tf.sysconfig.get_include()
    libraries = [
        pathlib.Path(library, f"libtensorflow_{part}.so.2") for part in ("cc", "framework")
    ]
    if not all(path.is_file() for path in libraries):
        pytest.skip("this TensorFlow has no C library beside it")
    path = tmp_path_factory.mktemp("c") / "predict"
    command = [compiler, "-std=c11", "-Wall", "-Werror", f"-I{headers}", PROGRAM, "-o", path]
    subprocess.run([*command, *libraries, f"-Wl,-rpath,{library}"], check=True)
    return path


@pytest.fixture(scope="module")
def operations(definitions):
    """The names of the operations to feed and to fetch for the default signature."""
    signature = definitions["serving_default"]
    tensors = signature.inputs["captions"].name, signature.outputs["images"].name
    return [name.removesuffix(":0") for name in tensors]


def predict(program, exported, operations, *captions):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [program, exported, *operations, *captions]
    return subprocess.run(command, capture_output=True, env=environment, timeout=120)


def test_the_c_library_draws_the_same_pictures(program, exported, operations, served):
    captions = ["a red disc", "the square is blue"]
    result = predict(program, exported, operations, *captions)
    assert result.returncode == 0, result.stderr
    assert result.stderr.decode().splitlines()[-1].split() == ["2", "32", "32", "3"]
    drawn = np.frombuffer(result.stdout, np.uint8).reshape(2, 32, 32, 3)
    expected = served["serving_default"](captions=tf.constant(captions))["images"].numpy()
    assert np.max(np.abs(np.int32(drawn) - np.int32(expected))) <= 1


def test_the_c_library_is_told_which_row_has_no_known_word(program, exported, operations):
    result = predict(program, exported, operations, "a red disc", "zeppelin")
    assert result.returncode == INVALID_ARGUMENT
    assert b"Expected captions with a word of the vocabulary" in result.stderr
    assert b"[1]" in result.stderr
