"""Computes every metric in one pass over the images."""

import dataclasses
import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.images import ImageSource
from dmgan_tf.evaluate.judge import Judge
from dmgan_tf.evaluate.partial import PartialResult
from dmgan_tf.evaluate.replicas import OverReplicas
from dmgan_tf.evaluate.score import METRICS, SHUFFLE_SEED, Score, Settings
from dmgan_tf.metrics.frechet import FeatureStatistics, Moments, frechet_distance
from dmgan_tf.metrics.inception_score import InceptionScore
from dmgan_tf.metrics.kernel import FeatureStore, kernel_distance
from dmgan_tf.process.progress import progress_bar

FEW_IMAGES = 10_000  # below, FID's bias is larger than most differences between models


@dataclasses.dataclass(frozen=True)
class Reference:
    """Features of real images by one network.

    Args:
        moments: Their mean and covariance.
        features: float32 `(images, dim)`, where a metric needs them.
        class_ids: int `(images,)`: what each of them shows, where known and needed.
    """

    moments: Moments
    features: np.ndarray | None = None
    class_ids: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class _Gathering:
    """One accumulator, and the output of one network that is added to it."""

    network: FeatureNetwork
    output: str
    target: object


def measure_reference(
    images: ImageSource,
    networks: Sequence[FeatureNetwork],
    metrics: Sequence[str],
    *,
    settings: Settings = Settings(),  # noqa: B008  frozen
    strategy: tf.distribute.Strategy | None = None,
    partial_path: str | os.PathLike | None = None,
    show_progress: bool = False,
    title: str = "real images",
) -> dict[str, Reference]:
    """Passes real images through the networks.

    Args:
        images: The real images.
        networks: The networks whose features are needed.
        metrics: The requested metrics, some of which need the features themselves.
        settings: See `Settings`.
        strategy: The strategy whose replicas share the work; the current one if None.
        partial_path: The file from which an interrupted run continues; None for none.
        show_progress: Whether to draw a progress bar on the terminal.
        title: The text of that bar.

    Returns:
        A `Reference` by each network's name.
    """
    kept = ["fid"]
    if keeps_features(metrics):
        kept.append("kid")
    gatherings = {}
    for network in networks:
        gatherings |= _feature_gatherings(network, kept, images.num_images)
    title = title if show_progress else None
    _gather(images, gatherings, settings, strategy, partial_path, title=title)
    return {
        network.name: Reference(
            gatherings[f"{network.name}/fid"].target.moments(),
            gatherings[f"{network.name}/kid"].target.features if "kid" in kept else None,
        )
        for network in networks
    }


def keeps_features(metrics: Sequence[str]) -> bool:
    """Returns whether a metric needs the features of real images themselves."""
    return any(METRICS[metric].compares == "features" for metric in metrics)


def score_images(
    images: ImageSource,
    networks: Sequence[FeatureNetwork],
    metrics: Sequence[str],
    *,
    references: dict[str, Reference] | None = None,
    judges: Sequence[Judge] = (),
    settings: Settings = Settings(),  # noqa: B008  frozen
    strategy: tf.distribute.Strategy | None = None,
    partial_path: str | os.PathLike | None = None,
    on_images: Callable[[int, np.ndarray], None] | None = None,
    show_progress: bool = False,
) -> list[Score]:
    """Scores images by every metric in one pass.

    Args:
        images: The images to score; with a plan, if a judge needs it.
        networks: The networks of the metrics on features.
        metrics: `fid`, `is` and `kid`, each computed by every network whose protocol defines it.
        references: What `measure_reference` returned; for `fid` and `kid`.
        judges: Further measurements in the same pass, each with its own network.
        settings: See `Settings`.
        strategy: The strategy whose replicas share the work; the current one if None.
        partial_path: The file from which an interrupted run continues; None for none.
        on_images: Called with the index of the first image and the uint8 images of every batch. If
            it saves them in its `directory`, a run that saved none there is not continued.
        show_progress: Whether to draw a progress bar on the terminal.

    Returns:
        The scores, network by network, then judge by judge.

    Raises:
        InputError: If there are too few images for a metric.
    """
    references, num_images = references or {}, images.num_images
    kept = [len(item.features) for item in references.values() if item.features is not None]
    check_counts([num_images, *kept], metrics, settings)
    gatherings = {}
    for network in networks:
        wanted = [metric for metric in metrics if metric in network.metrics]
        gatherings |= _feature_gatherings(network, wanted, num_images)
        if "is" in wanted:
            target = InceptionScore(num_images, settings.num_splits, SHUFFLE_SEED)
            gatherings[f"{network.name}/is"] = _Gathering(network, "logits", target)
    for judge in judges:
        gatherings[judge.name] = _Gathering(judge.network, "features", judge.begin(images))
    title = "scored images" if show_progress else None
    _gather(images, gatherings, settings, strategy, partial_path, judges, on_images, title)
    scores = []
    for network in networks:
        for metric in metrics:
            gathering = gatherings.get(f"{network.name}/{metric}")
            if gathering is not None:
                reference = references.get(network.name)
                scores.append(
                    _feature_score(
                        metric, network, gathering.target, reference, num_images, settings
                    )
                )
    for judge in judges:
        scores += judge.scores(gatherings[judge.name].target, settings)
    return scores


