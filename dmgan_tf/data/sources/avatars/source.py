"""A data set with complete descriptions: drawings of named parts."""

import dataclasses
import importlib
import random
from collections.abc import Hashable, Sequence

from dmgan_tf.data.image_sizes import stored_size
from dmgan_tf.data.sources.avatars import rendering
from dmgan_tf.data.sources.avatars.captions import write_captions
from dmgan_tf.data.sources.avatars.style import Style
from dmgan_tf.data.sources.source import CaptionedImage, Source, check_test_fraction
from dmgan_tf.errors import InputError

STYLES = ("personas", "micah", "toon-head", "big-smile", "critters", "sprouts", "clay")
NUM_IMAGES = 36_000
NUM_CAPTIONS = 10  # of each picture, as CUB has


@dataclasses.dataclass(frozen=True)
class Avatar(CaptionedImage):
    """One drawing, made when it is read.

    Args:
        style: The name of its style.
        options: DiceBear's options, in pairs of a name and a value.
        size: Height and width in pixels.
    """

    style: str = ""
    options: tuple[tuple[str, str | int], ...] = ()
    size: int = 0

    def read(self) -> bytes:
        return rendering.render(self.style, dict(self.options), self.size)

    def version(self) -> Hashable:
        return (*rendering.versions(), self.size, *self.options)


class Avatars(Source):
    """Drawings by styles of DiceBear, with captions that name their parts and colours.

    Each picture has ten captions, its attributes, and which of them each caption names. One pair of
    values in six, such as a hair style with a colour of hair, occurs in no training picture; every
    test picture has such a pair, and its class is that pair. The same arguments give the same
    pictures and captions on every machine.

    Args:
        styles: Names among `STYLES`; None for all.
        num_images: Pictures in all splits together.
        image_size: The largest size, in pixels, that training will use.
        seed: Random seed.
        test_fraction: The fraction that are test pictures, in [0, 1).

    Raises:
        InputError: If an argument is out of range, or if a style is unknown or not free, or if a
            package is missing.
    """

    def __init__(
        self,
        styles: Sequence[str] | None = None,
        num_images: int = NUM_IMAGES,
        image_size: int = 256,
        seed: int = 0,
        test_fraction: float = 0.1,
    ):
        rendering.check_packages()
        self.test_fraction = test_fraction
        check_test_fraction(test_fraction)
        names = tuple(dict.fromkeys(styles or STYLES))
        for name in names:
            rendering.definition_of(name)
            if name not in STYLES:
                raise InputError(
                    f"Expected --styles among {', '.join(STYLES)}, which have captions. "
                    f"Received: {name!r}."
                )
        if num_images < 2 * len(names):
            raise InputError(
                f"Expected --num_images of {2 * len(names)} or more for {len(names)} style(s). "
                f"Received: {num_images}."
            )
        self.styles = [load_style(name) for name in names]
        self.num_images = num_images
        self.size = stored_size(image_size)
        self.seed = seed

    @property
    def name(self) -> str:
        return "avatars"

    @property
    def attribution(self) -> tuple[str, ...]:
        return tuple(rendering.attribution_of(style.name) for style in self.styles)

    def list_images(self) -> dict[str, list[CaptionedImage]]:
        """Returns the pictures of `train` and `test`, with alternating styles."""
        class_ids = _class_ids()
        num_test = round(self.test_fraction * self.num_images)
        counts = {"test": num_test, "train": self.num_images - num_test}
        splits = {"train": [], "test": []}
        for split, count in counts.items():
            for number in range(count):
                style = self.styles[number % len(self.styles)]
                rng = random.Random(f"{self.seed}/{split}/{style.name}/{number}")
                seen, options = style.draw(rng, held_out=split == "test")
                options |= {"seed": f"{number}"}
                captions = write_captions(style, seen, NUM_CAPTIONS, rng)
                splits[split].append(
                    Avatar(
                        path=None,
                        file_name=f"{split}/{style.name}/{number:06d}.png",
                        captions=tuple(text for text, _ in captions),
                        class_id=class_ids[style.name, *style.class_of(seen)],
                        attributes=(("style", style.name), *seen.items()),
                        named=tuple(named for _, named in captions),
                        style=style.name,
                        options=tuple(options.items()),
                        size=self.size,
                    )
                )
        return splits


def load_style(name: str) -> Style:
    """Returns the style of this name, one of `STYLES`."""
    return importlib.import_module(f"{__package__}.styles.{name.replace('-', '_')}").STYLE


def _class_ids() -> dict[tuple, int]:
    """Returns a number for each pair of values, whichever styles are chosen."""
    keys = [(name, *key) for name in STYLES for key in load_style(name).classes()]
    return {key: number for number, key in enumerate(keys)}
