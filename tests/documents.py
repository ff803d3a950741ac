"""What the Markdown pages of the project hold: blocks of code, command lines, links, anchors.

A comment before a block says what a test may do with it; without one, the block is run:

<!-- flags only: REASON -->   its command lines are checked as far as their flags
<!-- not run: REASON -->      nothing of it can be checked here
<!-- tests/PATH -->           the file that the block shows, which has a test of its own
"""

import dataclasses
import functools
import pathlib
import re
import shlex
import tomllib

from source_imports import PACKAGE, ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
)
RUN = ["README.md", *(page for page in PAGES if page.startswith("docs/"))]  # of `make test-slow`
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
TARGETS = re.findall(
    r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE
)
_FENCE = re.compile(
    r"^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"<!--.*?-->", flags=re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", flags=re.MULTILINE)
_MODULE = re.compile(r"^::: ([\w.]+)$", flags=re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    comment: str
    language: str
    text: str

    @property
    def is_run(self) -> bool:
        return not self.comment

    @property
    def is_checked(self) -> bool:
        return not self.comment.startswith("not run: ")

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@functools.cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@functools.cache
def blocks(page: str) -> tuple[Block, ...]:
    text = text_of(page)
    return tuple(
        Block(
            page, text.count("\n", 0, match.start(2)) + 1, *(part or "" for part in match.groups())
        )
        for match in _FENCE.finditer(text)
    )


@functools.cache
def prose(page: str) -> str:
    """A page without its blocks and comments."""
    return _COMMENT.sub("", _FENCE.sub("", text_of(page)))


def command_lines(text: str) -> list[list[str]]:
    """The words of each command line of a block, without comments and settings of variables."""
    lines = text.replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines]
    return [
        words[next(i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)) :]
        for words in split
        if words
    ]


def inline_commands(page: str) -> list[list[str]]:
    """The code within sentences that is a command with flags, or flags alone."""
    code = re.findall(r"`([^`\n]+)`", prose(page))
    flags_there = [text for text in code if re.search(r"(?:^| )--\w", text)]
    return [shlex.split(text) for text in flags_there if "..." not in text]


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@functools.cache
def anchors(page: str) -> frozenset[str]:
    """The anchors of a page, those of the API reference among them."""
    text = prose(page)
    found = {slug(heading) for heading in _HEADING.findall(text)}
    found |= set(re.findall(r'<a id="([^"]+)"', text))
    for module in _MODULE.findall(text):
        found |= {module, *(f"{module}.{name}" for name in public_names(module))}
    return frozenset(found)


def public_names(module: str) -> list[str]:
    """The classes and functions of a module of the package, from its text."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not path.is_file():
        return []
    return re.findall(r"^(?:class|def) ([a-zA-Z]\w*)", path.read_text("utf-8"), flags=re.MULTILINE)


def documented(page: str) -> list[str]:
    """What a page of the API reference takes from the docstrings."""
    return _MODULE.findall(text_of(page))


def links(page: str) -> list[str]:
    """The relative links and pictures of a page."""
    return [link for link in _LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]


def command_of(words: list[str]) -> str | None:
    """The command that a command line runs, if it is one of the package's."""
    if words[:2] == ["python", "-m"] and words[2].startswith(f"{PACKAGE}."):
        return words[2].removeprefix(f"{PACKAGE}.")
    return None


def script_of(words: list[str]) -> pathlib.Path | None:
    """The script of the project that a command line runs."""
    if re.fullmatch(r"(?:\.venv/bin/)?python", words[0]) and words[1].endswith(".py"):
        return ROOT / words[1]
    return None
