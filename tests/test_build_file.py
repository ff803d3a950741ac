"""BUILD holds every Python file exactly once, and its deps are exactly the imports.

`make build-file` (this file with --fix) rewrites the srcs and deps lists, and adds a target that
is missing; everything else in BUILD is written by hand.
"""

import ast
import pathlib
import re
import sys

import pytest
from source_imports import PACKAGE, ROOT, imports_of, is_command, module_file, python_files

BUILD = ROOT / "BUILD"
RULES = ("py_library", "py_binary", "py_test")
# The distributions whose name is not that of the module they install.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl_py",
    "google": "protobuf",
    "grpc": "grpcio",
    "tensorflow_serving": "tensorflow_serving_api",
}


def target_of(path: str) -> tuple[str, str]:
    """The rule and the name of the target that holds the file at `path`."""
    first, *directories, name = pathlib.PurePosixPath(path).parts
    stem = name.removesuffix(".py")
    if first == "benchmarks":
        return "py_library", "benchmarks"
    if first == "tests":
        if directories:
            return "py_test", f"{directories[0]}_test"
        return (
            ("py_test", f"{PACKAGE}_test")
            if stem.startswith("test_")
            else (
                "py_library",
                "test_support",
            )
        )
    if directories:
        return "py_library", directories[0]
    if stem == "__init__":
        return "py_library", PACKAGE
    return ("py_binary" if is_command(path) else "py_library"), stem


def label_of(module: str) -> str | None:
    """The label that provides `module`; None for the standard library."""
    path = module_file(module)
    if path:
        return f":{target_of(path)[1]}"
    top = module.partition(".")[0]
    assert top != PACKAGE, f"{module} is imported, but there is no such file"
    if top in sys.stdlib_module_names:
        return None
    return f"@pypi//{DISTRIBUTIONS.get(top, top)}"


def expected_targets() -> dict[tuple[str, str], dict[str, list[str]]]:
    """For each (rule, name) the `srcs` and `deps` that the files on disk ask for."""
    targets: dict = {}
    for path in python_files(PACKAGE, "tests", "benchmarks"):
        lists = targets.setdefault(target_of(path), {"srcs": set(), "deps": set()})
        lists["srcs"].add(path)
        lists["deps"].update(label_of(item.module) for item in imports_of(path))
    for (rule, name), lists in targets.items():
        if rule == "py_test":  # pytest runs it, and loads tests/conftest.py
            lists["deps"] |= {"@pypi//pytest", ":test_support"}
        lists["deps"] -= {None, f":{name}"}
    return {
        target: {key: sorted(values, key=_buildifier_order) for key, values in lists.items()}
        for target, lists in targets.items()
    }


def _buildifier_order(label: str) -> tuple:
    return (label.startswith("@"), label.replace(":", "!").replace("/", "!"), label)


def read_targets(text: str) -> dict[tuple[str, str], dict[str, ast.expr]]:
    """The arguments of each target in a BUILD file, which is Python as far as syntax goes."""
    targets = {}
    for statement in ast.parse(text).body:
        call = getattr(statement, "value", None)
        if isinstance(call, ast.Call) and getattr(call.func, "id", None) in RULES:
            arguments = {keyword.arg: keyword.value for keyword in call.keywords}
            target = (call.func.id, ast.literal_eval(arguments["name"]))
            assert target not in targets, f"BUILD has two targets {target[1]!r}"
            targets[target] = arguments
    return targets


def differences(text: str, expected: dict) -> list[str]:
    """What to add to and remove from the BUILD file `text`, one line each."""
    actual = read_targets(text)
    lines = [f"add target {name} ({rule})" for rule, name in expected.keys() - actual.keys()]
    lines += [f"remove target {name} ({rule})" for rule, name in actual.keys() - expected.keys()]
    for target in expected.keys() & actual.keys():
        for key in ("srcs", "deps"):
            value = actual[target].get(key)
            have = ast.literal_eval(value) if value else []
            want = expected[target][key]
            lines += [f"{target[1]}: add {item} to {key}" for item in want if item not in have]
            lines += [f"{target[1]}: remove {item} from {key}" for item in have if item not in want]
            if len(set(have)) < len(have):
                lines.append(f"{target[1]}: {key} names something twice")
    return sorted(lines)


