"""Settings that must stand before any test imports TensorFlow, Keras or JAX."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up chatter hides a failing test
os.environ.setdefault(
    "CUDA_VISIBLE_DEVICES", "-1"
)  # tests compare numbers: the same device everywhere
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker is a process of its own on a core of its own; left alone, every one of them
    # starts a thread for every core.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
