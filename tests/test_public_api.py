"""The public names of the package, and that reaching for them costs nothing beforehand."""

import inspect
import subprocess
import sys

import pytest

import dmgan_tf
from dmgan_tf.models.text_to_image import DMGANTextToImage

IMPORTS_WITHOUT_A_FRAMEWORK = """
import sys
import dmgan_tf, dmgan_tf.sample
assert "DMGANTextToImage" in dir(dmgan_tf)
heavy = {"tensorflow", "keras", "jax", "torch"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("name", dmgan_tf.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(dmgan_tf, name)
    assert value.__name__ == name
    assert inspect.getdoc(value)
    assert name in dir(dmgan_tf)


def test_names_that_scripts_rely_on():
    assert dmgan_tf.DMGANTextToImage is DMGANTextToImage
    for method in ("from_preset", "generate", "save_to_preset"):
        assert callable(getattr(DMGANTextToImage, method))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dmgan_tf.nothing


def test_the_package_and_a_command_import_no_framework():
    subprocess.run([sys.executable, "-c", IMPORTS_WITHOUT_A_FRAMEWORK], check=True)
