"""Attributes and colours that several styles share."""

from collections.abc import Sequence

from dmgan_tf.data.sources.avatars.style import Attribute, value

BRIGHT_COLORS = {
    "red": value("#ee4444", "red"),
    "orange": value("#fb923c", "orange"),
    "yellow": value("#fde047", "yellow"),
    "green": value("#65c94f", "green"),
    "blue": value("#4f9df8", "blue"),
    "purple": value("#a77bf3", "purple", "violet"),
    "pink": value("#f9a8d4", "pink"),
}
DARK_BACKGROUND = Attribute(
    {
        "black": value("#14161c", "black"),
        "gray": value("#7b828d", "gray", "grey"),
        "dark blue": value("#1e3a8a", "dark blue", "navy blue"),
        "dark green": value("#14532d", "dark green"),
        "dark red": value("#7f1d1d", "dark red", "maroon"),
        "dark purple": value("#581c87", "dark purple"),
    },
    colors=("background",),
    alone=("on a {} background", "on a {} ground", "on {}"),
)


def skin(
    light: str, tan: str, brown: str, dark: str, colors: Sequence[str] = ("skin",)
) -> Attribute:
    """Returns the attribute of a person's skin tone, in the colours of a style.

    Args:
        light: The lightest tone, `"#rrggbb"`; the others likewise.
        tan: The second.
        brown: The third.
        dark: The darkest.
        colors: DiceBear's name of the colour.
    """
    return Attribute(
        {
            "light": value(light, "light", "fair"),
            "tan": value(tan, "tan", "tanned"),
            "brown": value(brown, "brown"),
            "dark": value(dark, "dark"),
        },
        colors=tuple(colors),
        alone=("has {} skin", "has a {} skin tone"),
    )
