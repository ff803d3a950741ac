"""The blocks of README and docs, run page by page with small data and settings; and the site.

A page's blocks run in their order, in a folder of their own. The words of each command line are
those of the page, followed by flags that make it small.
"""

import re
import shutil
import subprocess
import sys

import pytest
from documents import RUN, blocks, command_lines, command_of
from source_imports import ROOT
from tiny_training import CONFIG, PRETRAINING, flags_of

pytestmark = pytest.mark.slow

# What a reader of a page has: the names in its blocks, and the fixtures that stand for them.
GIVEN = {
    "README.md": {"my_birds": "image_folder"},
    "docs/data.md": {"my_birds": "image_folder"},
    "docs/numbers.md": {"samples": "drawn_pictures", "real_images": "drawn_pictures"},
    "docs/own_pictures.md": {"my_birds": "image_folder"},
    "docs/python.md": {"runs/birds": "vivid_model"},
    "docs/serving.md": {"runs/birds": "vivid_model"},
}
SMALLER = {
    "prepare_data": ["--image_size=32"],
    "pretrain_damsm": [*flags_of(PRETRAINING), "--epochs=1"],
    "train": [*flags_of(CONFIG), "--epochs=1"],
    "finetune": ["--minutes=1", "--precision=float32"],
    "evaluate": ["--num_images=12", "--kid_subset_size=6"],
}
WITH_COMMANDS = [
    page for page in RUN if any(block.is_run and block.language != "json" for block in blocks(page))
]


@pytest.fixture(scope="session")
def drawn_pictures(image_folder):
    """A folder of pictures."""
    return image_folder / "train"


def smaller(name, words):
    """The flags of a command line, and those that make it quick."""
    if "--resume" in words:
        return words  # it goes on with what it began with
    avatars = ["--num_images=20"] if "--dataset=avatars" in words else []
    return [*words, *SMALLER.get(name, ()), *avatars]


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_blocks_run(page, request, run_command, monkeypatch, tmp_path):
    for name, fixture in GIVEN.get(page, {}).items():
        shutil.copytree(request.getfixturevalue(fixture), tmp_path / name)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        if not block.is_run:
            continue
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})
        for words in command_lines(block.text) if block.language == "sh" else []:
            if name := command_of(words):
                status, _, stderr = run_command(name, *smaller(name, words[3:]))
                assert status == 0, f"{block}: {' '.join(words)}\n{stderr}"


def test_the_site_is_built_and_contacts_no_other_host(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= len(RUN)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|iframe|source)[^>]* src="?(https?:[^" >]*)', text)
        fetched += re.findall(r'<link[^>]* href="?(https?:[^" >]*)', text)
        assert not fetched, page
        assert 'data-md-component="source"' not in text  # which asks GitHub for numbers of stars
