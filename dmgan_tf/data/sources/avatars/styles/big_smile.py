"""Words for `big-smile`: large round heads, after "Custom Avatar" by Ashley Seo (CC BY 4.0)."""

from dmgan_tf.data.sources.avatars.shared import skin
from dmgan_tf.data.sources.avatars.style import Attribute, Style, value

_HAIR = {
    "bangs": value(
        "bangs", "has long {hair_color} hair with bangs", "has long {hair_color} hair with a fringe"
    ),
    "bowl cut": value(
        "bowlCutHair", "has a {hair_color} bowl cut", "has {hair_color} hair in a bowl cut"
    ),
    "braids": value(
        "braids",
        *("has {hair_color} braids", "has braided {hair_color} hair", "has {hair_color} plaits"),
    ),
    "bun": value(
        ["bunHair", "froBun"],
        *("has {hair_color} hair in a bun", "has a {hair_color} bun", "has a {hair_color} topknot"),
    ),
    "bob": value(
        "curlyBob",
        *("has a {hair_color} bob", "has a puffy {hair_color} bob", "has bobbed {hair_color} hair"),
    ),
    "curls": value(
        "curlyShortHair", "has short curly {hair_color} hair", "has short {hair_color} curls"
    ),
    "side shave": value(
        "halfShavedHead",
        *(
            "has {hair_color} hair shaved on one side",
            "has {hair_color} hair with one side shaved",
        ),
    ),
    "mohawk": value("mohawk", "has a {hair_color} mohawk", "has {hair_color} hair in a mohawk"),
    "short": value(
        ["shavedHead", "shortHair"],
        *("has short {hair_color} hair", "has {hair_color} hair cut short"),
    ),
    "straight": value(
        "straightHair",
        *("has long straight {hair_color} hair", "has long {hair_color} hair parted at the side"),
    ),
    "wavy": value("wavyBob", "has wavy {hair_color} hair", "has long wavy {hair_color} hair"),
}

_ACCESSORIES = {
    "none": value((), weight=6),
    "cat ears": value("catEars", "wears cat ears", "has cat ears", "has pink cat ears"),
    "clown nose": value(
        "clownNose", "has a red clown nose", "has a round red nose", "has a clown nose"
    ),
    "face mask": value(
        "faceMask",
        *("wears a white face mask", "wears a surgical mask", "wears a mask over the mouth"),
        hides=["mouth"],
    ),
    "glasses": value(
        "glasses", "wears round gold glasses", "wears gold-rimmed spectacles", "has gold eyeglasses"
    ),
    "tiara": value(
        "sailormoonCrown", "wears a gold tiara", "wears a golden headband", "wears a tiara"
    ),
    "sleep mask": value(
        "sleepMask",
        *("wears a purple sleep mask", "wears a purple eye mask", "has a sleep mask over the eyes"),
        hides=["eyes"],
    ),
    "sunglasses": value(
        "sunglasses",
        *("wears sunglasses", "wears dark glasses", "wears shades"),
        hides=["eyes"],
    ),
}

STYLE = Style(
    name="big-smile",
    subjects=(
        "a {} round-faced person",
        "a {} chubby-cheeked person",
        "the big round head of a {} person",
        "the round face of a {} person",
    ),
    pronoun="who",
    attributes={
        "hair": Attribute(_HAIR, part="hair"),
        "hair_color": Attribute(
            {
                "black": value("#2a2220", "black", "jet-black"),
                "brown": value("#67331a", "brown", "chestnut"),
                "blond": value("#f0be2c", "blond", "golden", "fair"),
                "red": value("#d9540f", "red", "ginger"),
                "purple": value("#7a4fe0", "purple", "violet"),
                "green": value("#1f9d6b", "green"),
                "pink": value("#f06aa8", "pink"),
            },
            colors=("hair",),
            alone=("has {} hair",),
        ),
        "eyes": Attribute(
            {
                "open": value("normal", weight=2),
                "stars": value(
                    "starstruck", "has stars in the eyes", "has starry eyes", "is starry-eyed"
                ),
                "closed": value("sleepy", "has closed eyes", "has both eyes shut"),
                "wink": value("winking", "is winking", "has one eye closed"),
            },
            part="eyes",
        ),
        "mouth": Attribute(
            {
                "laugh": value(
                    ["openedSmile", "gapSmile", "braces"],
                    *("is laughing", "has a wide open mouth", "has a big open smile"),
                ),
                "grin": value(
                    ["teethSmile", "awkwardSmile"],
                    *("is grinning", "has a toothy grin", "has a grin full of white teeth"),
                ),
                "smile": value("kawaii", "is smiling", "has a closed-mouth smile", "has a smile"),
                "straight": value(
                    "unimpressed", "has a straight mouth", "is serious", "has a straight face"
                ),
            },
            part="mouth",
        ),
        "accessory": Attribute(_ACCESSORIES, part="accessories"),
        "skin": skin("#ffe0c4", "#e8b885", "#b9824f", "#80502c"),
        "background": Attribute(
            {
                "white": value("#ffffff", "white"),
                "yellow": value("#fff0a0", "yellow"),
                "blue": value("#9fd3ff", "blue", "sky-blue"),
                "pink": value("#ffc4dc", "pink"),
                "green": value("#a8e6a1", "green"),
                "gray": value("#bcc2cb", "gray", "grey"),
            },
            colors=("background",),
            alone=("on a {} background", "on a {} backdrop"),
        ),
    },
    pairs=(("hair", "hair_color"), ("mouth", "background")),
)
