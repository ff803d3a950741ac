"""Words for `toon-head`: cartoon portraits, after "ToonHead" by Johan Melin (CC BY 4.0)."""

from dmgan_tf.data.sources.avatars.shared import skin
from dmgan_tf.data.sources.avatars.style import Attribute, Style, value

_CLOTHING = {
    "tank top": value(
        "dress", "wears a {clothing_color} tank top", "wears a sleeveless {clothing_color} top"
    ),
    "jacket": value(
        "openJacket", "wears a {clothing_color} jacket", "wears an open {clothing_color} jacket"
    ),
    "sweater": value(
        "shirt",
        *(
            "wears a {clothing_color} sweater over a light shirt",
            "wears a {clothing_color} sweater with a pale shirt collar",
            "wears a {clothing_color} v-neck sweater",
        ),
    ),
    "t-shirt": value(
        "tShirt",
        *(
            "wears a {clothing_color} t-shirt",
            "wears a {clothing_color} tee",
            "wears a plain {clothing_color} t-shirt",
        ),
    ),
    "turtleneck": value(
        "turtleNeck",
        *(
            "wears a {clothing_color} turtleneck",
            "wears a {clothing_color} roll-neck",
            "wears a {clothing_color} turtleneck sweater",
        ),
    ),
}

STYLE = Style(
    name="toon-head",
    subjects=(
        "a cartoon of a {} person",
        "a {} cartoon person",
        "a cartoon portrait of a {} person",
        "a cartoon of somebody",
    ),
    pronoun="who",
    attributes={
        "hair": Attribute(
            {
                "bun": value(
                    "bun",
                    *(
                        "has {hair_color} hair in a bun",
                        "has a {hair_color} bun",
                        "has {hair_color} hair tied up in a bun",
                    ),
                ),
                "side part": value(
                    "sideComed",
                    *(
                        "has {hair_color} hair combed to the side",
                        "has side-swept {hair_color} hair",
                        "has {hair_color} hair with a side parting",
                    ),
                ),
                "spiky": value(
                    "spiky",
                    *(
                        "has spiky {hair_color} hair",
                        "has {hair_color} hair standing up in spikes",
                        "has {hair_color} spikes of hair",
                    ),
                ),
                "undercut": value(
                    "undercut",
                    *("has a {hair_color} undercut", "has {hair_color} hair with cropped sides"),
                ),
            },
            part="hair",
        ),
        "back_hair": Attribute(
            {
                "none": value((), weight=3),
                "shoulder-length": value(
                    ["neckHigh", "shoulderHigh"],
                    *(
                        "has shoulder-length {hair_color} hair",
                        "has medium-length {hair_color} hair",
                    ),
                ),
                "straight": value(
                    "longStraight",
                    *(
                        "has long straight {hair_color} hair",
                        "has long straight {hair_color} hair behind the shoulders",
                    ),
                ),
                "wavy": value(
                    "longWavy",
                    *(
                        "has long wavy {hair_color} hair",
                        "has long wavy {hair_color} hair over the shoulders",
                    ),
                ),
            },
            part="rearHair",
        ),
        "hair_color": Attribute(
            {
                "black": value("#1c1818", "black", "jet-black"),
                "brown": value("#5f3014", "brown", "chestnut"),
                "blond": value("#eebf45", "blond", "golden", "fair"),
                "red": value("#d4552a", "red", "ginger"),
                "white": value("#dcdce2", "white", "silver"),
                "pink": value("#f07cb0", "pink"),
                "blue": value("#3f6fe0", "blue"),
            },
            colors=("hair",),
            alone=("has {} hair",),
        ),
        "eyes": Attribute(
            {
                "open": value("happy", weight=1.5),
                "closed": value(["bow", "humble"], "has closed eyes", "has both eyes shut"),
                "wide": value("wide", "has wide eyes", "has wide-open eyes", "is wide-eyed"),
                "wink": value("wink", "is winking", "has one eye closed"),
            },
            part="eyes",
        ),
        "mouth": Attribute(
            {
                "smile": value(["smile", "sad"], "has a closed mouth", "has closed lips"),
                "laugh": value("laugh", "is laughing", "has an open smile"),
                "grimace": value("angry", "is grimacing", "has bared teeth", "has a grimace"),
                "gasp": value("agape", "is gasping", "has a small open mouth", "is surprised"),
            },
            part="mouth",
        ),
        "beard": Attribute(
            {
                "none": value((), weight=4),
                "full beard": value(
                    "fullBeard",
                    *("has a short {hair_color} beard", "has a trimmed {hair_color} beard"),
                    hides=["mouth"],
                ),
                "long beard": value(
                    "longBeard",
                    *("has a long {hair_color} beard", "has a big {hair_color} beard"),
                    hides=["clothing", "mouth"],
                ),
                "mustache": value(
                    ["moustacheTwirl", "chinMoustache"],
                    *("has a {hair_color} mustache", "has a {hair_color} moustache"),
                    hides=["mouth"],
                ),
            },
            part="beard",
        ),
        "clothing": Attribute(_CLOTHING, part="clothes"),
        "clothing_color": Attribute(
            {
                "black": value("#26262b", "black"),
                "blue": value("#2f5fe0", "blue"),
                "green": value("#2f9d4c", "green"),
                "orange": value("#f07f1c", "orange"),
                "pink": value("#ee6fae", "pink"),
                "purple": value("#7d3fd0", "purple", "violet"),
                "red": value("#c8202c", "red", "crimson"),
                "yellow": value("#f2cf3a", "yellow"),
            },
            colors=("clothes",),
            alone=("wears {} clothes", "wears something {}"),
        ),
        "skin": skin("#f8d3bb", "#e0ab85", "#b37350", "#7d5037"),
    },
    pairs=(("hair", "hair_color"), ("clothing", "clothing_color")),
    fixed={"backgroundColor": "#ffffff", "eyebrowsVariant": "neutral", "hairProbability": 100},
)
