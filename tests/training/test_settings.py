"""Each setting once: what a field says becomes a flag, its help, its check and `flags.txt`."""

import dataclasses
from collections.abc import Sequence

import pytest
from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.registry import lookup
from dmgan_tf.registry.lookup import Registry
from dmgan_tf.training.settings import Checked, setting

TOYS = Registry("toy", base="toys:Toy", classes={"ball": "toys:Ball", "doll": "toys:Doll"})


@dataclasses.dataclass(frozen=True)
class Toy(Checked):
    """A setting of every kind."""

    size: int = setting(3, "How large.", low=1)
    weight: float = setting(0.5, "How heavy.", above=0, high=1)
    age: int | None = setting(None, "For whom; default: all.", low=0, high=99, flag="toy_age")
    colour: str = setting("red", "Of the paint.", choices=("red", "blue"))
    floats: bool = setting(True, "Whether it floats.")
    owner: str | None = setting(None, "Whose it is.")
    tags: Sequence[str] = setting((), "Words for it.", flag="tag")
    kind: str = setting("ball", "What it is.", registry=TOYS)
    secret: int = 7


@pytest.fixture
def read():
    """Settings as a command reads them of its flags, and those flags as it keeps them."""
    others = set(flags.FLAGS)
    command.define_settings(Toy)

    def reading(*arguments):
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["command", *arguments])
        return command.read_settings(Toy), command.flags_text(command.names_of_flags(Toy))

    yield reading
    for name in set(flags.FLAGS) - others:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()


GIVEN = {
    **{"size": 4, "weight": 1.0, "age": 6, "colour": "blue", "floats": False, "owner": "Ann"},
    **{"tags": ["a b", "c"], "kind": "doll(hair='long')"},
}
GIVEN_FLAGS = (
    *("--size=4", "--weight=1.0", "--toy_age=6", "--colour=blue", "--nofloats", "--owner=Ann"),
    *("--tag=a b", "--tag=c", "--kind=doll(hair='long')"),
)


def test_without_flags_every_setting_has_its_default(read):
    settings, text = read()
    assert settings == dataclasses.replace(Toy(), tags=[])
    assert text.splitlines() == [
        *("--size=3", "--weight=0.5", "--colour=red", "--floats", "--kind=ball")
    ]


def test_flags_become_settings_and_can_be_read_again(read, tmp_path):
    settings, text = read(*GIVEN_FLAGS)
    assert settings == Toy(**GIVEN)
    assert text.splitlines() == list(GIVEN_FLAGS)
    (tmp_path / "flags.txt").write_text(text)
    assert read(f"--flagfile={tmp_path}/flags.txt") == (settings, text)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"size": 0}, "Expected --size to be 1 or more. Received: 0."),
        ({"weight": 0.0}, "Expected --weight to be above 0, at most 1. Received: 0.0."),
        ({"weight": float("nan")}, "Expected --weight to be above 0, at most 1. Received: nan."),
        ({"age": 100}, "Expected --toy_age to be from 0 to 99. Received: 100."),
        ({"colour": "pink"}, "Expected --colour to be one of ('red', 'blue'). Received: pink."),
        (
            {"kind": "bal"},
            "Expected --kind to be one of ball, doll, or module:Class. Received: 'bal'. "
            "Did you mean 'ball'?",
        ),
    ],
)
def test_what_cannot_be_is_told_by_the_flags_name(read, setting, message):
    with pytest.raises(InputError) as error:
        Toy(**setting)
    assert str(error.value) == message
    (name, value), *_ = setting.items()
    if name != "colour":  # of an enumeration absl says it by itself
        flag = "toy_age" if name == "age" else name
        with pytest.raises(InputError) as error:
            read(f"--{flag}={value}")
        assert str(error.value) == message


def test_a_module_that_the_user_names_may_run(monkeypatch):
    monkeypatch.setattr(lookup, "_allowed_modules", set())
    Toy(kind="their.toys:Kite(tail=2)")
    assert lookup._allowed_modules == {"their.toys"}


def test_help_has_range_choices_and_registered_names(read):
    text = flags.FLAGS.module_help(__name__)
    for part in (
        "--size: How large. Must be 1 or more.\n    (default: '3')",
        "--toy_age: For whom; default: all. Must be from 0 to 99.",
        "--colour: <red|blue>: Of the paint.",
        "One of ball, doll, or module:Class",
    ):
        assert part in text, text
