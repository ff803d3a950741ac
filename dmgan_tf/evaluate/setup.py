"""From the words of a command to the images, networks, judges and real images of an evaluation."""

import hashlib
import os
import pathlib
from collections.abc import Sequence

import tensorflow as tf

from dmgan_tf.data.records import INFO_FILE, load_dataset_info
from dmgan_tf.data.sources.image_folder import METADATA_FILE
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import choose_captions, first_captions, match_captions
from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.folder_images import FolderImages
from dmgan_tf.evaluate.images import GeneratedImages, ImageSource, StoredImages
from dmgan_tf.evaluate.judges import Judge, clip_judge, damsm_judge
from dmgan_tf.evaluate.scoring import Reference, Settings, check_counts, measure_reference
from dmgan_tf.evaluate.statistics_file import load_statistics, save_statistics
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.text.vocabulary import check_same_vocabulary

NUM_GENERATED = 30_000  # the paper's


def find_images(
    *,
    model: str | None,
    images: str | None,
    images_split: str,
    data: str | None,
    split: str,
    num_images: int | None,
    seed: int,
    crop: bool | None,
    dtype: str,
    strategy: tf.distribute.Strategy,
) -> ImageSource:
    """Finds the images to score, with what each of them shows as far as it is known.

    Args:
        model: A model to draw with, or None.
        images: A folder or a prepared data set, if no model.
        images_split: The split of such a data set.
        data: The prepared data set of the captions; needed for a model.
        split: Its split.
        num_images: How many; None for 30,000 of a model, for all else.
        seed: Of captions and noise.
        crop: See `StoredImages`; None for yes.
        dtype: Keras dtype policy of the generator.
        strategy: Over whose replicas images are drawn.

    Raises:
        InputError: If there are no such images, or model and data do not belong together.
    """
    if model:
        plan = choose_captions(
            list_captions(data, split),
            num_images or NUM_GENERATED,
            seed,
            _caption_source(data, split),
        )
        with strategy.scope():
            loaded = DMGANTextToImage.from_preset(model, dtype=dtype)
        loaded.tokenizer  # noqa: B018  a model without one says so here
        check_same_vocabulary(
            load_dataset_info(data).vocabulary(),
            f"the data set {data}",
            loaded.vocabulary,
            f"the model {model}",
        )
        return GeneratedImages(
            loaded, plan, seed=seed, strategy=strategy, details={"model": str(model)}
        )
    if (pathlib.Path(images) / INFO_FILE).is_file():
        size = load_dataset_info(images).image_size
        source = StoredImages(
            images, images_split, size=size, crop=crop is not False, num_images=num_images
        )
        source.plan = _first_captions(images, images_split, num_images)
        return source
    folder = FolderImages(images, num_images)
    known = folder.captions_and_classes()
    if known is not None:
        pool = _first_captions(data, split) if data else None
        own = {"path": str(folder.directory / METADATA_FILE)}
        folder.plan = match_captions(*known, pool, pool.source if pool else own)
    return folder


def _first_captions(data, split, num_images=None):
    return first_captions(list_captions(data, split), _caption_source(data, split), num_images)


def _caption_source(data, split):
    info = load_dataset_info(data)
    return {
        "data": str(data),
        "name": info.name,
        "split": split,
        "fingerprint": info.fingerprint,
        "vocabulary_sha256": info.vocabulary_sha256,
    }


def choose_judges(
    metrics: Sequence[str],
    images: ImageSource,
    *,
    model: str | None,
    damsm: str | None,
    clip: str,
    seed: int,
) -> list[Judge]:
    """Loads the judges of R-precision.

    Args:
        metrics: The metrics asked for.
        images: The images to score.
        model: The model that drew them, whose DAMSM judges if no other is given; or None.
        damsm: A DAMSM, or None.
        clip: A preset of CLIP.
        seed: Of the draw of wrong captions.

    Raises:
        InputError: If a judge is missing, or the images have no captions.
    """
    judges = []
    for metric in ("r_precision", "clip"):
        if metric in metrics and images.plan is None:
            raise InputError(
                f"Expected the caption of each image for {metric}. Received: none of some or all. "
                'Put a metadata.jsonl beside them ({"file_name": ..., "text": ..., "class_id": ...}'
                " a line), as --save_images writes it."
            )
    if "r_precision" in metrics:
        if not (damsm or model):
            raise InputError(
                "Expected --damsm=DIR, the DAMSM that is to judge R-precision. Received: nothing."
            )
        data = images.plan.source.get("data")
        judges.append(
            damsm_judge(
                damsm or model,
                images.plan,
                vocabulary=load_dataset_info(data).vocabulary() if data else None,
                seed=seed,
                drawn_by=images.model if isinstance(images, GeneratedImages) else None,
            )
        )
    if "clip" in metrics:
        judges.append(clip_judge(clip, images.plan, seed=seed))
    return judges


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
    """Measures what FID and KID compare with.

    Args:
        networks: The networks of the evaluation.
        metrics: The metrics asked for.
        images: The images to score, whose size data sets are read at.
        reference: A folder, a prepared data set or a statistics file; None for `data`.
        data: A prepared data set, or None.
        split: Its split, and that of a `reference` that is one.
        crop: See `StoredImages`; None for as the model was trained, else yes.
        settings: The evaluation's `Settings`.
        strategy: Over whose replicas the work is spread.
        partial_path: See `measure_reference`.
        statistics: A `.npz` to write the mean and covariance to, or None.

    Returns:
        A description for the report, and a `Reference` by each network's name; None and an empty
        dict where no metric compares.

    Raises:
        InputError: If there is nothing to compare with, or it does not fit.
    """
    comparing = [n for n in networks if {"fid", "kid"} & set(metrics) & set(n.metrics)]
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
    source = _real_images(place, images, split, crop)
    check_counts([images.num_images, source.num_images], metrics, settings)  # before long work
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
    return source.counted(), references


def _stored_statistics(place, network, metrics):
    if "kid" in metrics:
        raise InputError(
            f"Expected images to compare with for kid. Received: {place}, which holds their mean "
            "and covariance only. Give --reference=DIR, or leave kid out of --metrics."
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
            f"Expected statistics in {place} by the weights of {network.name} that are used here. "
            "Received: those by others. Make it again with --save_statistics."
        )
    digest = hashlib.sha256(pathlib.Path(place).read_bytes()).hexdigest()
    description = {"kind": "statistics", "path": str(place), "sha256": digest}
    return description, {network.name: Reference(moments)}


def _real_images(place, images, split, crop):
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
