import json
import sys

import keras
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.process.keras_backend import backend_name, check_installed, check_tensorflow


@pytest.fixture
def before_keras(monkeypatch, tmp_path):
    """Nothing is imported or set yet; gives where `keras.json` is looked for."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "keras.json"


def test_what_is_imported_counts(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend_name() == keras.backend.backend()


def test_the_environment_comes_before_the_file(before_keras, monkeypatch):
    assert backend_name() == "tensorflow"
    before_keras.write_text(json.dumps({"backend": "torch"}))
    assert backend_name() == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend_name() == "jax"


def test_the_file_is_looked_for_in_the_home_directory(before_keras, monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(before_keras.parent))
    (before_keras.parent / ".keras").mkdir()
    (before_keras.parent / ".keras" / "keras.json").write_text('{"backend": "torch"}')
    assert backend_name() == "torch"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "3"])
def test_a_file_that_says_nothing(before_keras, content):
    before_keras.write_text(content)
    assert backend_name() == "tensorflow"


def test_what_needs_tensorflow(before_keras, monkeypatch):
    check_tensorflow("training")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(InputError, match="for training. Received: jax. Set KERAS_BACKEND=tensorfl"):
        check_tensorflow("training")


def test_a_backend_that_is_not_there(before_keras, monkeypatch):
    check_installed()
    monkeypatch.setenv("KERAS_BACKEND", "json")  # a module, but no backend
    with pytest.raises(InputError, match="Received: json. Set KERAS_BACKEND=tensorflow"):
        check_installed()
