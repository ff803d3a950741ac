"""Makes the images and the judges of an evaluation from the flags of the command."""

import pathlib
from collections.abc import Sequence

import tensorflow as tf

from dmgan_tf.data.records import INFO_FILE, load_dataset_info
from dmgan_tf.data.sources.metadata_file import METADATA_FILE
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.attributes import AttributeJudge
from dmgan_tf.evaluate.captions import choose_captions, first_captions, match_captions
from dmgan_tf.evaluate.diversity import DiversityJudge, several_of_each
from dmgan_tf.evaluate.features import FeatureNetwork
from dmgan_tf.evaluate.folder_images import FolderImages
from dmgan_tf.evaluate.images import GeneratedImages, ImageSource, StoredImages
from dmgan_tf.evaluate.judge import Judge
from dmgan_tf.evaluate.judges import clip_judge, damsm_judge
from dmgan_tf.evaluate.memorisation import MemorisationJudge
from dmgan_tf.evaluate.reference import real_images
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.text.vocabulary import check_words_known

NUM_GENERATED = 30_000  # the paper's
TRAINING_SPLIT = "train"


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
    """Finds the images to score, with what each of them shows where known.

    Args:
        model: A model to draw with, or None.
        images: A folder or a prepared data set, if there is no model.
        images_split: The split of such a data set.
        data: The prepared data set of the captions; needed for a model.
        split: Its split.
        num_images: How many; None for 30,000 of a model, for all of a folder or data set.
        seed: Random seed of captions and noise.
        crop: See `StoredImages`; None for yes.
        dtype: Keras dtype policy of the generator.
        strategy: The strategy whose replicas draw the images.

    Raises:
        InputError: If there are no such images, or model and data do not match.
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
        loaded.tokenizer  # noqa: B018  a model without one raises here
        check_words_known(
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
    networks: Sequence[FeatureNetwork] = (),
    data: str | None = None,
    split: str = "test",
    reference: str | None = None,
    crop: bool | None = None,
) -> list[Judge]:
    """Loads the judges of the metrics that have one: one metric per line.

    Args:
        metrics: The requested metrics.
        images: The images to score.
        model: The model that drew them, whose DAMSM is used if no other is given; or None.
        damsm: A DAMSM, or None.
        clip: A preset of CLIP.
        seed: Random seed of the wrong captions, and of the captions of diversity.
        networks: Whose features are compared.
        data: The prepared data set, or None.
        split: Its split.
        reference: Real images instead of that split, or None.
        crop: See `StoredImages`; None for as the model was trained, else yes.

    Raises:
        InputError: If a judge is missing, or images or data lack what it needs.
    """
    for metric in ("r_precision", "clip", "attributes", "diversity"):
        if metric in metrics and images.plan is None:
            raise InputError(
                f"Expected the caption of each image for {metric}. Received: none of some or all. "
                'Put a metadata.jsonl beside them ({"file_name": ..., "text": ..., "class_id": ...}'
                " a line), as --save_images writes it."
            )
    judges = []
    if "r_precision" in metrics:
        judges.append(_damsm_judge(images, model, damsm, seed))
    if "clip" in metrics:
        judges.append(clip_judge(clip, images.plan, seed=seed))
    if "attributes" in metrics:
        judges.append(AttributeJudge(images.plan, _real_images_with_captions(images, crop)))
    if "memorisation" in metrics:
        training = _training_images(images, data, split, reference, crop)
        judges += [MemorisationJudge(network, training) for network in networks]
    if "diversity" in metrics:
        if isinstance(images, GeneratedImages):
            images = several_of_each(images, list_captions(data, split), seed)
        judges += [DiversityJudge(network, images) for network in networks]
    return judges


def _real_images_with_captions(images, crop):
    """The split of the captions of drawn pictures."""
    source = images.plan.source
    if "data" not in source or isinstance(images, StoredImages):
        return None
    real = real_images(source["data"], images, source["split"], crop)
    real.plan = _first_captions(source["data"], source["split"])
    return real


def _damsm_judge(images, model, damsm, seed):
    if not (damsm or model):
        raise InputError(
            "Expected --damsm=DIR, the DAMSM that measures R-precision. Received: nothing."
        )
    data = images.plan.source.get("data")
    return damsm_judge(
        damsm or model,
        images.plan,
        vocabulary=load_dataset_info(data).vocabulary() if data else None,
        seed=seed,
        drawn_by=images.model if isinstance(images, GeneratedImages) else None,
    )


def _training_images(images, data, split, reference, crop):
    """The training pictures of memorisation; the scored split must be another."""
    if not data:
        raise InputError(
            "Expected --data=DIR, the prepared data set of training, for memorisation. "
            "Received: nothing."
        )
    load_dataset_info(data)
    if split == TRAINING_SPLIT and not reference:
        raise InputError(
            "Expected real images not used in training for memorisation: --split=test, or "
            f"--reference=DIR. Received: --split={split}."
        )
    return real_images(data, images, TRAINING_SPLIT, crop)
