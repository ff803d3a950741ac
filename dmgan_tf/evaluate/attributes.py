"""Attribute accuracy: whether the parts and colours that a caption names were drawn."""

import numpy as np
from keras import ops
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import CaptionPlan
from dmgan_tf.evaluate.features import FeatureNetwork, weights_sha256
from dmgan_tf.evaluate.images import ImageSource, StoredImages
from dmgan_tf.evaluate.judge import Judge
from dmgan_tf.evaluate.score import Score, Settings
from dmgan_tf.figures.bars import Bar, draw_bars
from dmgan_tf.metrics.attributes import Share, dealt_rows, share_right
from dmgan_tf.models.attribute_reader import answers, load_attribute_reader

_STYLE = "style"


class AttributeJudge(Judge):
    """The package's attribute reader, and what each caption names.

    Args:
        plan: The captions of the scored images.
        real: The real images to compare with, with their captions; None for none.

    Raises:
        InputError: If it is not known what the captions name.
    """

    name = "attributes"

    def __init__(self, plan: CaptionPlan, real: StoredImages | None = None):
        unknown = [
            plan.captions[row]
            for row in plan.rows
            if not plan.named or _STYLE not in plan.named[row]
        ]
        if unknown:
            raise InputError(
                "Expected captions with a record of the attributes that they name, which data of "
                "prepare_data --dataset=avatars have. Received: a caption without, "
                f"{unknown[0][:80]!r}. Give such --data, or leave attributes out of --metrics."
            )
        self._reader = load_attribute_reader()
        self._real = real
        self.network = FeatureNetwork("attributes", self._read, weights_sha256(self._reader))
        self.description = {
            "reader_sha256": self.network.sha256,
            "heads": len(self._reader.heads),
            "real": real and {**real.description(), "num_images": real.num_images},
        }

    def _read(self, images):
        """Returns the index of the value that each head reads, `(images, heads)`."""
        logits = self._reader(images)
        said = [ops.argmax(logits[:, part], axis=-1) for part in self._reader.slices]
        return {"features": ops.cast(ops.stack(said, axis=-1), "float32")}

    def prepare(self, references: dict, **options) -> None:
        if self._real is not None:
            said = [
                np.asarray(self.network(batch)["features"])
                for batch in self._real.batches(0, options["settings"].batch_size)
            ]
            self._real_said = np.concatenate(said)

    def begin(self, images: ImageSource) -> "Readings":
        self._plan = images.plan
        return Readings(len(self._reader.heads))

    def scores(self, gathered: "Readings", settings: Settings) -> list[Score]:
        self._columns = {}
        for column, head in enumerate(self._reader.heads):
            self._columns.setdefault(head.attribute, []).append(column)
        style = self._columns.pop(_STYLE)[0]
        wanted = answers(self._reader.heads, self._named(self._plan))
        dealt = wanted[dealt_rows(wanted[:, style])]
        kinds = {"attributes": (gathered.said, wanted), "dealt_attributes": (gathered.said, dealt)}
        if self._real is not None:
            wanted = answers(self._reader.heads, self._named(self._real.plan))
            kinds["real_attributes"] = (self._real_said, wanted)
        self.shares = {kind: self._shares(*pair, style) for kind, pair in kinds.items()}
        self.description["by_attribute"] = {
            kind: {
                name: [share.value, share.standard_error, share.count]
                for name, share in shares.items()
                if share.count
            }
            for kind, shares in self.shares.items()
        }
        return [
            Score(
                kind,
                protocol=self.name,
                value=100 * shares[""].value,
                standard_error=100 * shares[""].standard_error,
                num_images=len(kinds[kind][0]),
                num_groups=shares[""].count,
            )
            for kind, shares in self.shares.items()
        ]

    @staticmethod
    def _named(plan):
        return [plan.named[row] for row in plan.rows]

    def _shares(self, said, wanted, style) -> dict[str, Share]:
        """The share of each attribute by name, of the style, and under "" of all but the style."""
        asked = wanted >= 0
        hits = said == wanted
        # A picture in another style has none of this style's parts.
        hits &= hits[:, style : style + 1]
        shares = {_STYLE: share_right(hits[:, [style]], asked[:, [style]])}
        for name, columns in self._columns.items():
            shares[name] = share_right(hits[:, columns], asked[:, columns])
        asked[:, style] = False
        return {"": share_right(hits, asked), **shares}

    def sheet(self) -> Image.Image:
        shares = {name: share for name, share in self.shares["attributes"].items() if share.count}
        mean = shares.pop("")
        bars = [
            Bar(
                label=name.replace("_", " "),
                value=share.value,
                error=share.standard_error,
                marks=tuple(
                    self.shares[kind][name].value
                    for kind in ("dealt_attributes", "real_attributes")
                    if kind in self.shares
                ),
            )
            for name, share in sorted(shares.items(), key=lambda item: item[1].value)
        ]
        title = (
            f"Named attributes drawn as in the caption: {100 * mean.value:.1f} % ± "
            f"{100 * mean.standard_error:.1f} of {mean.count:,}. Bars: the scored pictures, the "
            "worst on top; lines: the same pictures under other captions (left), real pictures."
        )
        return draw_bars(bars, title)


class Readings:
    """The reader's predictions for images, in order.

    Args:
        num_heads: How many attributes it reads.

    Attributes:
        said: int `(images so far, heads)`: indices of values.
    """

    def __init__(self, num_heads: int):
        self.said = np.zeros((0, num_heads), "int64")

    def update(self, features: np.ndarray) -> None:
        """Adds the predictions for the next images."""
        self.said = np.concatenate([self.said, features.astype("int64")])

    def state(self) -> dict[str, np.ndarray]:
        """Returns what `restore` takes."""
        return {"said": self.said}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues from what `state` returned."""
        self.said = state["said"]
