"""What must hold of the project as a whole: its declared dependencies, its files, its commands."""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from source_imports import PACKAGE, ROOT, imports_of, is_command, module_file, python_files

DISTRIBUTIONS = {
    "dicebear": "dicebear-core",
    "PIL": "pillow",
    "absl": "absl-py",
    "google": "protobuf",
    "grpc": "grpcio",
    "tensorflow_serving": "tensorflow-serving-api",
}  # not named after the module they install
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOME = PROJECT["urls"]["Repository"]
# Addresses of a project of our name: its repository, files in it, a notebook opened in Colab.
ADDRESS = re.compile(
    r"https?://(?:www\.)?(?:github\.com|raw\.githubusercontent\.com|colab\.research\.google\.com/github)"
    r"/[\w.-]*/[\w.-]*",
    re.IGNORECASE,
)
OUR_NAME = re.compile(r"dm[-_]?gan[-_]?tf", re.IGNORECASE)
EXTRAS_OF_USERS = (
    *("avatars", "clip", "demo", "figures", "glove", "hub", "judges", "lite0", "litert", "onnx"),
)
COMMANDS = [path for path in python_files(PACKAGE) if is_command(path)]
# What belongs at the top of a Python project; all else has a directory.
TOP_LEVEL = {
    *(".bazelrc", ".ci", ".github", ".gitignore", "BUILD", "CHANGELOG.md", "CITATION.cff"),
    *("CONTRIBUTING.md", "LICENSE", "MODULE.bazel", "Makefile", "README.md", "benchmarks"),
    *("configs", "dmgan_tf", "docs", "mkdocs.yml", "notebooks", "pyproject.toml"),
    *("requirements.txt", "requirements_lock.txt", "tests"),
}
MADE_BY_TOOLS = {".git", ".venv", "runs", "build", "dist", "__pycache__", "node_modules"}
MADE_BY_TOOLS |= {".hypothesis", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache"}
# A path on one particular machine; the look-behind lets web addresses with such a part pass.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/")


def requirements(*extras: str) -> list[Requirement]:
    """What an installation with these extras asks for, those that the extras themselves name."""
    found = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in extras:
        for line in PROJECT["optional-dependencies"][extra]:
            requirement = Requirement(line)
            of_ours = canonicalize_name(requirement.name) == canonicalize_name(PROJECT["name"])
            found += requirements(*requirement.extras) if of_ours else [requirement]
    return found


def homes(text: str) -> set[str]:
    """The addresses in `text` of repositories of our name, as `HOME` is written."""
    found = (address for address in ADDRESS.findall(text) if OUR_NAME.search(address))
    return {
        "https://github.com/" + "/".join(address.rstrip(".").split("/")[-2:]) for address in found
    }


def names(*extras: str) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements(*extras)}


def third_party(*directories: str, inside_functions: bool = True) -> dict[str, str]:
    """Each third-party distribution imported below `directories`, with one file that does."""
    return {
        canonicalize_name(DISTRIBUTIONS.get(item.top, item.top)): path
        for path in python_files(*directories)
        for item in imports_of(path)
        if item.top not in {PACKAGE, *sys.stdlib_module_names}
        and not module_file(item.module)
        and (inside_functions or not item.inside_function)
    }


def is_made_by_tools(name: str) -> bool:
    return name in MADE_BY_TOOLS or name.startswith((".venv-", "bazel-"))


def text_files() -> list[pathlib.Path]:
    found = []
    for directory, directories, files in os.walk(ROOT):
        directories[:] = [name for name in directories if not is_made_by_tools(name)]
        # In a work tree of Git's, .git is a file that says where the repository is.
        found += [pathlib.Path(directory, name) for name in files if name not in MADE_BY_TOOLS]
    return [path for path in found if b"\0" not in path.read_bytes()[:8192]]


def test_the_package_imports_only_what_it_declares():
    used = third_party(PACKAGE, inside_functions=False)
    undeclared = used.keys() - names()
    assert not undeclared, {name: used[name] for name in undeclared}


def test_what_a_function_imports_may_be_of_an_extra():
    used = third_party(PACKAGE)
    undeclared = used.keys() - names(*EXTRAS_OF_USERS)
    assert not undeclared, {name: used[name] for name in undeclared}


