"""The public names of the package, and that reaching for them costs nothing beforehand."""

import inspect
import pathlib
import subprocess
import sys

import pytest

import dmgan_tf
from dmgan_tf.models.text_to_image import DMGANTextToImage

COMMANDS = (
    *("prepare_data", "pretrain_damsm", "train", "finetune", "sample"),
    *("evaluate", "convert", "export", "visualize", "demo"),
)
IMPORTS_WITHOUT_A_FRAMEWORK = """
import sys
import dmgan_tf, dmgan_tf.{module} as command
assert "DMGANTextToImage" in dir(dmgan_tf)
command.define_flags()
heavy = set(["tensorflow", "keras", "jax", "torch"]) & set(sys.modules)
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


@pytest.mark.parametrize("command", COMMANDS)
def test_the_package_and_the_flags_of_a_command_import_no_framework(command):
    """So that `--help` answers at once."""
    is_package = (pathlib.Path(dmgan_tf.__file__).parent / command).is_dir()
    module = f"{command}.__main__" if is_package else command
    program = IMPORTS_WITHOUT_A_FRAMEWORK.format(module=module)
    subprocess.run([sys.executable, "-c", program], check=True)


def test_these_are_all_commands():
    package = pathlib.Path(dmgan_tf.__file__).parent
    commands = [path.parent.name for path in package.glob("*/__main__.py")]
    for path in package.glob("*.py"):
        if "\n    define_flags()\n" in path.read_text("utf-8"):
            commands.append(path.stem)
    assert sorted(commands) == sorted(COMMANDS)
