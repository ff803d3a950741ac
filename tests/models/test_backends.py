"""The same weights and inputs give the same numbers on every backend of Keras.

One process a backend, because Keras chooses its backend when it is imported.
"""

import importlib.util
import os
import pathlib
import runpy
import subprocess
import sys

import numpy as np
import pytest

PROGRAM = pathlib.Path(__file__).with_name("backend_program.py")
ROOT = PROGRAM.parents[2]


@pytest.fixture(scope="module")
def on_tensorflow(tmp_path_factory):
    """A directory of weights and inputs, and what TensorFlow makes of them."""
    program = runpy.run_path(str(PROGRAM))
    directory = tmp_path_factory.mktemp("backends")
    random = np.random.RandomState(0)
    models = program["networks"]()
    for name, model in models.items():
        for variable in model.weights:
            if "seed" not in variable.path:
                variable.assign(variable + random.uniform(-0.1, 0.1, variable.shape))
        model.save_weights(directory / f"{name}.weights.h5")
    inputs = {
        "token_ids": np.array([[1, 2, 3, 4], [2, 4, 0, 0], [3, 0, 0, 0]], "int32"),
        "class_ids": np.array([0, 1, 0], "int32"),
        "noise": random.normal(size=(3, 5)).astype("float32"),
        "condition_noise": random.normal(size=(3, 3)).astype("float32"),
        "images": random.uniform(-1, 1, (3, 32, 32, 3)).astype("float32"),
    }
    np.savez(directory / "inputs.npz", **inputs)
    outputs = program["run"](models, inputs)
    return directory, {**outputs, **program["train"](models, inputs)}


@pytest.mark.parametrize(
    "backend",
    ["numpy", *(pytest.param(name, marks=pytest.mark.slow) for name in ("jax", "torch"))],
)
def test_backend_equals_tensorflow(backend, on_tensorflow):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    directory, expected = on_tensorflow
    finished = subprocess.run(
        [sys.executable, PROGRAM, directory],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": str(ROOT),
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling takes far longer than running
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    with np.load(directory / f"{backend}.npz") as file:
        outputs = dict(file)
    missing = {"train/losses"} if backend == "numpy" else set()
    assert set(expected) - set(outputs) == missing
    for name, value in outputs.items():
        # Drawn images are whole levels of 1/255, to which a value between two may round both ways.
        tolerance = 1.5 / 255 if name == "drawn" else 1e-4
        np.testing.assert_allclose(value, expected[name], atol=tolerance, rtol=1e-4, err_msg=name)


def test_training_on_tensorflow_lowers_the_loss(on_tensorflow):
    first, second = on_tensorflow[1]["train/losses"]
    assert second < first