def fixed(text: str, expected: dict) -> str:
    """The BUILD file `text` with its srcs and deps as `expected`; buildifier lays it out after."""
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    edits = []
    actual = read_targets(text)
    for target in expected.keys() & actual.keys():
        for key, items in expected[target].items():
            node = actual[target].get(key)
            if node is None:
                name = actual[target]["name"]
                end = starts[name.end_lineno - 1] + name.end_col_offset
                edits.append((end, end, f",\n    {key} = {_starlark(items)}" if items else ""))
            elif sorted(ast.literal_eval(node)) != sorted(items):
                start = starts[node.lineno - 1] + node.col_offset
                end = starts[node.end_lineno - 1] + node.end_col_offset
                edits.append((start, end, _starlark(items)))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    for rule, name in sorted(expected.keys() - actual.keys()):
        text += _new_target(rule, name, expected[rule, name])
    return text


def _starlark(items: list[str]) -> str:
    if len(items) < 2:
        return "[" + "".join(f'"{item}"' for item in items) + "]"
    return "[\n" + "".join(f'        "{item}",\n' for item in items) + "    ]"


def _new_target(rule: str, name: str, lists: dict[str, list[str]]) -> str:
    attributes = {"name": f'"{name}"', "srcs": _starlark(lists["srcs"])}
    if rule == "py_binary":
        attributes["main"] = f'"{lists["srcs"][0]}"'
    if rule == "py_test":
        directory = f"tests/{name.removesuffix('_test')}"
        attributes["args"] = f'["{directory}"]'
        attributes["data"] = (
            f'glob(["{directory}/**"], allow_empty = True, exclude = ["**/*.py"])'  # golden values
        )
        attributes["main_module"] = '"pytest"'
    if lists["deps"]:
        attributes["deps"] = _starlark(lists["deps"])
    return f"\n{rule}(\n" + "".join(f"    {k} = {v},\n" for k, v in attributes.items()) + ")\n"


def test_build_file_matches_the_files_and_their_imports():
    found = differences(BUILD.read_text(encoding="utf-8"), expected_targets())
    assert not found, "BUILD is out of date; run 'make build-file':\n" + "\n".join(found)


def test_every_binary_and_test_names_what_it_runs():
    for (rule, name), arguments in read_targets(BUILD.read_text(encoding="utf-8")).items():
        if rule == "py_binary":
            assert ast.literal_eval(arguments["srcs"]) == [ast.literal_eval(arguments["main"])]
        if rule == "py_test":
            assert ast.literal_eval(arguments["main_module"]) == "pytest", name
            (directory,) = ast.literal_eval(arguments["args"])
            assert directory in {"tests", f"tests/{name.removesuffix('_test')}"}, name


EXPECTED = {
    ("py_library", "layers"): {"srcs": ["a.py", "b.py"], "deps": [":errors", "@pypi//keras"]},
    ("py_binary", "train"): {"srcs": ["dmgan_tf/train.py"], "deps": []},
}


@pytest.mark.parametrize(
    ("srcs", "deps", "found"),
    [
        ('["a.py", "b.py"]', '[":errors", "@pypi//keras"]', []),
        ('["a.py"]', '[":errors", "@pypi//keras"]', ["layers: add b.py to srcs"]),
        ('["b.py", "a.py"]', '[":errors"]', ["layers: add @pypi//keras to deps"]),
        (
            '["a.py", "b.py", "c.py"]',
            '[":errors", ":files", "@pypi//keras"]',
            ["layers: remove :files from deps", "layers: remove c.py from srcs"],
        ),
    ],
)
def test_differences_are_named_and_mended(srcs, deps, found):
    text = f'# kept\npy_library(\n    name = "layers",\n    srcs = {srcs},\n    deps = {deps},\n)\n'
    assert differences(text, EXPECTED) == sorted([*found, "add target train (py_binary)"])
    mended = fixed(text, EXPECTED)
    assert differences(mended, EXPECTED) == []
    assert mended.startswith("# kept\n") and re.search(r'main = "dmgan_tf/train.py"', mended)


def main() -> None:
    if sys.argv[1:] != ["--fix"]:
        sys.exit("usage: python tests/test_build_file.py --fix")
    text, expected = BUILD.read_text(encoding="utf-8"), expected_targets()
    for line in differences(text, expected):
        print(line)
    BUILD.write_text(fixed(text, expected), encoding="utf-8")


if __name__ == "__main__":
    main()
