r"""Executes the notebooks as a reader would, and prints how long each takes.

    python tests/executed_notebooks.py
    python tests/executed_notebooks.py --notebook=1_quickstart --notebook=3_inside_the_memory --keep

Each runs from top to bottom in an empty directory of its own, with a fresh kernel. The first cell
that fails, or the first command of one, ends it. Notebooks in the repository stay as they are,
unless --keep puts the new outputs into those that have theirs kept.

Needs `pip install -e ".[avatars,figures,lite0,notebooks]"`; `make notebooks` does that.
"""

import base64
import io
import pathlib
import re
import tempfile
import time

from absl import flags, logging
from PIL import Image

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import write_text

NOTEBOOKS = pathlib.Path(__file__).parents[1] / "notebooks"
WITH_OUTPUTS = ("1_quickstart", "3_inside_the_memory")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# A command that fails must end the notebook, as it would end a script; Jupyter only notes it down.
_STRICT = """
shell = get_ipython()
lenient = shell.system

def strict(command):
    lenient(command)
    if shell.user_ns["_exit_code"]:
        raise RuntimeError(f"status {shell.user_ns['_exit_code']} of: {command}")

shell.system = strict
"""
# TensorFlow writes these whatever TF_CPP_MIN_LOG_LEVEL says: its logging is not set up by then.
_START_UP = re.compile(r"^(WARNING: All log messages before absl::|[IWE]\d{4} \d\d:\d\d:\d\d).*")
_PROGRESS = re.compile(r"\d+%\|")
_JPEG = {"quality": 92, "subsampling": 0}  # type stays legible


def define_flags():
    """Declares the flags of this program."""
    flags.DEFINE_multi_string("notebook", [], "Its name without .ipynb; repeatable. Default: all.")
    flags.DEFINE_bool("keep", False, f"Write new outputs into {' and '.join(WITH_OUTPUTS)}.")


def main():
    """Executes, and prints a line a notebook."""
    logging.set_verbosity(logging.WARNING)  # nbclient names every start of a kernel
    there = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    unknown = set(flags.FLAGS.notebook) - set(there)
    if unknown:
        raise InputError(
            f"Expected --notebook among {', '.join(there)}. Received: {', '.join(sorted(unknown))}."
        )
    for name in flags.FLAGS.notebook or there:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as directory:
            notebook = execute(NOTEBOOKS / f"{name}.ipynb", directory)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        if flags.FLAGS.keep and name in WITH_OUTPUTS:
            write(NOTEBOOKS / f"{name}.ipynb", notebook)


def execute(path, directory, timeout=1200):
    """Runs a notebook.

    Args:
        path: The notebook; it stays as it is.
        directory: Where it runs.
        timeout: Seconds that one cell may take.

    Returns:
        The notebook with its new outputs, tidied up for keeping.

    Raises:
        InputError: If a cell or a command in it fails; the message ends with what that printed.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(_STRICT))
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(directory)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise InputError(f"Expected {path.name} to run. Received: {error}") from error
    del notebook.cells[0]
    return tidied(notebook)


def tidied(notebook):
    """A notebook without what differs from run to run, or from machine to machine.

    Args:
        notebook: As a dict, of format 4; it is changed.

    Returns:
        The same notebook: its code cells counted from 1, small pictures, no start-up messages, no
        progress bars.
    """
    notebook["metadata"] = METADATA
    code_cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code_cells, 1):
        cell["execution_count"] = number
        cell["metadata"] = {}
        cell["outputs"] = list(_tidied_outputs(cell["outputs"], number))
    return notebook


def write(path, notebook):
    """Writes a notebook as Jupyter does, whole or not at all."""
    import nbformat

    nbformat.validate(notebook)
    write_text(path, nbformat.writes(notebook))


def _tidied_outputs(outputs, number):
    streams = {}
    for output in outputs:
        if output["output_type"] == "stream":
            stream = streams.get(output["name"])
            if stream is None:
                streams[output["name"]] = output
            else:
                stream["text"] += output["text"]
    for output in streams.values():
        output["text"] = tidied_text(output["text"])
        if output["text"]:
            yield output
    for output in outputs:
        if output["output_type"] == "stream":
            continue
        if "execution_count" in output:
            output["execution_count"] = number
        if "data" in output:
            _shrink_picture(output["data"])
        yield output


def tidied_text(text):
    """What a terminal shows in the end, without start-up messages and finished progress bars."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(
        line for line in lines if not (_START_UP.match(line) or _PROGRESS.search(line))
    )


def _shrink_picture(data):
    """Leaves one picture, as PNG or as JPEG, whichever takes less, where Pillow offers both."""
    if "image/png" not in data:
        return
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    encoded = {
        "image/png": _encoded(picture, format="PNG", optimize=True),
        "image/jpeg": _encoded(picture, format="JPEG", optimize=True, **_JPEG),
    }
    smaller = min(encoded, key=lambda kind: len(encoded[kind]))
    for kind in encoded:
        data.pop(kind, None)
    data[smaller] = base64.b64encode(encoded[smaller]).decode() + "\n"


def _encoded(picture, **options):
    file = io.BytesIO()
    picture.save(file, **options)
    return file.getvalue()


if __name__ == "__main__":
    define_flags()
    command.run(main)
