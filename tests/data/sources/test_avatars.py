import collections
import io
import pathlib
import random
import re

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.data.preparation import prepare
from dmgan_tf.data.sources.avatars import rendering
from dmgan_tf.data.sources.avatars.captions import write_captions
from dmgan_tf.data.sources.avatars.source import STYLES, Avatars, load_style
from dmgan_tf.data.sources.avatars.style import Attribute, Style, value
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError

KINDS = {"has", "wears", "is", "on"}
SMALL = {"num_images": 10 * len(STYLES), "image_size": 16}


@pytest.fixture(scope="module")
def splits():
    return Avatars(num_images=100 * len(STYLES), image_size=16).read()


@pytest.fixture(params=STYLES)
def style(request):
    return load_style(request.param)


def test_every_option_is_one_that_the_style_draws(style):
    definition = rendering.definition_of(style.name)
    for attribute in style.attributes.values():
        options = [option for v in attribute.values.values() for option in v.options]
        if attribute.part is None:
            known = {*definition["colors"], "background"}
            assert attribute.colors and set(attribute.colors) <= known
            assert all(re.fullmatch("#[0-9a-f]{6}", option) for option in options)
        else:
            assert set(options) <= set(definition["components"][attribute.part]["variants"])
            assert len(options) == len(set(options))


def test_every_phrase_fits_the_grammar(style):
    colors = {name for name, attribute in style.attributes.items() if attribute.part is None}
    for name, attribute in style.attributes.items():
        assert set().union(*(v.hides for v in attribute.values.values())) <= set(style.attributes)
        for phrase in (phrase for v in attribute.values.values() for phrase in v.phrases):
            if name in colors:
                assert phrase.split()[0] not in KINDS
            else:
                assert phrase.split()[0] in KINDS
                assert set(re.findall(r"\{(\w*)\}", phrase)) <= colors
        if name in colors:
            assert attribute.alone
            assert all(text.split()[0] in KINDS and "{}" in text for text in attribute.alone)
    for subject in style.subjects:
        assert set(re.findall(r"\{(\w*)\}", subject)) <= colors | {""}


def test_a_value_has_one_meaning(style):
    for name, attribute in style.attributes.items():
        said = [phrase for v in attribute.values.values() for phrase in v.phrases]
        assert len(said) == len(set(said)), name


def test_no_two_styles_share_a_subject():
    subjects = [subject for name in STYLES for subject in load_style(name).subjects]
    assert len(subjects) == len(set(subjects))


def test_held_out_pairs_are_in_test_pictures_alone(splits):
    styles = {name: load_style(name) for name in STYLES}
    pairs = {"train": set(), "test": set()}
    for split, images in splits.items():
        for image in images:
            seen = dict(image.attributes)
            held_out = styles[image.style].held_out_pairs(seen)
            assert bool(held_out) == (split == "test")
            pairs[split] |= {
                (image.style, first, seen[first], second, seen[second])
                for first, second in styles[image.style].pairs
                if first in seen and second in seen
            }
    classes = {split: {image.class_id for image in images} for split, images in splits.items()}
    assert not classes["train"] & classes["test"]
    values = {
        split: {item for pair in found for item in (pair[:3], (pair[0], *pair[3:]))}
        for split, found in pairs.items()
    }
    assert values["test"] <= values["train"]  # every value is learned, in other pairs


def test_a_sixth_of_all_pairs_is_held_out(style):
    for first, second in style.pairs:
        seen = [
            {first: a, second: b}
            for a in style.attributes[first].values
            for b in style.attributes[second].values
        ]
        share = np.mean([bool(style.held_out_pairs(pair)) for pair in seen])
        assert share == pytest.approx(1 / 6, abs=0.05)


def test_captions_name_what_they_say_they_name(splits):
    for image in splits["train"][::7]:
        attributes = load_style(image.style).attributes
        seen = dict(image.attributes)
        assert len(image.captions) == len(image.named) == 10 == len(set(image.captions))
        for caption, named in zip(image.captions, image.named, strict=True):
            assert named[0] == "style" and len(named) == len(set(named)) > 1
            said = _words(caption)
            for name in named[1:]:
                phrases = attributes[name].values[seen[name]].phrases
                kinds = set() if attributes[name].part is None else KINDS
                assert any(_words(phrase) - kinds <= said for phrase in phrases), (caption, name)


def _words(text):
    """The words of a phrase but for articles and the places of colours."""
    return set(re.findall(r"[\w'-]+", re.sub(r"\{\w*\}", "", text))) - {"a", "an"}


