"""BUILD holds every Python file exactly once, and its deps are exactly the imports.

`make build-file` (this file with --fix) rewrites the tables of deps; everything else in BUILD is
written by hand.
"""

import ast
import pathlib
import sys

import pytest
from source_imports import PACKAGE, ROOT, imports_of, is_command, module_file, python_files

BUILD = ROOT / "BUILD"
# The distributions whose name is not that of the module they install.
DISTRIBUTIONS = {
    "dicebear": "dicebear_core",
    "PIL": "pillow",
    "absl": "absl_py",
    "google": "protobuf",
    "grpc": "grpcio",
    "pytriton": "nvidia_pytriton",
    "tensorflow_serving": "tensorflow_serving_api",
}


def target_of(path: str) -> tuple[str, str]:
    """The table of BUILD, and the name in it, of the target that holds the file at `path`."""
    first, *directories, name = pathlib.PurePosixPath(path).parts
    stem = name.removesuffix(".py")
    if first != PACKAGE:
        return "OTHERS", first
    if is_command(path):
        return "COMMANDS", directories[0] if directories else stem
    if directories:
        return "ROOMS", directories[0]
    return "MODULES", stem


def label_of(module: str) -> str | None:
    """The label that provides `module`; None for the standard library."""
    path = module_file(module)
    if path:
        table, name = target_of(path)
        if name == "__init__":
            name = PACKAGE
        return f":{name}_command" if table == "COMMANDS" else f":{name}"
    top = module.partition(".")[0]
    assert top != PACKAGE, f"{module} is imported, but there is no such file"
    if top in sys.stdlib_module_names:
        return None
    return f"@pypi//{DISTRIBUTIONS.get(top, top)}"


def expected_tables() -> dict[str, dict[str, list[str]]]:
    """The tables of BUILD, by name: for each target the deps that its files' imports ask for."""
    tables: dict = {"MODULES": {}, "ROOMS": {}, "COMMANDS": {}, "OTHERS": {}}
    for path in python_files(PACKAGE, "tests", "benchmarks"):
        table, name = target_of(path)
        deps = tables[table].setdefault(name, set())
        deps |= {label_of(item.module) for item in imports_of(path)}
    for targets in tables.values():
        for name, deps in targets.items():
            own = PACKAGE if name == "__init__" else name
            targets[name] = sorted(deps - {None, f":{own}"}, key=_buildifier_order)
    return tables


def _buildifier_order(label: str) -> tuple:
    return (label.startswith("@"), label.replace(":", "!").replace("/", "!"), label)


def tables_of(text: str) -> dict[str, ast.Assign]:
    """The constants of a BUILD file, which is Python as far as syntax goes."""
    statements = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    return {statement.targets[0].id: statement for statement in statements}


def differences(text: str, expected: dict) -> list[str]:
    """What to add to and remove from the tables of the BUILD file `text`, one line each."""
    lines = []
    for table, targets in expected.items():
        actual = ast.literal_eval(tables_of(text)[table].value)
        actual = {name: deps.split() for name, deps in actual.items()}
        lines += [f"{table}: add {name}" for name in targets.keys() - actual.keys()]
        lines += [f"{table}: remove {name}" for name in actual.keys() - targets.keys()]
        for name in targets.keys() & actual.keys():
            want, have = targets[name], actual[name]
            lines += [f"{table} {name}: add {item}" for item in want if item not in have]
            lines += [f"{table} {name}: remove {item}" for item in have if item not in want]
            if len(set(have)) < len(have):
                lines.append(f"{table} {name}: something is there twice")
    return sorted(lines)


def fixed(text: str, expected: dict) -> str:
    """The BUILD file `text` with its tables as `expected`; buildifier lays it out after."""
    lines = text.splitlines(keepends=True)
    for statement in sorted(tables_of(text).values(), key=lambda node: -node.lineno):
        name = statement.targets[0].id
        if name in expected:
            lines[statement.lineno - 1 : statement.end_lineno] = [_starlark(name, expected[name])]
    return "".join(lines)


def _starlark(table: str, targets: dict[str, list[str]]) -> str:
    rows = "".join(f'    "{name}": "{" ".join(deps)}",\n' for name, deps in sorted(targets.items()))
    return f"{table} = {{\n{rows}}}\n"


def test_build_file_matches_the_files_and_their_imports():
    found = differences(BUILD.read_text(encoding="utf-8"), expected_tables())
    assert not found, "BUILD is out of date; run 'make build-file':\n" + "\n".join(found)


EXPECTED = {"ROOMS": {"layers": [":errors", "@pypi//keras"], "losses": []}}


@pytest.mark.parametrize(
    ("rooms", "found"),
    [
        ({"layers": ":errors @pypi//keras", "losses": ""}, []),
        ({"layers": ":errors @pypi//keras"}, ["ROOMS: add losses"]),
        ({"layers": ":errors", "losses": ""}, ["ROOMS layers: add @pypi//keras"]),
        ({"layers": ":errors @pypi//keras", "losses": "", "old": ""}, ["ROOMS: remove old"]),
        ({"layers": ":errors @pypi//keras", "losses": ":a"}, ["ROOMS losses: remove :a"]),
    ],
)
def test_differences_are_named_and_mended(rooms, found):
    text = f"# kept\nROOMS = {rooms}\n[py_library(name = name) for name in ROOMS]\n"
    assert differences(text, EXPECTED) == found
    mended = fixed(text, EXPECTED)
    assert differences(mended, EXPECTED) == []
    assert mended.startswith("# kept\n") and mended.endswith("for name in ROOMS]\n")


def main() -> None:
    if sys.argv[1:] != ["--fix"]:
        sys.exit("usage: python tests/test_build_file.py --fix")
    text, expected = BUILD.read_text(encoding="utf-8"), expected_tables()
    for line in differences(text, expected):
        print(line)
    BUILD.write_text(fixed(text, expected), encoding="utf-8")


if __name__ == "__main__":
    main()
