"""Classes by name: what is found, what is refused, and by which line."""

import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.registry import lookup
from dmgan_tf.registry.lookup import Choice, Registry, allow_choice, allow_module

KINDS = """
class Base:
    def __init__(self, size=1):
        self.size = size
    def get_config(self):
        return {"size": self.size}
class Child(Base):
    pass
class Picky(Base):
    def __init__(self, size=1):
        super().__init__(int(size))
class Stranger:
    pass
"""


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry whose only class, and others beside it, stand in a module outside the package."""
    monkeypatch.setattr(lookup, "_allowed_modules", set())
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "kinds_of_a_test.py").write_text(KINDS)
    (tmp_path / "raising_of_a_test.py").write_text("1 / 0")
    (tmp_path / "lacking_of_a_test.py").write_text("import nothing_of_this_name")
    (tmp_path / "writing_of_a_test.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\nfrom kinds_of_a_test import Child"
    )
    place = "kinds_of_a_test:Base"
    return Registry("toy", base=place, classes={"plain": place})


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("paper", Choice("paper")),
        (" hinge() ", Choice("hinge")),
        ("m.n:C(a=1, b='x', c=[1.5, None])", Choice("m.n:C", {"a": 1, "b": "x", "c": [1.5, None]})),
    ],
)
def test_a_choice_is_read_as_it_is_written(text, choice):
    assert Choice.parse(text) == choice
    assert Choice.parse(str(choice)) == choice


@pytest.mark.parametrize(
    "text", ["a(1)", "a(b=c)", "a(b=1", "a(**{'b': 1})", "a(b=1)(c=2)", "a(b=1);x"]
)
def test_what_is_no_choice_is_one_line(text):
    with pytest.raises(InputError, match="Expected NAME or NAME"):
        Choice.parse(text)


def test_a_registered_class_needs_no_permission(registry):
    assert registry.create(Choice("plain", {"size": 3})).size == 3
    assert registry.create(Choice("plain"), size=4).size == 4


def test_an_unknown_name_lists_the_known_and_the_nearest(registry):
    with pytest.raises(InputError, match=r"one of plain, or module:Class. .*'plane'.*'plain'\?"):
        registry.find("plane")


def test_foreign_code_does_not_run_unless_allowed(registry, tmp_path):
    with pytest.raises(InputError, match="--allow_module=writing_of_a_test"):
        registry.find("writing_of_a_test:Child")
    assert not (tmp_path / "ran").exists()
    allow_module("writing_of_a_test")
    assert registry.find("writing_of_a_test:Child").__name__ == "Child"
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent_of_a_test:C", "no such module"),
        ("raising_of_a_test:C", "ZeroDivisionError: division by zero"),
        ("lacking_of_a_test:C", "No module named 'nothing_of_this_name'. Install"),
        ("kinds_of_a_test:Absent", "a module without it"),
        ("kinds_of_a_test:Stranger", "inherits from kinds_of_a_test.Base. Received: the class"),
        ("kinds_of_a_test:KINDS", "a module without it"),
    ],
)
def test_what_can_be_wrong_is_told_apart(registry, name, message):
    allow_choice(Choice(name))
    with pytest.raises(InputError, match=message):
        registry.find(name)


def test_arguments_that_the_class_does_not_take_are_named(registry):
    with pytest.raises(InputError, match=r"Received: plain\(colour='red'\).*it takes size"):
        registry.create(Choice("plain", {"colour": "red"}))


def test_options_that_a_constructor_cannot_use_are_one_line(registry):
    allow_module("kinds_of_a_test")
    with pytest.raises(InputError, match=r"Picky\(size='x'\) \(invalid literal"):
        registry.create(Choice("kinds_of_a_test:Picky", {"size": "x"}))


def test_an_object_comes_back_from_its_description(registry):
    allow_module("kinds_of_a_test")
    for name in ("plain", "kinds_of_a_test:Child"):
        thing = registry.create(Choice(name, {"size": 7}))
        description = registry.describe(thing)
        assert description == {"class": name, "size": 7}
        again = registry.create(Choice.of(description))
        assert type(again) is type(thing) and again.size == 7
