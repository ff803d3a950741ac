"""Words for `critters`: little monsters, after "Critters" by DiceBear (CC0 1.0)."""

from dmgan_tf.data.sources.avatars.shared import BRIGHT_COLORS, DARK_BACKGROUND
from dmgan_tf.data.sources.avatars.style import Attribute, Style, value

_BODY = {
    "round": value(
        ["dome", "round", "squat"], "is dome-shaped", "has a broad round body", "has a round head"
    ),
    "square": value("block", "is square", "is blocky", "has a square body"),
    "finger": value("tower", "is finger-shaped", "has a tall body with a round top"),
    "narrow box": value("chimney", "is boxy and narrow", "has a tall body with a flat top"),
    "lumpy": value("blob", "is lumpy", "has a lumpy head", "has bumps on the head"),
    "pointed": value("peak", "is onion-shaped", "has a pointed head", "has a pointy head"),
    "bell": value("bell", "is bell-shaped", "is shaped like a bell", "has a bell-shaped body"),
    "lampshade": value("wedge", "is shaped like a lampshade", "has a flat top over a wide base"),
    "bucket": value("wedgeInv", "is bucket-shaped", "has a wide top over a narrow base"),
    "shoulders": value("steps", "has square shoulders", "has a square head on broad shoulders"),
}

_TOP = {
    "none": value((), hides=["top_color"], weight=8),
    "horns": value("horns", "has two curved {top_color} horns", "has {top_color} bull's horns"),
    "one horn": value("spike", "has one {top_color} horn", "has a {top_color} unicorn horn"),
    "antenna": value(
        ["antenna", "bobble"],
        *("has one {top_color} antenna", "has a {top_color} ball on a stalk on its head"),
    ),
    "two antennae": value(
        "antennae", "has two {top_color} antennae", "has a pair of {top_color} feelers"
    ),
    "round ears": value(
        "earsRound", "has big round {top_color} ears", "has {top_color} ears like balls"
    ),
    "pointed ears": value(
        "earsPointy", "has pointed {top_color} ears", "has {top_color} cat's ears"
    ),
    "oval ears": value("earsDroop", "has oval {top_color} ears", "has {top_color} rabbit's ears"),
    "spikes": value(
        "spikes", "has three thin {top_color} spikes", "has {top_color} spikes on the head"
    ),
    "crown": value("crown", "has a little {top_color} crown", "has a small {top_color} crown"),
    "fin": value("fin", "has a {top_color} fin", "has a {top_color} fin on its head"),
    "sprout": value(
        "sprout", "has two {top_color} leaves on the head", "has a {top_color} sprout on its head"
    ),
}

STYLE = Style(
    name="critters",
    subjects=(
        "a {} {body_color} critter",
        "a {} {body_color} little monster",
        "a cartoon of a {} {body_color} critter",
        "a drawing of a {} {body_color} monster",
    ),
    pronoun="that",
    attributes={
        "body": Attribute(_BODY, part="body"),
        "body_color": Attribute(
            {**BRIGHT_COLORS, "turquoise": value("#45d6c4", "turquoise", "teal")},
            colors=("body",),
            alone=("is {}",),
        ),
        "top": Attribute(_TOP, part="top"),
        "top_color": Attribute(
            {
                "red": value("#ee4444", "red"),
                "yellow": value("#fde047", "yellow"),
                "green": value("#65c94f", "green"),
                "blue": value("#4f9df8", "blue"),
                "pink": value("#f45fb0", "pink"),
                "white": value("#eef2f7", "white"),
            },
            colors=("accent",),
            alone=("has something {} on the head", "has something {} on top"),
        ),
        "eyes": Attribute(
            {
                "round": value(["round", "wide"], "has round white eyes", "has two wide eyes"),
                "dots": value("dots", "has black dots for eyes", "has two plain black eyes"),
                "one": value("mono", "is one-eyed", "has one eye", "has a single big eye"),
                "three": value(["trio", "threeRow"], "is three-eyed", "has three eyes"),
                "four": value("four", "is four-eyed", "has four eyes", "has four little eyes"),
                "happy": value("happy", "has happy curved eyes", "has eyes like two arches"),
                "closed": value("closedLine", "has closed eyes", "has both eyes shut"),
                "wink": value("wink", "is winking", "has one eye closed"),
                "squint": value("squint", "is squinting", "has tightly shut eyes"),
                "sleepy": value("sleepy", "is sleepy", "has half-closed eyes", "has heavy eyelids"),
                "angry": value("angry", "has angry eyes", "has slanted eyebrows"),
            },
            part="eyes",
        ),
        "mouth": Attribute(
            {
                "smile": value("smile", "is smiling", "has a smile"),
                "grin": value(["grin", "laugh"], "has a wide open grin", "is laughing"),
                "teeth": value("teeth", "has gappy teeth", "has a black mouth with two teeth"),
                "tooth": value("tooth", "has one tooth", "has a single tooth"),
                "round": value(["ooh", "open"], "has a round mouth", "has a round open mouth"),
                "line": value("line", "has a straight mouth", "has a line for a mouth"),
                "wavy": value(["wavy", "zigzag"], "has a wavy mouth", "has a wiggly mouth"),
                "frown": value("frown", "is frowning", "has a frown"),
            },
            part="mouth",
        ),
        "background": DARK_BACKGROUND,
    },
    pairs=(("body", "body_color"), ("top", "top_color")),
    fixed={"patternProbability": 0, "cheeksProbability": 0, "animationVariant": "none"},
)
