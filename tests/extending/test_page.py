"""`docs/extending.md` shows the files of this directory as they are, and names what there is."""

import pathlib
import re

import pytest

from dmgan_tf.registry import catalogue
from dmgan_tf.registry.lookup import Registry

FOLDER = pathlib.Path(__file__).parent
PAGE = (FOLDER.parents[1] / "docs/extending.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"<!-- tests/extending/(\w+)\.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
REGISTRIES = [thing for thing in vars(catalogue).values() if isinstance(thing, Registry)]


def test_every_addition_is_shown():
    files = {path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("test_")}
    assert {name for name, _ in SHOWN} == files and len(SHOWN) == PAGE.count("```python")


@pytest.mark.parametrize(("name", "code"), SHOWN)
def test_what_the_page_shows_is_what_runs(name, code):
    assert code == (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert len(code.splitlines()) <= 40


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_the_page_lists_the_registered_names(registry):
    (row,) = [
        line
        for line in PAGE.splitlines()
        if f"| {registry.kind}" in line.replace("adversarial ", "")
    ]
    assert sorted(re.findall(r"`(\w+)`", row.split("|")[4])) == sorted(registry.names)
    module, _, name = registry.base.partition(":")
    assert f"{module}.{name}" in row or (module, name) == ("dmgan_tf.losses.objective", "Objective")
