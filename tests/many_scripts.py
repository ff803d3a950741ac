"""Text of many scripts, in the spellings that users bring, for tests of the tokenizers."""

import unicodedata

from hypothesis import strategies

# Newer characters may be missing from TensorFlow's tables, or have another lower case there.
OLD_CHARACTERS = [
    chr(code_point)
    for code_point in range(0x110000)
    if unicodedata.ucd_3_2_0.category(chr(code_point)) not in ("Cs", "Cn", "Co")
]
SENTENCES = (
    "A red-faced bird's café, İstanbul ΟΔΟΣ ΣΑΣ",
    "Tiếng Việt: một con chim đỏ có mỏ ngắn",
    "一只红色的鸟，翅膀是黑色的。葛\U000e0100城市 〇々",
    "赤いトマトとﾄﾏﾄﾞ、らーめん3つ。カ\u3099キ\u309aー",
    "한국어로 쓴 빨간 새",
    "ภาษาไทยน้ำ ๑๒ ສະບາຍດີ ខ្មែរ မြန်မာစာ ꦗꦮ བོད་ཡིག",
    "हिन्दी में लाल चिड़िया, क़ ড় ਖ਼",
    "ὦ ᾧ ΐ й ё שׁ أحمر می\u200cخواهم",
    "≠ =\u0338 ☂\ufe0f 👩\u200d🚀 #\ufe0f\u20e3 \u0301 one\u2028two\u0085three\x0cfour",
    "\u0f73\u0344\u1fee q\u0323\u0307 q\u0307\u0323 \u212b \u2126 \u212a \uf900 \U0002f800",
)
PIECES = sorted({*"".join(SENTENCES), *"\0\t_ \ud83d"})


def respelled(text: str, form: str) -> str:
    """The text in a normal form, or composed a step less far, as a keyboard for Vietnamese does."""
    if form != "stepwise":
        return unicodedata.normalize(form, text)
    steps = (unicodedata.decomposition(character).split() for character in text)
    return "".join(
        character if not step or step[0].startswith("<") else "".join(chr(int(c, 16)) for c in step)
        for character, step in zip(text, steps, strict=True)
    )


texts = strategies.builds(
    respelled,
    strategies.one_of(
        strategies.lists(strategies.sampled_from(PIECES)).map("".join),
        strategies.lists(strategies.sampled_from(SENTENCES), max_size=2).map("".join),
        strategies.text(strategies.sampled_from(OLD_CHARACTERS)),
    ),
    strategies.sampled_from(["NFC", "NFD", "stepwise"]),
)
