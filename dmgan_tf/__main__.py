"""Lists the commands of dmgan_tf, or runs one.

python -m dmgan_tf                        the commands
python -m dmgan_tf sample --model=...     as python -m dmgan_tf.sample --model=...
python -m dmgan_tf --version              what a bug report should contain

An installed package has the same as `dmgan`: dmgan, dmgan sample, dmgan --version.
"""

import ast
import contextlib
import hashlib
import importlib
import importlib.metadata
import pathlib
import platform
import runpy
import sys
import textwrap

from dmgan_tf.errors import did_you_mean, first_line
from dmgan_tf.models.presets import SHIPPED, shipped_presets
from dmgan_tf.process.quiet_import import importing_quietly

# In the order in which a new user needs them; other commands follow.
_ORDER = (
    *("sample", "demo", "finetune", "prepare_data", "pretrain_damsm", "train"),
    *("evaluate", "visualize", "export", "convert"),
)
_FIRST = 'python -m dmgan_tf.sample --model=avatars_256 --caption="a person with pink hair"'


def commands() -> dict[str, str]:
    """Returns the commands by name, each with the first sentence of its docstring.

    Nothing is imported: a command is a module that ends with the call of `command.run`.
    """
    package = pathlib.Path(__file__).parent
    found = {}
    for path in (*package.glob("*.py"), *package.glob("*/__main__.py")):
        text = path.read_text(encoding="utf-8")
        if "\n    command.run(main" in text:
            name = path.parent.name if path.name == "__main__.py" else path.stem
            docstring = ast.get_docstring(ast.parse(text)) or ""
            found[name] = docstring.partition("\n\n")[0].replace("\n", " ")
    places = {name: place for place, name in enumerate(_ORDER)}
    return {name: found[name] for name in sorted(found, key=lambda n: (places.get(n, 99), n))}


def overview() -> str:
    """Returns the list of commands, and what to try first."""
    lines = []
    for name, sentence in commands().items():
        start = f"  {name:<16}"
        lines += textwrap.wrap(
            sentence, 100, initial_indent=start, subsequent_indent=" " * len(start)
        )
    return "\n".join(
        [
            "DM-GAN in Keras and TensorFlow: draws a picture from a caption.",
            "",
            *lines,
            "",
            "Try first, with the model that ships with the package:",
            "",
            f"  {_FIRST}",
            "",
            "python -m dmgan_tf.NAME --help shows the flags of a command, and python -m dmgan_tf",
            "--version what is installed. An installed package has the same as: dmgan NAME.",
        ]
    )


def version_lines() -> list[str]:
    """Returns what a bug report should contain: versions, devices, and shipped models."""
    lines = [f"dmgan_tf {_version('dmgan_tf')}", f"Python {platform.python_version()}"]
    with importing_quietly():
        for name, module in (("TensorFlow", "tensorflow"), ("Keras", "keras")):
            try:
                lines.append(f"{name} {importlib.import_module(module).__version__}")
            except Exception as error:  # the report says so
                lines.append(f"{name} cannot be imported: {first_line(error)}")
    lines += [f"platform {platform.platform()}", f"devices {_devices()}"]
    return [*lines, *(f"model {name} {digest_of(SHIPPED / name)}" for name in shipped_presets())]


def _version(distribution):
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of a source tree"


def _devices():
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return "unknown"
    devices = tensorflow.config.list_physical_devices()
    describe = tensorflow.config.experimental.get_device_details
    return ", ".join(describe(device).get("device_name", device.name[17:]) for device in devices)


def digest_of(directory: pathlib.Path) -> str:
    """Returns the first 16 digits of a SHA-256 of the files in a directory and of their names."""
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _show(text):
    with contextlib.suppress(BrokenPipeError):  # of `| head`
        print(text, flush=True)


def main() -> None:
    """Runs the command that the first word names, or prints what was asked for."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "-help", "help"):
        _show(overview())
    elif name in ("--version", "-version", "version"):
        _show("\n".join(version_lines()))
    elif name in commands():
        sys.argv[1:] = rest
        runpy.run_module(f"dmgan_tf.{name}", run_name="__main__", alter_sys=True)
    else:
        known = ", ".join(commands())
        meant = did_you_mean(name, commands())
        print(f"error: Expected one of {known}. Received: {name!r}.{meant}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