def check_counts(counts: Sequence[int], metrics: Sequence[str], settings: Settings) -> None:
    """Raises an `InputError` if there are too few images for a metric.

    Args:
        counts: How many images are scored, then how many they are compared with, where known.
        metrics: The requested metrics.
        settings: See `Settings`.
    """
    if "fid" in metrics and min(counts) < 2:
        raise InputError(
            "Expected at least 2 images on either side for FID, whose features have a covariance. "
            f"Received: {min(counts)}."
        )
    if "kid" in metrics and min(counts) < settings.subset_size:
        raise InputError(
            f"Expected at least {settings.subset_size} images on either side for KID. "
            f"Received: {min(counts)}. Give --kid_subset_size of no more than that."
        )
    if "is" in metrics and counts[0] < settings.num_splits:
        raise InputError(
            f"Expected at least {settings.num_splits} images for as many splits of the Inception "
            f"Score. Received: {counts[0]}."
        )
    for metric in metrics:
        if METRICS[metric].compares == "features" and min(counts) < 2:
            raise InputError(
                f"Expected at least 2 images on either side for {metric}. Received: {min(counts)}."
            )


def _feature_gatherings(network, metrics, num_images):
    targets = {}
    if "fid" in metrics or "kid" in metrics:
        targets["fid"] = FeatureStatistics(network.dim)
    if "kid" in metrics:
        targets["kid"] = FeatureStore(num_images, network.dim)
    return {
        f"{network.name}/{metric}": _Gathering(network, "features", target)
        for metric, target in targets.items()
    }


def _gather(
    images,
    gatherings,
    settings,
    strategy,
    partial_path,
    judges=(),
    on_images=None,
    title=None,
):
    """Adds the outputs of its network to every accumulator, in order."""
    if not gatherings and on_images is None:
        return  # all scores are of other images
    strategy = strategy or tf.distribute.get_strategy()
    networks = {id(item.network): item.network for item in gatherings.values()}
    runners = {
        key: OverReplicas(network, strategy, settings.batch_size) if network.in_graph else network
        for key, network in networks.items()
    }
    targets = {name: item.target for name, item in gatherings.items()}
    partial, done = None, 0
    if partial_path is not None:
        identity = _identity(images, gatherings, judges, settings)
        identity["kept_in"] = str(getattr(on_images, "directory", None))
        partial = PartialResult(partial_path, identity)
        done = partial.restore(targets)
    with progress_bar(
        images.num_images, "image", title or "", initial=done, shown=title is not None
    ) as progress:
        for batch in images.batches(done, settings.batch_size):
            if on_images is not None:
                on_images(done, batch)
            outputs = {key: run(batch) for key, run in runners.items()}
            for item in gatherings.values():
                item.target.update(np.asarray(outputs[id(item.network)][item.output]))
            done += len(batch)
            progress.update(len(batch))
            if partial is not None:
                partial.offer(targets, done)
    if partial is not None:
        partial.finish(targets, done)


def _identity(images, gatherings, judges, settings):
    """What the numbers depend on; the batch size does not matter."""
    fixed = dataclasses.asdict(settings)
    del fixed["batch_size"]
    return {
        "images": images.description(),
        "num_images": images.num_images,
        "settings": fixed,
        "networks": {name: item.network.sha256 for name, item in gatherings.items()},
        "judges": [judge.description for judge in judges],
    }


def _feature_score(metric, network, target, reference, num_images, settings):
    deviation, num_reference, warnings = None, None, ()
    if metric == "fid":
        value = frechet_distance(target.moments(), reference.moments)
        num_reference = reference.moments.count
        warnings = _fid_warnings(num_images, num_reference, network.dim)
    elif metric == "kid":
        value, deviation = kernel_distance(
            target.features, reference.features, settings.num_subsets, settings.subset_size
        )
        num_reference = len(reference.features)
    else:
        value, deviation = target.result()
    return Score(
        metric,
        protocol=network.name,
        value=value,
        deviation=deviation,
        num_images=num_images,
        num_reference=num_reference,
        warnings=warnings,
    )


def _fid_warnings(num_images, num_reference, dim):
    warnings = []
    if num_images < FEW_IMAGES:
        warnings.append(
            f"FID of {num_images:,} images is biased upwards; compare it only with one of as many "
            f"(papers use {FEW_IMAGES:,} or more)"
        )
    counts = {"images": num_images, "reference images": num_reference}
    few = [f"{n:,} {name}" for name, n in counts.items() if n is not None and n <= dim]
    if few:
        warnings.append(
            f"{' and '.join(few)} for {dim:,} features: no covariance of full rank; the distance "
            "is exact, but of poor estimates"
        )
    return tuple(warnings)
