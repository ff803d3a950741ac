"""README and docs: they are short, their links lead somewhere, and their command lines are taken.

`make test-slow` runs their blocks, too: `test_document_blocks.py`.
"""

import ast
import json
import re

import pytest
from commands import command_module, defined_flags
from documents import (
    EXTRAS,
    PAGES,
    RUN,
    TARGETS,
    anchors,
    blocks,
    command_lines,
    command_of,
    documented,
    inline_commands,
    links,
    prose,
    public_names,
    script_of,
    slug,
    text_of,
)
from source_imports import ROOT
from test_public_api import COMMANDS

from dmgan_tf.files.flag_file import with_flag_files

# Headings of the README before it was one page, to which others may have linked.
EARLIER_HEADINGS = (
    *("Try it", "Your own pictures, in one line or four", "Drawings that words can describe"),
    *("What each command does", "How good is the shipped model?", "Inside the memory"),
    *("In Python", "Share a model", "The paper's data sets and recipes"),
    *("Numbers that can be compared", "Published weights", "Fast, and served"),
    *("Paper, release, ours", "Speed", "Dependencies", "The house", "Reference"),
)
# What the first word of a command line may be, that this project does not define.
OTHER_PROGRAMS = {"source", "git", "cd", "curl", "hf", "tensorboard", "dpkg"}
SPELLED_FOR_READERS = re.compile(
    r"\b[A-Z]{1,9}\b$"
)  # --output=DIR, of which the flag is what counts


def is_there(path):
    return (ROOT / path).exists()


def flags_are_taken(name, words):
    """Parses the flags of a command, but for files of flags that the command itself writes."""
    words = [word for word in words if not word.startswith("--flagfile=runs/")]
    with defined_flags(command_module(name)) as flags:
        flags(with_flag_files([name, *words]))


def check(words):
    """Checks a command line: the command is there, and takes these flags."""
    name, script = command_of(words), script_of(words)
    if name:
        flags_are_taken(name, words[3:])
    elif script and script.is_file():
        text = script.read_text(encoding="utf-8")
        names = {re.match(r"--(\w+)", word)[1] for word in words[2:]}
        shared = set(flags_of_trainings()) if "define_settings" in text else {"flagfile"}
        assert names - shared <= set(re.findall(r"\w+", text))
    elif words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= set(TARGETS)
    elif "pip" in words[:3]:
        named = re.findall(r"\[([\w,]+)\]", " ".join(words))
        assert {extra for extras in named for extra in extras.split(",")} <= set(EXTRAS)
    elif words[1:3] == ["-m", "pytest"]:
        assert all(is_there(word) for word in words[3:] if not word.startswith("--"))
    elif words[:3] == ["python", "-m", "dmgan_tf"]:
        assert words[3:] in ([], ["--version"])
    else:
        assert words[0] in OTHER_PROGRAMS or script, words


def flags_of_trainings():
    """The flags of both trainings, and of every command."""
    for name in ("train", "pretrain_damsm"):
        with defined_flags(command_module(name)) as flags:
            yield from [*flags, "flagfile"]


@pytest.fixture(scope="module")
def all_flags():
    found = {"allow_module", "flagfile", "help", "helpfull", "version", "differences", "keep"}
    for name in COMMANDS:
        with defined_flags(command_module(name)) as flags:
            found |= set(flags)
    return found


def test_the_readme_fits_on_a_page():
    lines = text_of("README.md").splitlines()
    assert len(lines) <= 150 and max(map(len, lines)) <= 250


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            name = target.resolve().relative_to(ROOT).as_posix()
            assert anchor in anchors(name), f"{page}: {link}"


def test_earlier_headings_of_the_readme_are_still_reached():
    assert {slug(heading) for heading in EARLIER_HEADINGS} <= anchors("README.md")


def test_every_picture_of_the_documents_is_shown():
    shown = {((ROOT / page).parent / link).resolve().name for page in PAGES for link in links(page)}
    pictures = {path.name for path in (ROOT / "docs").iterdir() if path.suffix in (".png", ".jpg")}
    assert pictures <= shown


def test_the_site_has_every_page():
    listed = set(re.findall(r"([\w/]+\.md)$", text_of("mkdocs.yml"), flags=re.MULTILINE))
    elsewhere = dict(re.findall(r'"([\w/]+\.md)": "([\w/]+\.md)"', text_of("docs/site_pages.py")))
    assert {elsewhere.get(name, f"docs/{name}") for name in listed} == set(PAGES)


@pytest.mark.parametrize("page", [page for page in PAGES if documented(page)])
def test_the_reference_names_what_is_there(page):
    for name in documented(page):
        module, _, last = name.rpartition(".")
        assert public_names(name) or last in public_names(module), name


@pytest.mark.parametrize("page", RUN)
def test_blocks_can_be_read(page):
    assert "```" not in prose(page)
    for block in blocks(page):
        assert block.language in ("sh", "python", "json", "bibtex"), block
        reason = r"(?:flags only|not run): .+|tests/[\w/]+\.py|"
        assert re.fullmatch(reason, block.comment), block
        if block.language == "python":
            ast.parse(block.text)
        if block.language == "json":
            assert [json.loads(line) for line in block.text.splitlines()]


@pytest.mark.parametrize("page", PAGES)
def test_command_lines_are_taken(page):
    for block in blocks(page):
        if block.language in ("", "sh") and block.is_checked:
            for words in command_lines(block.text):
                try:
                    check(words)
                except Exception as error:
                    raise AssertionError(f"{block}: {' '.join(words)}: {error}") from error


@pytest.mark.parametrize("page", RUN)
def test_flags_within_sentences_are_taken(page, all_flags):
    for words in inline_commands(page):
        if words[0] in OTHER_PROGRAMS | {"pip"}:
            continue
        names = {match[1] for word in words if (match := re.match(r"--(\w+)", word))}
        unknown = {name for name in names if name.removeprefix("no") not in all_flags} - all_flags
        assert not unknown, f"{page}: {' '.join(words)}"
        name = command_of(words) or words[0]
        given = [word for word in words if re.match(r"--\w+=", word)]
        if name in COMMANDS and not any(SPELLED_FOR_READERS.search(word) for word in given):
            flags_are_taken(name, given)