def test_the_tests_import_only_what_they_declare():
    used = third_party("tests", inside_functions=False)
    undeclared = used.keys() - names("test")
    assert not undeclared, {name: used[name] for name in undeclared}


def test_what_a_test_imports_while_it_runs_may_be_of_another_extra():
    used = third_party("tests")
    undeclared = used.keys() - names("test", "browser", "notebooks", "oracles", "fuzz")
    assert not undeclared, {name: used[name] for name in undeclared}


def test_requirements_file_repeats_the_core_dependencies():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == PROJECT["dependencies"]


def test_lock_file_pins_every_dependency_within_its_range():
    lines = (ROOT / "requirements_lock.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines)
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    for requirement in requirements("test"):
        version = pins.get(canonicalize_name(requirement.name))
        assert version and version in requirement.specifier, f"{requirement}: locked at {version}"


def test_the_top_level_holds_only_what_a_python_project_needs():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no clone: a source distribution")
    assert {path.partition("/")[0] for path in listed.stdout.splitlines()} == TOP_LEVEL


def test_all_files_agree_on_the_version():
    version = re.escape(PROJECT["version"])
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {version}$", citation, re.MULTILINE)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = rf"^## \[{version}\] - \d{{4}}-\d\d-\d\d$"
    first = rf"^The first release will be {version}\.$"
    assert re.search(rf"{released}|{first}", changelog, re.MULTILINE)


def test_public_ci_runs_targets_that_are_there():
    made = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    workflows = [path.read_text("utf-8") for path in (ROOT / ".github/workflows").glob("*.yml")]
    lists = re.findall(r"(?:target:|run: make) \[?([\w-]+(?:, [\w-]+)*)", "\n".join(workflows))
    called = {name for names in lists for name in names.split(", ")}
    assert {"test", "test-slow", "test-oldest", "test-newest", "quickstart", "dist"} == called
    assert called <= set(made)


def test_make_knows_every_variable_of_what_users_run():
    made = subprocess.run(
        ["make", "-n", "--warn-undefined-variables", "quickstart", "test", "web"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stderr == "" and "--output=runs/quickstart/samples" in made.stdout


def test_issue_templates_ask_for_the_versions():
    forms = [path.read_text("utf-8") for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*_*.yml")]
    assert forms and all("`python -m dmgan_tf --version`" in form for form in forms)


def test_no_file_names_a_path_of_one_machine():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line) and path != pathlib.Path(__file__)
    ]
    assert not found, "\n".join(found)


def test_all_files_agree_on_where_the_project_is_at_home():
    found = {
        path.relative_to(ROOT).as_posix(): homes(path.read_text(encoding="utf-8"))
        for path in text_files()
        if path != pathlib.Path(__file__)
    }
    found = {path: addresses for path, addresses in found.items() if addresses}
    assert {"pyproject.toml", "notebooks/1_quickstart.ipynb"} <= found.keys()
    assert not {path: others for path, others in found.items() if others - {HOME}}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://github.com/dmgan-tf/dmgan_tf.", {"https://github.com/dmgan-tf/dmgan_tf"}),
        (
            "(https://colab.research.google.com/github/me/DMGAN-tf/blob/main/a.ipynb)",
            {"https://github.com/me/DMGAN-tf"},
        ),
        ("https://github.com/somebody/DM-GAN", set()),
    ],
)
def test_an_address_of_ours_is_told_from_others(text, found):
    assert homes(text) == found


@pytest.mark.parametrize(
    ("line", "caught"),
    [("--data=/home/me/birds", True), ("https://example.org/home/x", False), ("docs/root/", False)],
)
def test_a_machine_path_is_told_from_a_web_address(line, caught):
    assert bool(MACHINE_PATH.search(line)) == caught


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_shows_an_example_of_itself(path):
    # `--help` prints the module's docstring: reading it here spares a start of TensorFlow each.
    help_text = ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) or ""
    name = path.removesuffix(".py").removesuffix("/__main__").rpartition("/")[2]
    assert f"python -m {PACKAGE}.{name} --" in help_text
