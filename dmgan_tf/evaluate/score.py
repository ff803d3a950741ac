"""The metrics by name, and the class of a score.

To add a metric: an entry in `METRICS`, a `Judge` in a new module, and a line in
`setup.choose_judges` that makes it.
"""

import dataclasses

# Splits and folds are of shuffled images, because a data set may be sorted by class. It is
# torch-fidelity's seed.
SHUFFLE_SEED = 2020


@dataclasses.dataclass(frozen=True)
class Shown:
    """How a table shows a score.

    Args:
        title: Its name.
        unit: After the number.
        digits: After the decimal point.
        beside: What `Score.chance` or `Score.num_groups` measures.
    """

    title: str
    unit: str = ""
    digits: int = 2
    beside: str = "chance"


@dataclasses.dataclass(frozen=True)
class Metric:
    """Inputs and outputs of a metric.

    Args:
        scores: Its scores, by the name in the JSON.
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
        num_splits: Splits of the Inception Score.
        num_folds: Folds of R-precision.
        num_subsets: Subsets of the kernel distance.
        subset_size: Images of such a subset.
        batch_size: Images at once, over all replicas; affects speed and memory only.
    """

    num_splits: int = 10
    num_folds: int = 10
    num_subsets: int = 100
    subset_size: int = 1000
    batch_size: int = 32


@dataclasses.dataclass(frozen=True)
class Score:
    """One number and what it was computed from.

    Args:
        metric: A name among the `scores` of `METRICS`.
        protocol: The protocol, or the network that judged.
        value: The number; in percent where `METRICS` says so.
        deviation: Its standard deviation over splits, subsets or folds, where it has them.
        num_images: Images scored.
        num_reference: Real images compared with; None if there were none, or it is not known.
        chance: The score of guessing, or of real images, in the unit of `value`, where defined.
        warnings: Why it may be misleading.
        standard_error: Of the value, where it has one instead of a deviation.
        num_groups: The number of captions or classes of which it is a mean; None for other means.
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
