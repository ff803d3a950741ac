"""The attributes of a style, their values, the words for each, and the held-out pairs.

The drawings are DiceBear's; the words are ours, each chosen by looking at its drawing.
"""

import bisect
import dataclasses
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

HELD_OUT = 6  # one pair of values in so many never occurs in training


@dataclasses.dataclass(frozen=True)
class Value:
    """One value of an attribute: how it is drawn and described.

    Args:
        options: DiceBear's variants, or colours such as `"#6c4545"`, of which one is drawn; none
            for a part that is absent.
        phrases: Its descriptions. Those of a colour are adjectives. Others begin with `has`,
            `wears`, `is` or `on` and may contain the names of colours, `"has long {hair_color}
            hair"`. None if it is not worth mentioning.
        hides: Attributes that cannot be seen with this value.
        weight: How often it is drawn, relative to the attribute's other values.
    """

    options: tuple[str, ...]
    phrases: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    weight: float = 1.0


def value(
    options: str | Sequence[str], *phrases: str, hides: Sequence[str] = (), weight: float = 1.0
) -> Value:
    """Returns a `Value`; a single option may be given as a string."""
    options = (options,) if isinstance(options, str) else tuple(options)
    return Value(options, phrases, tuple(hides), weight)


@dataclasses.dataclass(frozen=True)
class Attribute:
    """A part, or the colour of one, with the values it can have.

    Args:
        values: `Value` by name. The names are stored with every picture.
        part: DiceBear's component that draws it; None for a colour.
        colors: DiceBear's colours that it sets.
        alone: For a colour, descriptions where its part is not named: `"has {} hair"`.
    """

    values: Mapping[str, Value]
    part: str | None = None
    colors: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    def options(self, name: str, rng: random.Random) -> dict[str, str | int]:
        """Returns DiceBear's options that draw the value of this name."""
        drawn = choose(self.values[name].options, rng) if self.values[name].options else None
        if self.part is None:
            return {f"{color}Color": drawn for color in self.colors}
        if drawn is None:
            return {f"{self.part}Probability": 0}
        return {f"{self.part}Variant": drawn, f"{self.part}Probability": 100}


@dataclasses.dataclass(frozen=True)
class Style:
    """A style of DiceBear as a set of attributes, with words for all of them.

    Args:
        name: DiceBear's name of it.
        subjects: What is drawn, as a noun with its article: `"a flat portrait of a {} person"`.
            `{}` is replaced by an adjective if there is one; `{body_color}` by a colour. Each
            identifies its style, as no two styles share one.
        pronoun: `who` or `that`, for what is drawn.
        attributes: `Attribute` by name.
        pairs: Pairs of attributes of which one pair of values in six is held out. The first gives
            training pictures their class.
        fixed: DiceBear's options that all pictures share.
    """

    name: str
    subjects: tuple[str, ...]
    pronoun: str
    attributes: Mapping[str, Attribute]
    pairs: tuple[tuple[str, str], ...]
    fixed: Mapping[str, str | int] = dataclasses.field(default_factory=dict)

    def draw(self, rng: random.Random, held_out: bool) -> tuple[dict[str, str], dict]:
        """Draws the values of one picture.

        Args:
            rng: The random number generator.
            held_out: Whether one of its pairs must be a held-out one, or none.

        Returns:
            The value of each attribute that can be seen, by name; and DiceBear's options.
        """
        while True:
            drawn = {name: _draw_value(a.values, rng) for name, a in self.attributes.items()}
            hidden = {
                other
                for name, value_name in drawn.items()
                for other in self.attributes[name].values[value_name].hides
            }
            seen = {name: v for name, v in drawn.items() if name not in hidden}
            if bool(self.held_out_pairs(seen)) == held_out:
                break
        options = dict(self.fixed)
        for name, value_name in drawn.items():
            options |= self.attributes[name].options(value_name, rng)
        return seen, options

    def held_out_pairs(self, seen: Mapping[str, str]) -> list[tuple[str, str]]:
        """Returns those of `pairs` whose values in this picture never occur together in training.

        Args:
            seen: The value of each attribute that can be seen, by name.
        """
        return [
            (first, second)
            for first, second in self.pairs
            if first in seen
            and second in seen
            and (self._index(first, seen) + self._index(second, seen)) % HELD_OUT == 0
        ]

    def class_of(self, seen: Mapping[str, str]) -> tuple[str | None, ...]:
        """Returns the class of a picture: a pair of values.

        It is a held-out pair if there is one, else the values of the first of `pairs`; so no class
        of a test picture is that of a training picture.

        Args:
            seen: The value of each attribute that can be seen, by name.
        """
        first, second = (self.held_out_pairs(seen) or self.pairs)[0]
        return (first, seen.get(first), second, seen.get(second))

    def classes(self) -> Iterator[tuple[str | None, ...]]:
        """Yields all possible values of `class_of`, in a fixed order."""
        for first, second in self.pairs:
            for a in (*self.attributes[first].values, None):
                for b in (*self.attributes[second].values, None):
                    yield (first, a, second, b)

    def _index(self, attribute: str, seen: Mapping[str, str]) -> int:
        return list(self.attributes[attribute].values).index(seen[attribute])


def choose(items: Sequence, rng: random.Random):
    """Returns one of the items, the same on every version of Python."""
    return items[int(rng.random() * len(items))]


def _draw_value(values: Mapping[str, Value], rng: random.Random) -> str:
    names = list(values)
    bounds = list(itertools.accumulate(candidate.weight for candidate in values.values()))
    return names[bisect.bisect(bounds, rng.random() * bounds[-1], hi=len(names) - 1)]
