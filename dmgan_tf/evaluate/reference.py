"""The real images with which scored ones are compared."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dmgan_tf.data.records import INFO_FILE
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.folder_images import FolderImages
from dmgan_tf.evaluate.images import GeneratedImages, ImageSource, StoredImages
from dmgan_tf.evaluate.networks import DEFINED_METRICS
from dmgan_tf.evaluate.score import METRICS, Settings
from dmgan_tf.evaluate.scoring import Reference, check_counts, keeps_features, measure_reference
from dmgan_tf.evaluate.statistics_file import load_statistics, save_statistics


def find_reference(
    networks: Sequence[FeatureNetwork],
    metrics: Sequence[str],
    images: ImageSource,
    *,
    reference: str | None,
    data: str | None,
    split: str,
    crop: bool | None,
    settings: Settings,
    strategy: tf.distribute.Strategy,
    partial_path: str | os.PathLike,
    statistics: str | None = None,
) -> tuple[dict | None, dict[str, Reference]]:
    """Measures the real images that metrics compare with.

    Args:
        networks: The networks of the evaluation.
        metrics: The requested metrics.
        images: The images to score; data sets are read at their size.
        reference: A folder, a prepared data set or a statistics file; None for `data`.
        data: A prepared data set, or None.
        split: Its split, and that of a `reference` that is one.
        crop: See `StoredImages`; None for as the model was trained, else yes.
        settings: The evaluation's `Settings`.
        strategy: The strategy whose replicas share the work.
        partial_path: See `measure_reference`.
        statistics: A `.npz` to write the mean and covariance to, or None.

    Returns:
        A description for the report, and a `Reference` by each network's name; None and an empty
        dict where no metric compares.

    Raises:
        InputError: If there is nothing to compare with, or it does not match.
    """
    compared = {metric for metric in metrics if METRICS[metric].compares}
    comparing = [
        network
        for network in networks
        if compared - set(DEFINED_METRICS) or compared & set(network.metrics)
    ]
    place = reference or data
    is_file = str(place).endswith(".npz")
    if statistics and (not comparing or is_file):
        received = f"the statistics {place}" if comparing else f"--metrics={','.join(metrics)}"
        raise InputError(
            "Expected real images and fid or kid among --metrics, with --save_statistics. "
            f"Received: {received}. Leave it out, or give --reference=DIR."
        )
    if not comparing:
        return None, {}
    if not place:
        raise InputError(
            "Expected real images to compare with: --data=DIR, or --reference=DIR or FILE.npz. "
            "Received: neither."
        )
    if len(comparing) > 1 and (statistics or is_file):
        raise InputError(
            f"Expected one protocol with {statistics or place}: a file holds the statistics of one "
            f"network. Received: {', '.join(network.name for network in comparing)}."
        )
    if is_file:
        return _stored_statistics(place, comparing[0], metrics)
    source = real_images(place, images, split, crop)
    check_counts([images.num_images, source.num_images], metrics, settings)  # before long work
    class_ids = _class_ids(source, place, split) if "diversity" in metrics else None
    references = measure_reference(
        source,
        comparing,
        metrics,
        settings=settings,
        strategy=strategy,
        partial_path=partial_path,
        show_progress=True,
    )
    if statistics:
        (network,) = comparing
        moments = references[network.name].moments
        notes = {"protocol": network.name, "weights_sha256": network.sha256}
        save_statistics(statistics, moments, **notes)
    references = {
        name: dataclasses.replace(measured, class_ids=class_ids)
        for name, measured in references.items()
    }
    return source.counted(), references


def _stored_statistics(place, network, metrics):
    for metric in metrics:
        if keeps_features([metric]):
            raise InputError(
                f"Expected images to compare with for {metric}. Received: {place}, which holds "
                f"their mean and covariance only. Give --reference=DIR, or leave {metric} out of "
                "--metrics."
            )
    moments, notes = load_statistics(place, network.dim)
    made_by = notes.get("protocol", network.name)
    if made_by != network.name:
        raise InputError(
            f"Expected statistics of the protocol {network.name} in {place}. Received: those of "
            f"{made_by}. Give --protocol={made_by}, or real images as the --reference."
        )
    if notes.get("weights_sha256", network.sha256) != network.sha256:
        raise InputError(
            f"Expected statistics in {place} from the weights of {network.name} used here. "
            "Received: those of other weights. Make the file again with --save_statistics."
        )
    digest = hashlib.sha256(pathlib.Path(place).read_bytes()).hexdigest()
    description = {"kind": "statistics", "path": str(place), "sha256": digest}
    return description, {network.name: Reference(moments)}


def _class_ids(source, place, split):
    """What each of the real images shows; None where that is not known."""
    if isinstance(source, StoredImages):
        return list_captions(place, split).class_ids
    known = source.captions_and_classes()
    if known is None or None in known[1]:
        return None
    return np.array(known[1])


def real_images(place: str, images: ImageSource, split: str, crop: bool | None) -> ImageSource:
    """Finds real images, of a data set at the size of the scored ones.

    Args:
        place: A prepared data set or a folder.
        images: The images to score.
        split: That of a data set.
        crop: See `StoredImages`; None for as the model was trained, else yes.

    Raises:
        InputError: If there are none.
    """
    if not (pathlib.Path(place) / INFO_FILE).is_file():
        return FolderImages(place)
    size = images.description()["image_size"]
    if not isinstance(size, int):
        raise InputError(
            "Expected square images to compare with those of a data set. Received: images of "
            f"{size[1]}x{size[0]} pixels. Crop them, or compare with a folder of real images."
        )
    if crop is None:
        crop = True
        if isinstance(images, GeneratedImages):
            crop = images.model.extra.get("training", {}).get("crop", True)
    return StoredImages(place, split, size=size, crop=crop)
