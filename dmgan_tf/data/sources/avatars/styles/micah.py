"""Words for `micah`: heads in ink, after "Avatar Illustration System", Micah Lanier (CC BY 4.0)."""

from dmgan_tf.data.sources.avatars.shared import skin
from dmgan_tf.data.sources.avatars.style import Attribute, Style, value

_HAIR = {
    "bald": value("mrClean", "is bald", "has a bald head", "has no hair", hides=["hair_color"]),
    "turban": value("turban", "wears a turban", "wears a wrapped turban", hides=["hair_color"]),
    "quiff": value("fonze", "has a {hair_color} quiff", "has short {hair_color} hair swept up"),
    "long": value(
        "full",
        *(
            "has long {hair_color} hair",
            "has long wavy {hair_color} hair",
            "has {hair_color} hair down to the shoulders",
        ),
    ),
    "mohawk": value(
        "mrT", "has a {hair_color} mohawk", "has {hair_color} hair shaved at the sides"
    ),
    "bob": value(
        "pixie",
        *(
            "has a {hair_color} bob",
            "has chin-length {hair_color} hair",
            "has {hair_color} hair cut in a bob",
        ),
    ),
    "fringe": value(
        "dannyPhantom",
        *(
            "has a {hair_color} fringe",
            "has {hair_color} hair cut in a fringe",
            "has {hair_color} bangs",
        ),
    ),
}

STYLE = Style(
    name="micah",
    subjects=(
        "an ink-outlined portrait of a {} person",
        "an outlined drawing of a {} person",
        "an inked drawing of a {} person",
        "an ink drawing of somebody",
    ),
    pronoun="who",
    attributes={
        "hair": Attribute(_HAIR, part="hair"),
        "hair_color": Attribute(
            {
                "black": value("#26262b", "black", "jet-black"),
                "brown": value("#7d4f1d", "brown", "chestnut"),
                "blond": value("#f4d150", "blond", "golden", "fair"),
                "red": value("#d9562f", "red", "ginger"),
                "white": value("#e8e8ee", "white", "silver"),
                "pink": value("#f07cb0", "pink"),
                "blue": value("#3f6fe0", "blue"),
            },
            colors=("hair", "facialHair"),
            alone=("has {} hair",),
        ),
        "eyes": Attribute(
            {
                "open": value(["eyes", "round"], weight=1.5),
                "closed": value("smiling", "has closed eyes", "has eyes squeezed shut"),
                "eyeshadow": value(
                    "eyesShadow", "has blue eyeshadow", "has blue make-up above the eyes"
                ),
            },
            part="eyes",
        ),
        "glasses": Attribute(
            {
                "none": value((), weight=2),
                "round": value(
                    "round", "wears round glasses", "wears round spectacles", "has round eyeglasses"
                ),
                "square": value(
                    "square",
                    *("wears square glasses", "wears square spectacles", "has square eyeglasses"),
                ),
            },
            part="glasses",
        ),
        "mouth": Attribute(
            {
                "smile": value(
                    ["smile", "smirk"], "is smiling", "has a smile", "has a small smile"
                ),
                "laugh": value("laughing", "is laughing", "has a big open smile"),
                "frown": value(["frown", "sad"], "is frowning", "has a frown", "is unhappy"),
                "teeth": value("nervous", "is grimacing", "has gritted teeth", "has bared teeth"),
                "kiss": value(
                    "pucker", "is blowing a kiss", "has puckered lips", "is puckering up"
                ),
                "surprise": value(
                    "surprised", "is surprised", "is astonished", "has a round open mouth"
                ),
            },
            part="mouth",
        ),
        "beard": Attribute(
            {
                "none": value((), weight=2),
                "beard": value(
                    "beard",
                    *("has a {hair_color} beard", "is bearded", "has a full {hair_color} beard"),
                    hides=["mouth"],
                ),
            },
            part="facialHair",
        ),
        "clothing": Attribute(
            {
                "collared shirt": value(
                    "collared",
                    *(
                        "wears a {clothing_color} shirt with a collar",
                        "wears a {clothing_color} collared shirt",
                        "wears a {clothing_color} polo shirt",
                    ),
                ),
                "sweater": value(
                    "crew",
                    *(
                        "wears a {clothing_color} sweater",
                        "wears a {clothing_color} jumper",
                        "wears a {clothing_color} pullover",
                    ),
                ),
                "scoop-neck top": value(
                    "open",
                    *(
                        "wears a {clothing_color} scoop-neck top",
                        "wears a {clothing_color} top with a wide neck",
                        "wears a {clothing_color} top without a collar",
                    ),
                ),
            },
            part="clothes",
        ),
        "clothing_color": Attribute(
            {
                "black": value("#2a2a2e", "black"),
                "blue": value("#456dff", "blue"),
                "green": value("#4caf3c", "green"),
                "orange": value("#f58220", "orange"),
                "pink": value("#f58db1", "pink"),
                "purple": value("#8a55d0", "purple", "violet"),
                "red": value("#d1162b", "red", "crimson"),
                "yellow": value("#f5d23a", "yellow"),
            },
            colors=("shirt",),
            alone=("wears {} clothes", "wears something {}"),
        ),
        "skin": skin("#fbd0c0", "#dfa57c", "#b56a4a", "#6a3828", colors=["base"]),
    },
    pairs=(("hair", "hair_color"), ("clothing", "clothing_color")),
    fixed={
        "backgroundColor": "#ffffff",
        "earringsProbability": 0,
        "eyeShadowColor": "#3f8cff",
        "eyebrowsVariant": "up",
        "glassesColor": "#000000",
        "hairProbability": 100,
    },
)
