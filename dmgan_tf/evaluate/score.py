"""The metrics by name, and what a score is.

To add a metric: its entry in `METRICS`, a `Judge` in a module of its own, and a line in
`setup.choose_judges` that makes it.
"""

import dataclasses

# Splits and folds are of shuffled images, because those of a data set may stand in the order of
# their classes. It is torch-fidelity's seed.
SHUFFLE_SEED = 2020


@dataclasses.dataclass(frozen=True)
class Shown:
    """How a table shows a score.

    Args:
        title: What it is called.
        unit: Behind the number.
        digits: After the point.
        beside: What `Score.chance` is the number of, or what `Score.num_groups` counts.
    """

    title: str
    unit: str = ""
    digits: int = 2
    beside: str = "chance"


@dataclasses.dataclass(frozen=True)
class Metric:
    """What a metric needs and gives.

    Args:
        scores: Those that it yields, by the name in the JSON.
        on_features: Whether it is computed by the networks of --protocol and --features.
        compares: What it compares with: `"moments"` or `"features"` of real images; None for
            nothing.
    """

    scores: dict[str, Shown]
    on_features: bool = False
    compares: str | None = None


METRICS = {
    "fid": Metric({"fid": Shown("FID")}, on_features=True, compares="moments"),
    "is": Metric({"is": Shown("Inception Score")}, on_features=True),
    "kid": Metric({"kid": Shown("KID", digits=5)}, on_features=True, compares="features"),
    "r_precision": Metric({"r_precision": Shown("R-precision", " %")}),
    "clip": Metric(
        {
            "clip_score": Shown("CLIP score"),
            "clip_r_precision": Shown("CLIP R-precision", " %"),
        }
    ),
    "attributes": Metric(
        {
            "attributes": Shown("named attributes drawn right", " %", beside="attributes"),
            "dealt_attributes": Shown("the same, other captions", " %", beside="attributes"),
            "real_attributes": Shown("the same, real images", " %", beside="attributes"),
        }
    ),
    "memorisation": Metric(
        {
            "memorisation": Shown("nearer to training than real", " %", beside="real"),
            "near_copies": Shown("near copies of training", " %", beside="real"),
        },
        on_features=True,
        compares="features",
    ),
    "diversity": Metric(
        {
            "diversity": Shown("distance within a caption", digits=4, beside="captions"),
            "real_diversity": Shown("distance between real images", digits=4),
            "real_class_diversity": Shown(
                "distance within a real class", digits=4, beside="classes"
            ),
        },
        on_features=True,
        compares="features",
    ),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How scores are computed, apart from which images and networks.

    Args:
        num_splits: Parts of the Inception Score.
        num_folds: Parts of R-precision.
        num_subsets: Draws of the kernel distance.
        subset_size: Images of such a draw.
        batch_size: Images at once, over all replicas; changes speed and memory only.
    """

    num_splits: int = 10
    num_folds: int = 10
    num_subsets: int = 100
    subset_size: int = 1000
    batch_size: int = 32


@dataclasses.dataclass(frozen=True)
class Score:
    """One number and what it was made of.

    Args:
        metric: A name among the `scores` of `METRICS`.
        protocol: The protocol, or the network that judged.
        value: The number; in percent where `METRICS` says so.
        deviation: Its standard deviation over splits, subsets or folds, where it has them.
        num_images: Images scored.
        num_reference: Real images compared with; None if there were none, or it is not known.
        chance: What guessing scores, or real images do, in the unit of `value`, where that means
            something.
        warnings: Why it may not be what it seems.
        standard_error: Of the value, where it has one in place of a deviation.
        num_groups: The captions or classes that it is a mean over; None where it is of no such.
    """

    metric: str
    protocol: str
    value: float
    deviation: float | None = None
    num_images: int = 0
    num_reference: int | None = None
    chance: float | None = None
    warnings: tuple[str, ...] = ()
    standard_error: float | None = None
    num_groups: int | None = None
