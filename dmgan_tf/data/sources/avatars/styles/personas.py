"""Words for `personas`: flat portraits, after "Personas by Draftbit" (CC BY 4.0)."""

from dmgan_tf.data.sources.avatars.shared import skin
from dmgan_tf.data.sources.avatars.style import Attribute, Style, value

_HAIR = {
    "bald": value("bald", "is bald", "has no hair", hides=["hair_color"]),
    "balding": value("balding", "is balding", "has {hair_color} hair only at the sides"),
    "beanie": value("beanie", "wears a red beanie", "wears a red knit hat", hides=["hair_color"]),
    "cap": value("cap", "wears an orange cap", "wears an orange hat", hides=["hair_color"]),
    "bob": value(
        ["bobCut", "bobBangs"],
        *(
            "has a {hair_color} bob",
            "has chin-length {hair_color} hair",
            "has {hair_color} hair cut in a bob",
        ),
    ),
    "afro": value("curly", "has a {hair_color} afro", "has big curly {hair_color} hair"),
    "curly top": value(
        "curlyHighTop", "has short curly {hair_color} hair", "has {hair_color} curls on top"
    ),
    "bun": value(
        ["curlyBun", "straightBun"],
        *("has {hair_color} hair in a bun", "has a {hair_color} bun above a pink headband"),
    ),
    "long": value(
        ["long", "extraLong"],
        *("has long {hair_color} hair", "has {hair_color} hair down to the shoulders"),
    ),
    "quiff": value("fade", "has a {hair_color} quiff", "has short {hair_color} hair swept up"),
    "mohawk": value(
        "mohawk", "has a {hair_color} mohawk", "has a shaved head with a {hair_color} tuft"
    ),
    "pigtails": value(
        "pigtails", "has {hair_color} pigtails", "has {hair_color} hair in two bunches"
    ),
    "short": value(
        ["shortCombover", "shortComboverChops"],
        *(
            "has short {hair_color} hair",
            "has neat short {hair_color} hair",
            "has {hair_color} hair combed to the side",
        ),
    ),
    "side shave": value(
        "sideShave",
        *("has {hair_color} hair swept to one side", "has {hair_color} hair shaved on one side"),
    ),
}

STYLE = Style(
    name="personas",
    subjects=(
        "a flat portrait of a {} person",
        "a flat drawing of a {} person",
        "a {} person in flat style",
        "a flat picture of somebody",
    ),
    pronoun="who",
    attributes={
        "hair": Attribute(_HAIR, part="hair"),
        "hair_color": Attribute(
            {
                "black": value("#2b2333", "black", "jet-black"),
                "brown": value("#6c4545", "brown", "chestnut"),
                "blond": value("#f2b65a", "blond", "golden", "fair"),
                "red": value("#d9562f", "red", "ginger"),
                "white": value("#dee1f5", "white", "silver"),
                "pink": value("#e16394", "pink"),
            },
            colors=("hair", "facialHair"),
            alone=("has {} hair",),
        ),
        "eyes": Attribute(
            {
                "open": value("open", weight=1.5),
                "glasses": value(
                    "glasses", "wears glasses", "wears black-rimmed glasses", "has glasses"
                ),
                "sunglasses": value(
                    "sunglasses", "wears sunglasses", "wears dark glasses", "wears shades"
                ),
                "happy": value("happy", "has eyes closed with joy", "has happy curved eyes"),
                "asleep": value("sleep", "is sleeping", "has closed eyes", "has both eyes shut"),
                "wink": value("wink", "is winking", "has one eye closed"),
            },
            part="eyes",
        ),
        "mouth": Attribute(
            {
                "grin": value("bigSmile", "is grinning", "has a toothy smile", "is laughing"),
                "smile": value(["smile", "smirk"], "is smiling", "has a smile"),
                "frown": value("frown", "is frowning", "has a frown", "is sad"),
                "lips": value("lips", "has full pink lips", "has pink lips"),
                "pacifier": value("pacifier", "has a blue pacifier", "has a pacifier in the mouth"),
                "surprise": value("surprise", "is surprised", "has an open mouth", "is astonished"),
            },
            part="mouth",
        ),
        "beard": Attribute(
            {
                "none": value((), weight=4),
                "full beard": value(
                    "beardMustache",
                    *("has a full {hair_color} beard", "has a bushy {hair_color} beard"),
                    hides=["mouth"],
                ),
                "goatee": value("goatee", "has a {hair_color} goatee"),
                "mustache": value(
                    ["walrus", "pyramid"],
                    "has a {hair_color} mustache",
                    "has a thick {hair_color} moustache",
                ),
            },
            part="facialHair",
        ),
        "clothing": Attribute(
            {
                "checkered shirt": value(
                    "checkered",
                    "wears a checkered {clothing_color} shirt",
                    "wears a {clothing_color} plaid shirt",
                ),
                "t-shirt": value(
                    ["squared", "rounded"],
                    *(
                        "wears a plain {clothing_color} shirt",
                        "wears a {clothing_color} t-shirt",
                        "wears a {clothing_color} tee",
                    ),
                ),
                "wrap": value(
                    "small", "wears a {clothing_color} wrap", "wears a {clothing_color} wrapped top"
                ),
            },
            part="clothes",
        ),
        "clothing_color": Attribute(
            {
                "blue": value("#456dff", "blue"),
                "green": value("#6dbb58", "green"),
                "pink": value("#f55d81", "pink"),
                "purple": value("#7555ca", "purple", "violet"),
                "red": value("#d9222f", "red"),
                "turquoise": value("#54d7c7", "turquoise", "teal"),
                "yellow": value("#f3b63a", "yellow"),
            },
            colors=("clothing",),
            alone=("wears {} clothes", "wears something {}"),
        ),
        "skin": skin("#eeb4a4", "#d78774", "#92594b", "#4a2c27"),
    },
    pairs=(("hair", "hair_color"), ("clothing", "clothing_color")),
    fixed={"backgroundColor": "#ffffff"},
)
