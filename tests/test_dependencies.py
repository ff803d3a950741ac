"""Dependencies run one way; an arrow that runs back up fails here.

Commands -> training, serving, evaluate, convert, data -> models -> layers; evaluate -> metrics,
convert, data and figures; training also -> evaluate, convert, losses, data and figures; data and
models also -> text.
"""

import pathlib
import sys

import pytest
from source_imports import (
    PACKAGE,
    Import,
    imports_in,
    imports_of,
    is_command,
    module_file,
    python_files,
)

# What each part may import of ours, beside itself and the leaves. A new part gets a row.
LEAVES = {"errors", "files", "process", "registry"}
MAY_IMPORT = {
    "errors": set(),
    "files": set(),
    "process": set(),
    "registry": set(),
    "command": {"command_help"},
    "command_help": set(),
    "layers": set(),
    "losses": set(),
    "text": set(),
    "figures": set(),
    "models": {"layers", "text"},
    "data": {"text"},
    "demo": {"figures", "models", "text"},
    "metrics": set(),
    "convert": {"models", "layers", "text"},
    "evaluate": {"metrics", "convert", "models", "layers", "data", "text", "figures"},
    "serving": {"models", "layers", "text"},
    "training": {
        *("models", "layers", "losses", "data", "text", "figures", "metrics", "evaluate"),
        "convert",
    },
    "web": {"demo", "serving", "models", "text"},
    "__init__": {"models"},
    "__main__": {"models"},
}
RUN_OTHERS = {"finetune"}  # commands that run others, one after another
KERAS_ONLY = {"layers", "models", "losses", "metrics"}  # they also run on Keras' other backends
# Beside the commands and TENSORFLOW_WHEN_CALLED; convert reads TensorFlow 1 checkpoints with it.
TENSORFLOW_IN = {"data", "training", "serving", "convert", "evaluate"}
TENSORFLOW_WHEN_CALLED = {f"{PACKAGE}/text/{name}.py" for name in ("spelling", "tokenizer")}
# A fused batch norm makes training on a CPU twice as fast; its caller does without elsewhere.
TENSORFLOW_KERNELS = f"{PACKAGE}/layers/tensorflow_kernels.py"
ABSL_FLAGS_IN = {f"{PACKAGE}/command.py", f"{PACKAGE}/command_help.py"}  # beside the commands
WEIGHTS_FILE = f"{PACKAGE}/models/weights_file.py"  # it looks at a file before Keras opens it
FILES = python_files(PACKAGE)


def part_of(path: str) -> str:
    """`layers` for dmgan_tf/layers/blocks.py, `errors` for dmgan_tf/errors.py."""
    return pathlib.PurePosixPath(path).with_suffix("").parts[1]


def violations(path: str, imports: tuple[Import, ...], command: bool) -> list[str]:
    """One line for each import of `path` that the design does not allow."""
    part = part_of(path)
    found = []
    for item in imports:
        if item.top in sys.stdlib_module_names:
            continue
        if item.top == PACKAGE:
            allowed = _our_import_allowed(part, item, command)
        else:
            allowed = _third_party_allowed(path, part, item, command)
        if not allowed:
            found.append(f"{path}:{item.line}: {part} must not import {item.module}")
    return found


def _our_import_allowed(part: str, item: Import, command: bool) -> bool:
    _, *rest = item.module.split(".")
    target = rest[0] if rest else "__init__"
    if target in LEAVES:
        return part != "errors" or target == part
    if command:
        if part in RUN_OTHERS:
            return True
        return target in ("command", part) or not is_command(f"{PACKAGE}/{target}.py")
    return target == part or target in MAY_IMPORT[part]