def test_captions_have_the_right_articles_and_no_holes(splits):
    for images in splits.values():
        for caption in (caption for image in images for caption in image.captions):
            assert not re.search(r"[{}]|  | ,|,,|\ba a|^ | $", caption), caption
            for article, word in re.findall(r"\b(an?) ([\w-]+)", caption):
                vowel = word[0] in "aeiou" and not re.match("one|uni(?!m|n)|use", word)
                assert article == ("an" if vowel else "a"), caption


def test_the_same_arguments_give_the_same_pictures(splits):
    again = Avatars(num_images=100 * len(STYLES), image_size=16).read()
    assert again == splits
    other = Avatars(num_images=100 * len(STYLES), image_size=16, seed=1).read()
    assert other["train"] != splits["train"]


def test_styles_that_are_chosen_keep_their_classes(splits):
    alone = Avatars(styles=[STYLES[-1]], num_images=200, image_size=16).read()
    classes = {image.style: set() for image in splits["test"]}
    for image in splits["test"]:
        classes[image.style].add(image.class_id)
    assert {image.class_id for image in alone["test"]} & classes[STYLES[-1]]


@pytest.mark.parametrize("name", STYLES)
def test_pictures_have_their_size_and_show_something(name):
    image = Avatars(styles=[name], num_images=20, image_size=64).read()["train"][0]
    picture = Image.open(io.BytesIO(image.read()))
    assert picture.size == (76, 76)
    assert len(picture.convert("RGB").getcolors(76 * 76)) > 20


def test_a_hidden_attribute_is_neither_known_nor_named():
    style = Style(
        name="s",
        subjects=("a thing",),
        pronoun="that",
        attributes={
            "hat": Attribute({"hat": value("hat", "wears a hat", hides=["hair"])}, part="hat"),
            "hair": Attribute({"long": value("long", "has long hair")}, part="hair"),
        },
        pairs=(),
    )
    seen, options = style.draw(random.Random(0), held_out=False)
    assert seen == {"hat": "hat"}
    assert options["hairVariant"] == "long"
    assert write_captions(style, seen, 3, random.Random(0))
    assert all("hair" not in text for text, _ in write_captions(style, seen, 3, random.Random(0)))


def test_attributes_are_kept_beside_the_captions(tmp_path):
    source = Avatars(**SMALL)
    splits = source.read()
    info = prepare(
        splits, tmp_path, name=source.name, image_size=16, attribution=source.attribution
    )
    assert len(info.attribution) == len(STYLES)
    assert all("licensed under" in sentence for sentence in info.attribution)
    held = list_captions(tmp_path, "test")
    images = {image.file_name: image for image in splits["test"]}
    for name, attributes, captions, named in zip(
        held.file_names, held.attributes, held.captions, held.named, strict=True
    ):
        assert attributes == dict(images[name].attributes)
        assert captions == list(images[name].captions)
        assert [tuple(names) for names in named] == list(images[name].named)
    values = held.named_values()
    assert len(values) == sum(map(len, held.captions))
    assert all(value["style"] in STYLES for value in values)


def test_values_are_drawn_about_as_often_as_their_weights(splits):
    style = load_style("personas")
    images = [image for image in splits["train"] if image.style == "personas"]
    counts = collections.Counter(dict(image.attributes)["beard"] for image in images)
    weights = {name: v.weight for name, v in style.attributes["beard"].values.items()}
    for name, weight in weights.items():
        assert counts[name] / len(images) == pytest.approx(weight / sum(weights.values()), abs=0.15)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"styles": ["nobody"]}, "'nobody'"),
        ({"styles": ["avataaars"]}, "Free for personal and commercial use"),
        ({"styles": ["loops"]}, "personas"),
        ({"num_images": 0}, "--num_images"),
        ({"test_fraction": 1.0}, "test fraction"),
    ],
)
def test_bad_arguments_are_told_in_a_line(arguments, words):
    with pytest.raises(InputError, match=re.escape(words)):
        Avatars(**{**SMALL, **arguments})


def test_the_package_names_the_makers_of_every_style():
    text = pathlib.Path(rendering.__file__).with_name("ATTRIBUTION.md").read_text("utf-8")
    for name in STYLES:
        assert f"`{name}`: {rendering.attribution_of(name)}\n" in text


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(rendering, "_MODULES", ("dicebear", "dicebear_styles", "no_such_module"))
    with pytest.raises(InputError, match=r"resvg-py.*dmgan_tf\[avatars\]"):
        Avatars(**SMALL)
