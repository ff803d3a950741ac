"""Words for `sprouts`: potted plants with a face, after "Sprouts" by DiceBear (CC0 1.0)."""

from dmgan_tf.data.sources.avatars.shared import BRIGHT_COLORS, DARK_BACKGROUND
from dmgan_tf.data.sources.avatars.style import Attribute, Style, value

_NO_BLOOM = ("bloom_color",)

_PLANT = {
    "seedling": value("sprout", "is a seedling", "has two pairs of leaves", hides=_NO_BLOOM),
    "long leaf": value("seedling", "has one long leaf", "has one big leaf", hides=_NO_BLOOM),
    "cactus": value(
        "cactus", "is a cactus with arms", "has the shape of a tall cactus", hides=_NO_BLOOM
    ),
    "ball cactus": value(
        "ball",
        *(
            "is a ball cactus with a {bloom_color} flower",
            "is a round cactus with a {bloom_color} flower on top",
        ),
        weight=2.5,
    ),
    "aloe": value("succulent", "is an aloe", "has a fan of pointed leaves", hides=_NO_BLOOM),
    "bush": value("bush", "is a bush", "is a little round tree", hides=_NO_BLOOM),
    "flower": value(
        "flower", "has a big {bloom_color} flower", "has a {bloom_color} daisy", weight=2.5
    ),
    "tulip": value("tulip", "has a {bloom_color} tulip", "is a {bloom_color} tulip", weight=2.5),
    "palm": value("palm", "is a palm", "is a palm tree", hides=_NO_BLOOM),
    "grass": value("grass", "has a few blades of grass", "has a tuft of grass", hides=_NO_BLOOM),
    "buds": value(
        "buds",
        "has two {bloom_color} buds",
        "has two small round {bloom_color} flowers",
        weight=2.5,
    ),
}

STYLE = Style(
    name="sprouts",
    subjects=(
        "a {} potted {plant_color} plant",
        "a {} {plant_color} houseplant",
        "a drawing of a {} potted {plant_color} plant",
        "a cartoon of a {} {plant_color} houseplant",
    ),
    pronoun="that",
    attributes={
        "plant": Attribute(_PLANT, part="plant"),
        "plant_color": Attribute(
            {
                "green": value("#4fce5d", "green", weight=2),
                "yellow": value("#f5dc4a", "yellow"),
                "red": value("#ee4444", "red"),
                "turquoise": value("#45d6c4", "turquoise", "teal"),
                "purple": value("#b184f5", "purple", "violet"),
            },
            colors=("plant",),
            alone=("is {}",),
        ),
        "bloom_color": Attribute(
            {
                "white": value("#f4f6fa", "white"),
                "pink": value("#f45fb0", "pink"),
                "red": value("#ee4444", "red"),
                "orange": value("#fb923c", "orange"),
                "yellow": value("#fde047", "yellow"),
                "blue": value("#4f9df8", "blue"),
            },
            colors=("bloom",),
            alone=("has {} blooms", "is blooming in {}"),
        ),
        "pot": Attribute(
            {
                "tapered": value(
                    ["taper", "tub"],
                    *(
                        "has a tapered {pot_color} pot",
                        "has a {pot_color} pot shaped like a bucket",
                    ),
                ),
                "straight": value(
                    "cylinder", "has a square {pot_color} pot", "has a boxy {pot_color} pot"
                ),
                "bowl": value(
                    "bowl", "has a {pot_color} bowl for a pot", "has a bowl-shaped {pot_color} pot"
                ),
                "round": value(
                    "round", "has a round {pot_color} pot", "has a {pot_color} pot like a ball"
                ),
                "rimmed": value(
                    "rim", "has a {pot_color} pot with a wide rim", "has a rimmed {pot_color} pot"
                ),
            },
            part="pot",
        ),
        "pot_color": Attribute(
            BRIGHT_COLORS,
            colors=("pot",),
            alone=("has a {} pot", "has a {} flowerpot"),
        ),
        "eyes": Attribute(
            {
                "round": value(["round", "wide"], "has round white eyes", "has two wide eyes"),
                "dots": value("dots", "has black dots for eyes", "has two plain black eyes"),
                "happy": value("happy", "has happy curved eyes", "has eyes like two arches"),
                "closed": value("closedLine", "has closed eyes", "has both eyes shut"),
                "wink": value("wink", "is winking", "has one eye closed"),
                "sleepy": value("sleepy", "is sleepy", "has half-closed eyes", "has heavy eyelids"),
                "angry": value("angry", "has angry eyes", "has slanted eyebrows"),
            },
            part="eyes",
        ),
        "mouth": Attribute(
            {
                "smile": value("smile", "is smiling", "has a smile"),
                "grin": value("grin", "has a wide open grin", "is laughing"),
                "round": value("open", "has a round mouth", "has a round open mouth"),
                "tooth": value("tooth", "has one tooth", "has a single tooth"),
                "line": value("line", "has a straight mouth", "has a line for a mouth"),
                "frown": value("frown", "is frowning", "has a frown"),
            },
            part="mouth",
        ),
        "background": DARK_BACKGROUND,
    },
    pairs=(("plant", "pot_color"), ("plant", "bloom_color")),
    fixed={"patternProbability": 0, "cheeksProbability": 0, "animationVariant": "none"},
)