def _third_party_allowed(path: str, part: str, item: Import, command: bool) -> bool:
    if path == TENSORFLOW_KERNELS and item.top == "tensorflow":
        return True
    if path == WEIGHTS_FILE and item.top == "h5py":
        return True
    if part in KERAS_ONLY and item.top not in {"keras", "numpy"}:
        return False
    if item.top == "tensorflow" and not command and part not in TENSORFLOW_IN:
        return path in TENSORFLOW_WHEN_CALLED and item.inside_function
    if item.top == "absl" and item.module.split(".")[1:2] in ([], ["flags"], ["app"]):
        return command or path in ABSL_FLAGS_IN
    return True


@pytest.mark.parametrize("path", FILES)
def test_imports_run_one_way(path):
    command = is_command(path)
    assert command or part_of(path) in MAY_IMPORT, (
        f"{part_of(path)} is new: say in MAY_IMPORT what it may import"
    )
    assert violations(path, imports_of(path), command) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("dmgan_tf/layers/x.py", "import tensorflow as tf"),
        ("dmgan_tf/layers/tensorflow_kernels.py", "import absl"),
        ("dmgan_tf/models/tensorflow_kernels.py", "import tensorflow as tf"),
        ("dmgan_tf/layers/x.py", "from dmgan_tf import models"),
        ("dmgan_tf/layers/x.py", "from ..models.generator import Generator"),
        ("dmgan_tf/losses/x.py", "def f():\n    import dmgan_tf.models.generator"),
        ("dmgan_tf/models/x.py", "import dmgan_tf.training.config"),
        ("dmgan_tf/models/x.py", "from dmgan_tf.losses import adversarial"),
        ("dmgan_tf/models/x.py", "from PIL import Image"),
        ("dmgan_tf/text/tokenizer.py", "import tensorflow as tf"),
        ("dmgan_tf/text/vocabulary.py", "def f():\n    import tensorflow as tf"),
        ("dmgan_tf/training/x.py", "from absl import flags"),
        ("dmgan_tf/training/x.py", "from dmgan_tf import command"),
        ("dmgan_tf/data/x.py", "import dmgan_tf"),
        ("dmgan_tf/figures/x.py", "from dmgan_tf.models import generator"),
        ("dmgan_tf/errors.py", "from dmgan_tf import errors, models"),
    ],
)
def test_a_forbidden_import_is_named(path, source):
    (line,) = violations(path, imports_in(source, path), command=False)
    assert line.startswith(f"{path}:") and "must not import" in line


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("dmgan_tf/layers/x.py", "import keras\nfrom . import blocks"),
        ("dmgan_tf/layers/tensorflow_kernels.py", "import tensorflow as tf"),
        ("dmgan_tf/models/x.py", "from dmgan_tf.layers.blocks import GLU\nimport numpy as np"),
        ("dmgan_tf/text/tokenizer.py", "def f():\n    import tensorflow as tf"),
        ("dmgan_tf/training/x.py", "from absl import logging\nfrom dmgan_tf.errors import E"),
    ],
)
def test_an_allowed_import_passes(path, source):
    assert violations(path, imports_in(source, path), command=False) == []


def test_no_module_imports_itself_by_way_of_others():
    """Imports inside functions count, too: the pieces of a circle can only be read together."""
    below = {path: _imported_files(path) for path in FILES}
    while ready := [path for path, files in below.items() if not files & below.keys()]:
        for path in ready:
            del below[path]
    assert not below, "\n".join(f"{path}: {sorted(below[path] & below.keys())}" for path in below)


def _imported_files(path: str) -> set[str]:
    files = {module_file(item.module) for item in imports_of(path) if item.top == PACKAGE}
    return {file for file in files if file is not None and pathlib.Path(file).parts[0] == PACKAGE}


def test_commands_do_not_import_one_another():
    commands = [path for path in FILES if is_command(path)]
    for path in (path for path in commands if part_of(path) not in RUN_OTHERS):
        others = {
            other.removesuffix(".py").replace("/", ".") for other in commands if other != path
        }
        assert others.isdisjoint(item.module for item in imports_of(path)), path
