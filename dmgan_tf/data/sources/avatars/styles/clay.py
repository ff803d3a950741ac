"""Words for `clay`: creatures of modelling clay, after "Clay" by DiceBear (CC0 1.0)."""

from dmgan_tf.data.sources.avatars.style import Attribute, Style, value

_NO_TOP = ("top", "top_color")  # these bodies already end in a tip
_PLAIN = ("top_color",)  # these tops have the body's colour

_BODY = {
    "squat": value(
        ["boulder", "squat", "loaf"], "is squat", "has a broad low body", "is shaped like a loaf"
    ),
    "column": value("column", "is column-shaped", "has a tall narrow body"),
    "snowman": value("stack", "is shaped like a snowman", "has a round head on a round body"),
    "drop": value("gumdrop", "is drop-shaped", "has a pointed head", hides=_NO_TOP),
    "sack": value(
        "dollop", "has a knot of clay on the head", "is shaped like a tied sack", hides=_NO_TOP
    ),
    "tail": value("slug", "has a curled tail", "has a little round tail"),
    "egg": value("egg", "is egg-shaped", "has an egg-shaped body"),
    "cloud": value("blob", "is lumpy", "is cloud-shaped", "has a lumpy body"),
    "cube": value("cube", "is square", "has a square body", "is shaped like a cube"),
    "pear": value(["pear", "bell"], "is pear-shaped", "has a narrow head over a wide base"),
}

_TOP = {
    "none": value((), hides=_PLAIN, weight=5),
    "ears": value(["horns", "ears"], "has two ears", "has rabbit's ears", hides=_PLAIN),
    "spikes": value("spikes", "has three spikes", "has spikes on the head", hides=_PLAIN),
    "cone": value("peak", "has a cone on the head", "has a pointed bump on top", hides=_PLAIN),
    "curl": value("curl", "has a {top_color} curl", "has a curly {top_color} antenna", weight=3),
    "antennae": value(
        "antenna",
        *("has two {top_color} antennae", "has two antennae with {top_color} balls"),
        weight=3,
    ),
    "balls": value(
        "crest",
        *("has three {top_color} balls on the head", "has a crest of {top_color} balls"),
        weight=3,
    ),
}

STYLE = Style(
    name="clay",
    subjects=(
        "a {} {body_color} clay creature",
        "a {} {body_color} clay figure",
        "a {} creature made of {body_color} clay",
        "a {} figure modelled in {body_color} clay",
    ),
    pronoun="that",
    attributes={
        "body": Attribute(_BODY, part="body"),
        "body_color": Attribute(
            {
                "red": value("#d8443a", "red"),
                "orange": value("#e58b3c", "orange"),
                "yellow": value("#e3c23d", "yellow"),
                "green": value("#84ad58", "green"),
                "blue": value("#659bd6", "blue"),
                "purple": value("#9673c4", "purple", "violet"),
                "pink": value("#e38db4", "pink"),
                "brown": value("#aa795c", "brown"),
            },
            colors=("body",),
            alone=("is {}",),
        ),
        "top": Attribute(_TOP, part="top"),
        "top_color": Attribute(
            {
                "red": value("#d8301f", "red"),
                "yellow": value("#f2c417", "yellow"),
                "green": value("#3f9a34", "green"),
                "blue": value("#2f74d6", "blue"),
                "black": value("#22201f", "black"),
            },
            colors=("accent",),
            alone=("has something {} on the head", "has something {} on top"),
        ),
        "eyes": Attribute(
            {
                "googly": value(
                    ["googly", "even", "big"], "is goggle-eyed", "has googly eyes", "has big eyes"
                ),
                "tiny": value("tiny", "has tiny eyes", "has two very small eyes"),
                "one": value("mono", "is one-eyed", "has one eye", "has a single eye"),
                "three": value("trio", "is three-eyed", "has three eyes"),
                "dots": value("dots", "has black dots for eyes", "has two plain black eyes"),
                "happy": value("happy", "has happy curved eyes", "has eyes like two arches"),
                "wink": value("wink", "is winking", "has one eye closed"),
            },
            part="eyes",
        ),
        "mouth": Attribute(
            {
                "smile": value(["smile", "smileBig"], "is smiling", "has a smile"),
                "laugh": value(["open", "laugh"], "is laughing", "has a wide open grin"),
                "teeth": value(["toothy", "grin"], "has two front teeth", "has two big teeth"),
                "round": value("o", "has a round mouth", "has a round open mouth"),
                "line": value("line", "has a straight mouth", "has a line for a mouth"),
                "wavy": value(["wavy", "zigzag"], "has a wavy mouth", "has a wiggly mouth"),
                "frown": value("frown", "is frowning", "has a frown"),
            },
            part="mouth",
        ),
        "background": Attribute(
            {
                "white": value("#ffffff", "white", "plain white"),
                "pale yellow": value("#fbf0a8", "pale yellow", "light yellow"),
                "pale green": value("#cdecc0", "pale green", "light green"),
                "pale blue": value("#c6e0f8", "pale blue", "light blue"),
                "pale purple": value("#ddcdf5", "pale purple", "lilac"),
                "pale pink": value("#fbcfdc", "pale pink", "light pink"),
            },
            colors=("background",),
            alone=("on a {} background", "on a {} ground", "on {}"),
        ),
    },
    pairs=(("body", "body_color"), ("top", "top_color")),
    fixed={"patternProbability": 0, "animationVariant": "none"},
)
