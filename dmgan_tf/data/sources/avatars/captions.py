"""Captions of a drawing: some of its attributes, in one of several orders."""

import random
import re
from collections.abc import Mapping, Sequence

from dmgan_tf.data.sources.avatars.style import Style, choose

_NAMED = (3, 3, 4, 4, 5, 5)  # attributes that a caption names besides the style
_TRIES = 40  # to find a caption that is not in the list yet
_SLOT = re.compile(r"\{(\w*)\}")
_ARTICLE = re.compile(r"\b[Aa]n? (?=(\w+))")
_SOUNDS_LIKE_A_CONSONANT = re.compile(r"(one|uni(?!m|n)|use|eu)")


def write_captions(
    style: Style, seen: Mapping[str, str], count: int, rng: random.Random
) -> list[tuple[str, tuple[str, ...]]]:
    """Writes captions of one picture, no two alike.

    Args:
        style: The style that draws it.
        seen: The value of each attribute that can be seen, by name.
        count: The number of captions requested; there are fewer if not enough can be found.
        rng: The random number generator.

    Returns:
        Pairs of a caption and the names of the attributes that it names, `style` the first.
    """
    sayable = [name for name in seen if style.attributes[name].values[seen[name]].phrases]
    captions = {}
    for _ in range(_TRIES * count):
        number = min(choose(_NAMED, rng), len(sayable))
        named = set()
        while len(named) < number:
            named.add(choose(sayable, rng))
        caption, said = _describe(style, seen, named, rng)
        captions.setdefault(caption, ("style", *(name for name in seen if name in said)))
        if len(captions) == count:
            break
    return list(captions.items())


def _describe(
    style: Style, seen: Mapping[str, str], named: set[str], rng: random.Random
) -> tuple[str, set[str]]:
    """Returns a sentence, and the attributes that it names."""

    def words_for(name):
        return choose(style.attributes[name].values[seen[name]].phrases, rng)

    ordered = [name for name in seen if name in named]  # the order of a set varies
    colors = {name: words_for(name) for name in ordered if style.attributes[name].part is None}
    subject = choose(style.subjects, rng)
    said = {slot for slot in _SLOT.findall(subject) if slot in colors}
    phrases = []
    for name in ordered:
        if name not in colors:
            phrase = words_for(name)
            said |= {name, *(slot for slot in _SLOT.findall(phrase) if slot in colors)}
            phrases.append(_filled(phrase, colors))
    for name in colors:
        if name not in said:
            said.add(name)
            phrases.append(choose(style.attributes[name].alone, rng).format(colors[name]))
    subject = _filled(subject, {"": "{}", **colors})
    return _sentence(subject, style.pronoun, _shuffled(phrases, rng), rng), said


def _filled(phrase: str, words: Mapping[str, str]) -> str:
    """Inserts the named colours, and removes the placeholders of the others."""
    return " ".join(_SLOT.sub(lambda slot: words.get(slot[1], ""), phrase).split())


def _sentence(subject: str, pronoun: str, phrases: Sequence[str], rng: random.Random) -> str:
    kinds = {"has": [], "wears": [], "is": [], "on": []}
    for phrase in phrases:
        kind, _, rest = phrase.partition(" ")
        kinds[kind].append(rest)
    if "{}" in subject:
        short = [word for word in kinds["is"] if " " not in word]
        adjective = short[0] if short and rng.random() < 0.5 else ""
        if adjective:
            kinds["is"].remove(adjective)
        subject = " ".join(subject.replace("{}", adjective).split())
    order = choose((_with_and_wearing, _wearing_first, _clause, _list), rng)
    sentence = order(subject, pronoun, kinds)
    comma = "," if kinds["is"] and order is not _clause else ""
    ground = f"{comma} on {kinds['on'][0]}" if kinds["on"] else ""
    return _with_articles(sentence + ground)


def _with_and_wearing(subject, pronoun, kinds):
    has = [f"with {_joined(kinds['has'])}"] if kinds["has"] else []
    wears = [f"wearing {_joined(kinds['wears'])}"] if kinds["wears"] else []
    return ", ".join([" ".join([subject, *has]), *wears, *kinds["is"]])


def _wearing_first(subject, pronoun, kinds):
    wears = [f"in {_joined(kinds['wears'])}"] if kinds["wears"] else []
    has = [f"with {_joined(kinds['has'])}"] if kinds["has"] else []
    return ", ".join([" ".join([subject, *wears, *has]), *kinds["is"]])


def _clause(subject, pronoun, kinds):
    parts = [f"has {_joined(kinds['has'])}"] if kinds["has"] else []
    parts += [f"wears {_joined(kinds['wears'])}"] if kinds["wears"] else []
    parts += [f"is {_joined(kinds['is'])}"] if kinds["is"] else []
    return f"{subject} {pronoun} {_joined(parts)}" if parts else subject


def _list(subject, pronoun, kinds):
    return ", ".join([subject, *kinds["has"], *kinds["wears"], *kinds["is"]])


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _shuffled(items: Sequence, rng: random.Random) -> list:
    items, result = list(items), []
    while items:
        result.append(items.pop(int(rng.random() * len(items))))
    return result


def _with_articles(text: str) -> str:
    """Corrects every article by its next word: a or an."""

    def article(match):
        vowel = match[1][0] in "aeiou" and not _SOUNDS_LIKE_A_CONSONANT.match(match[1])
        return match[0][0] + ("n " if vowel else " ")

    return _ARTICLE.sub(article, text)
