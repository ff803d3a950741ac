"""What the project's Python files import, read from their syntax trees: nothing is executed."""

import ast
import dataclasses
import functools
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = "dmgan_tf"


@dataclasses.dataclass(frozen=True, order=True)
class Import:
    """One imported module, by its full dotted name, and where the statement stands.

    What only a type checker imports counts as inside a function, for it costs nothing to load.
    """

    module: str
    line: int
    inside_function: bool

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def python_files(*directories: str) -> list[str]:
    """Paths, relative to the root and sorted, of every Python file below `directories`."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for directory in directories
        for path in (ROOT / directory).rglob("*.py")
    )


def module_file(module: str) -> str | None:
    """The project file that holds `module`, relative to the root; None if there is none."""
    base = module.replace(".", "/")
    for candidate in (
        f"{base}.py",
        f"{base}/__init__.py",
        f"tests/{base}.py",
        f"tests/extending/{base}.py",
        f"benchmarks/{base}.py",
    ):
        if (ROOT / candidate).is_file():
            return candidate
    return None


@functools.cache
def imports_of(path: str) -> tuple[Import, ...]:
    """Every import in the file at `path`, those inside functions too."""
    return imports_in((ROOT / path).read_text(encoding="utf-8"), path)


def imports_in(source: str, path: str) -> tuple[Import, ...]:
    """Every import in `source`, taken to stand at `path` (which relative imports start from).

    `from package import name` counts as `package.name`, except that in a package of ours it counts
    as `package` where `name` is an attribute and not a module.
    """
    found = []

    def visit(node: ast.AST, inside_function: bool) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.append(Import(alias.name, node.lineno, inside_function))
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path)
            ours = base.startswith(PACKAGE) or module_file(base)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                if ours and not module_file(name):
                    name = base
                found.append(Import(name, node.lineno, inside_function))
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        )
        for child in ast.iter_child_nodes(node):
            visit(child, inside_function or later)

    visit(ast.parse(source, filename=path), False)
    return tuple(found)


def _absolute(node: ast.ImportFrom, path: str) -> str:
    if not node.level:
        return node.module
    package = pathlib.PurePosixPath(path).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def is_command(path: str) -> bool:
    """Whether the file is what `python -m dmgan_tf.NAME` runs."""
    *package, name = pathlib.PurePosixPath(path).parts
    if not (ROOT / path).is_file() or package[:1] != [PACKAGE]:
        return False
    if name == "__main__.py":
        return len(package) == 2
    is_program = 'if __name__ == "__main__":' in (ROOT / path).read_text(encoding="utf-8")
    return package == [PACKAGE] and is_program
