import os
import pathlib

import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.files.paths import local_path


@pytest.mark.parametrize("protocol", ["gs", "s3", "https", "hdfs", "file", "a+b.c-1"])
@pytest.mark.parametrize("slashes", ["/", "//"])
def test_an_address_is_no_path(protocol, slashes):
    with pytest.raises(InputError, match=r"Received: an address of .*://\. Copy the files"):
        local_path(f"{protocol}:{slashes}bucket/data")


@pytest.mark.parametrize("path", ["a", "/a:/b", "./gs://x", "C:/x", "x:y", "1s://x", "", "a/~"])
def test_a_path_stays(path):
    assert local_path(path) == path


def test_a_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert local_path("~") == "/home/me" and local_path("~/x y") == "/home/me/x y"
    pwd = pytest.importorskip("pwd")
    me = pwd.getpwuid(os.getuid())
    assert local_path(f"~{me.pw_name}/x") == str(pathlib.Path(me.pw_dir) / "x")
    with pytest.raises(InputError, match="no such user. Write ./~nobody-of-that-name/x"):
        local_path("~nobody-of-that-name/x")


def test_addresses_that_are_expected():
    assert local_path("hf://a/b", ["hf", "kaggle"]) == "hf://a/b"
    with pytest.raises(InputError, match="this machine, hf://, kaggle://. Received: an address"):
        local_path("gs://a/b", ["hf", "kaggle"])
