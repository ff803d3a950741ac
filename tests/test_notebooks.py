"""The notebooks: what they are made of, what is kept of their outputs, and (slow) that they run."""

import ast
import base64
import importlib
import json
import re
import shlex
import tomllib

import pytest
from commands import command_module, defined_flags
from executed_notebooks import METADATA, NOTEBOOKS, WITH_OUTPUTS, execute, tidied, tidied_text
from PIL import Image
from source_imports import PACKAGE, ROOT, imports_in, module_file

from dmgan_tf.errors import InputError

LEFT_BEHIND = {  # by each notebook, where it ran
    "1_quickstart": ("runs/samples/sheet.png",),
    "2_your_own_images": ("runs/mine/dmgan/samples/latest.png", "runs/my_model/config.json"),
    "3_inside_the_memory": (),
    "4_evaluate": tuple(f"runs/evaluate/{name}.json" for name in ("model", "train", "test")),
    "5_serve": ("runs/serving/avatars/1/saved_model.pb",),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOME = PROJECT["urls"]["Repository"]
NAMES = tuple(LEFT_BEHIND)
LARGEST = 1_500_000  # bytes of one with outputs
MAGIC = re.compile(r"(?m)^(?P<indent>[ ]*)[!%](?:.*\\\n)*.*$")  # with the lines that continue it
COMMAND = re.compile(rf"(?m)^(?:!\{{sys\.executable\}}|python) -m {PACKAGE}\.(.*(?:(?<=\\)\n.*)*)")
PLACEHOLDER = re.compile(r"\{\w+\}")  # of a Python variable in a command
NEVER_PRINTED = re.compile(r"/tmp/|site-packages|oneDNN|absl::InitializeLog|Traceback")


def read(name):
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))


def cells(name, kind):
    return [cell for cell in read(name)["cells"] if cell["cell_type"] == kind]


def text_of(cell):
    return "".join(cell["source"])


def python_of(cell):
    """A code cell without the lines that only Jupyter understands."""
    return MAGIC.sub(r"\g<indent>pass", text_of(cell))


def program(name):
    return "\n".join(map(python_of, cells(name, "code")))


def commands(name):
    """Every command of the package that a notebook runs or shows, as a list of words."""
    text = "\n".join(text_of(cell) for cell in read(name)["cells"])
    found = (match.replace("\\\n", " ") for match in COMMAND.findall(text))
    return [shlex.split(PLACEHOLDER.sub("64", line)) for line in found]


def printed(name):
    """All text in a notebook's outputs."""
    for cell in cells(name, "code"):
        for output in cell["outputs"]:
            yield "".join(output.get("text", ""))
            yield "".join(output.get("data", {}).get("text/plain", ""))


def test_these_are_all_notebooks():
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_one_of_format_4(name):
    notebook = read(name)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"] == METADATA
    identifiers = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identifiers)) == len(identifiers)
    for cell in notebook["cells"]:
        keys = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            keys |= {"execution_count", "outputs"}
        assert cell.keys() == keys and cell["metadata"] == {}
        assert re.fullmatch(r"[\w-]{1,64}", cell["id"])
        assert text_of(cell).strip()


@pytest.mark.parametrize("name", NAMES)
def test_the_badge_opens_this_notebook_in_colab(name):
    title = text_of(read(name)["cells"][0])
    owner_and_name = HOME.removeprefix("https://github.com/")
    assert title.startswith("# ")
    assert (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{owner_and_name}"
        f"/blob/main/notebooks/{name}.ipynb)"
    ) in title


@pytest.mark.parametrize("name", NAMES)
def test_the_first_code_cell_installs_on_colab_alone_and_before_tensorflow_is_there(name):
    setup = cells(name, "code")[0]
    condition, install = text_of(setup).splitlines()[-2:]
    assert condition == 'if "google.colab" in sys.modules:'
    found = re.fullmatch(rf'    %pip install --quiet "{PACKAGE}(\[.*\])? @ git\+(.*)"', install)
    assert found and found[2] == HOME
    extras = re.findall(r"\w+", found[1] or "")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    assert 'os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"' in text_of(setup)
    assert 'os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"' in text_of(setup)
    assert {item.top for item in imports_in(python_of(setup), "setup")} == {"os", "sys"}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_imports_and_defines_nothing(name):
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    tree = ast.parse(program(name))
    assert not [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, definitions)]
    assert any(item.top == PACKAGE for item in imports_in(program(name), name))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_notebook_imports_of_ours_is_there(name):
    for node in ast.walk(ast.parse(program(name))):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == PACKAGE:
            assert module_file(node.module), node.module
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_notebook_exists_and_takes_its_flags(name):
    run_here = [text_of(cell) for cell in cells(name, "code") if "\n!" in f"\n{text_of(cell)}"]
    assert all(text.startswith(f"!{{sys.executable}} -m {PACKAGE}.") for text in run_here)
    for command, *arguments in commands(name):
        given = [word for word in arguments if not word.startswith("--flagfile=")]
        assert all(word.startswith("--") for word in given), given
        with defined_flags(command_module(command)) as known:
            known([command, *given])


def test_commands_are_found_in_code_and_in_text():
    found = {(name, words[0]) for name in NAMES for words in commands(name)}
    assert {("3_inside_the_memory", "visualize"), ("5_serve", "export")} <= found
    assert {command for name, command in found if name == "2_your_own_images"} == {
        *("prepare_data", "pretrain_damsm", "train")
    }


@pytest.mark.parametrize("name", NAMES)
def test_links_to_other_notebooks_lead_somewhere(name):
    text = "\n".join(map(text_of, cells(name, "markdown")))
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        assert (NOTEBOOKS / target).is_file(), target


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WITH_OUTPUTS)))
def test_a_notebook_that_is_to_be_run_comes_without_outputs(name):
    for cell in cells(name, "code"):
        assert not cell["outputs"] and cell["execution_count"] is None


@pytest.mark.parametrize("name", WITH_OUTPUTS)
def test_a_notebook_that_is_to_be_read_has_all_its_outputs(name):
    assert (NOTEBOOKS / f"{name}.ipynb").stat().st_size < LARGEST
    code = cells(name, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {
        *("stream", "display_data", "execute_result")
    }
    for cell in code:
        if isinstance(ast.parse(python_of(cell)).body[-1], ast.Expr):
            assert cell["outputs"], cell["id"]
        if re.search(r"(?m)^(\w+_(figure|sheet)|contact_sheet)\(", text_of(cell)):
            (data,) = (output["data"] for output in cell["outputs"])
            assert len({"image/png", "image/jpeg"} & data.keys()) == 1


@pytest.mark.parametrize("name", WITH_OUTPUTS)
def test_kept_outputs_name_no_machine_and_hold_no_noise(name):
    assert not [text for text in printed(name) if NEVER_PRINTED.search(text)]


def test_outputs_are_tidied():
    picture = Image.effect_noise((40, 40), 60).convert("RGB")
    both = {"image/png": picture._repr_png_(), "image/jpeg": picture._repr_jpeg_()}
    picture_data = {kind: base64.b64encode(data).decode() for kind, data in both.items()}
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "drawing:  50%|#  | 1/2\rdra"},
        {"output_type": "execute_result", "execution_count": 9, "data": picture_data},
        {"output_type": "stream", "name": "stdout", "text": "wing: 100%|###| 2/2\r\nsheet.png\n"},
    ]
    cell = {
        "cell_type": "code",
        "execution_count": 9,
        "metadata": {"execution": {"shell.execute_reply": "2019-06-16"}},
        "outputs": outputs,
    }
    notebook = tidied({"metadata": {"kernelspec": {"name": "mine"}}, "cells": [cell]})
    assert notebook["metadata"] == METADATA
    assert cell["metadata"] == {} and cell["execution_count"] == 1
    stream, result = cell["outputs"]
    assert stream["text"] == "sheet.png\n"
    assert result["execution_count"] == 1
    assert list(result["data"]) == ["image/jpeg"]  # which is smaller for noise


def test_start_up_messages_go_and_warnings_stay():
    said = "Unknown words dropped from 'a zeppelin': zeppelin\n"
    noise = (
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "I0000 00:00:1795387362.931074   25277 port.cc:153] oneDNN custom operations are on.\r\n"
    )
    assert tidied_text(noise + said) == said


@pytest.fixture
def nbformat():
    """The module of that name, where all that executes notebooks is installed."""
    for module in ("nbclient", "ipykernel"):
        pytest.importorskip(module, reason="needs the extra `notebooks`")
    return pytest.importorskip("nbformat", reason="needs the extra `notebooks`")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_top_to_bottom(name, nbformat, tmp_path):
    notebook = execute(NOTEBOOKS / f"{name}.ipynb", tmp_path)
    nbformat.validate(notebook)
    for left in LEFT_BEHIND[name]:
        assert (tmp_path / left).is_file(), left
    pictures = [
        output
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        for output in cell["outputs"]
        if {"image/png", "image/jpeg"} & output.get("data", {}).keys()
    ]
    assert pictures


@pytest.mark.slow
def test_a_command_that_fails_ends_the_notebook(nbformat, tmp_path):
    cell = nbformat.v4.new_code_cell(f"import sys\n!{{sys.executable}} -m {PACKAGE}.sample")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "fails.ipynb")
    with pytest.raises(InputError, match="status 2 of"):
        execute(tmp_path / "fails.ipynb", tmp_path)
