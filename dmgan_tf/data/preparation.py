"""Prepares a data set from captioned images: TFRecord shards, a vocabulary and `dataset.json`."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import errno
import hashlib
import itertools
import json
import logging
import os
import pathlib
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

import tensorflow as tf
from PIL import Image

from dmgan_tf.data import records, source_versions
from dmgan_tf.data.claimed_output import PROGRESS_DIRECTORY, open_output
from dmgan_tf.data.image_sizes import stored_size
from dmgan_tf.data.skipped import (
    CAPTION_REASONS,
    EMPTY_CAPTION,
    NO_CAPTION,
    SKIPPED_FILE,
    UNKNOWN_CAPTION,
    lost_images,
    report_skipped,
    with_files_of_today,
)
from dmgan_tf.data.sources.account import FolderAccount
from dmgan_tf.data.sources.source import SMALL_IMAGE_CHOICES, SPLITS, CaptionedImage, Unusable
from dmgan_tf.data.stored_image import encode_image
from dmgan_tf.errors import InputError
from dmgan_tf.files import atomic
from dmgan_tf.process.progress import progress_bar
from dmgan_tf.text.vocabulary import Vocabulary

_logger = logging.getLogger(__name__)
_IMAGES_PER_SHARD = 1024


@dataclasses.dataclass(frozen=True)
class _ShardPlan:
    split: str
    file: str
    images: Sequence[CaptionedImage]


@dataclasses.dataclass(frozen=True)
class _ShardResult:
    num_images: int
    num_captions: int
    class_ids: list[int]
    skipped: list[list[str]]  # [file name, reason, detail] each
    versions: dict[str, list | None] = dataclasses.field(default_factory=dict)  # by file name


def prepare(
    splits: Mapping[str, Sequence[CaptionedImage]],
    output: str | os.PathLike,
    *,
    name: str,
    image_size: int,
    vocabulary: Vocabulary | None = None,
    min_word_count: int = 1,
    small_images: str = "error",
    max_skipped_fraction: float = 0.1,
    num_shards: int | None = None,
    num_workers: int | None = None,
    account: FolderAccount | None = None,
    show_progress: bool = False,
    attribution: Sequence[str] = (),
    overwrite: bool = False,
) -> records.DatasetInfo:
    """Writes a prepared data set.

    The bytes written depend on the source and the settings only, not on the number of workers.
    An interrupted preparation continues after the shards that it finished, except for those of
    which an image has changed since. `dataset.json` is written last: a directory with it is
    complete.

    Args:
        splits: The images of `train`, `test` and, where there is one, `validation`, as
            `read_image_folder` and `hold_out_validation` list them.
        output: The directory to write to.
        name: The name of the data set.
        image_size: The largest size, in pixels, that training will use, 16 or more.
        vocabulary: The vocabulary to use, an encoder's; None to collect that of the training
            captions.
        min_word_count: Words that occur less often in the training captions are left out.
        small_images: See `encode_image`.
        max_skipped_fraction: More skipped images than this fraction are an error, in [0, 1]; more
            missing ones are an error before anything is written.
        num_shards: Files of the training split; None for one for every 1,024 images.
        num_workers: Threads that read and encode images; None for one per processor.
        account: The files of the source's folder, to be counted and named with the skipped ones.
        show_progress: Whether to draw a progress bar on the terminal.
        attribution: Sentences that credit the makers of the images.
        overwrite: Whether to remove first what an earlier preparation wrote there.

    Returns:
        The description of what was written.

    Raises:
        InputError: If the settings, the source or the output directory cannot be used.
    """
    _check_settings(image_size, small_images, max_skipped_fraction, num_shards, num_workers)
    output = pathlib.Path(output)
    if vocabulary is None:
        texts = (caption for image in splits["train"] for caption in image.captions)
        vocabulary = Vocabulary.from_captions(texts, min_word_count)
    settings = {"name": name, "image_size": image_size, "small_images": small_images}
    plans = _plan_shards(splits, num_shards)
    versions = {image: image.version() for images in splits.values() for image in images}
    _check_present(versions, max_skipped_fraction)
    fingerprint = _fingerprint(plans, versions, vocabulary, settings)
    in_no_file = {image: version for image, version in versions.items() if image.path is None}
    identity = _fingerprint(plans, in_no_file, vocabulary, settings)
    if overwrite:
        remove_dataset(output)
    finished = open_output(output, fingerprint, identity, versions)
    if finished is not None:
        _logger.info("%s already contains this data set: nothing to do.", output)
        return with_files_of_today(finished, account)
    vocabulary.save(output / records.VOCABULARY_FILE)
    results = _write_shards(
        plans, output, vocabulary, image_size, small_images, num_workers, show_progress
    )
    skipped = [entry for result in results for entry in result.skipped]
    others = account.skipped if account else ()
    total = sum(len(plan.images) for plan in plans)
    report_skipped(skipped, others, total, max_skipped_fraction, output)
    reasons = [*(reason for _, reason, _ in skipped), *(reason for _, reason in others)]
    info = records.DatasetInfo(
        directory=output,
        name=name,
        image_size=image_size,
        stored_size=stored_size(image_size),
        vocabulary_sha256=vocabulary.sha256,
        vocabulary_size=len(vocabulary),
        splits={split: _summary(split, plans, results) for split in splits},
        skipped=dict(sorted(collections.Counter(reasons).items())),
        fingerprint=fingerprint,
        attribution=tuple(attribution),
        files=account.counts({n: reason for n, reason, _ in lost_images(skipped)})
        if account
        else None,
    )
    described = {name: row for result in results for name, row in result.versions.items()}
    source_versions.SourceVersions(identity, described).save(output)
    atomic.write_text(output / records.INFO_FILE, info.to_json())
    shutil.rmtree(output / PROGRESS_DIRECTORY)
    return info


def remove_dataset(output: str | os.PathLike) -> None:
    """Removes a prepared, or partly prepared, data set from a directory, and nothing else."""
    output = pathlib.Path(output)
    names = (records.INFO_FILE, records.VOCABULARY_FILE, SKIPPED_FILE)
    for name in (*names, source_versions.VERSIONS_FILE):
        (output / name).unlink(missing_ok=True)
    for split in SPLITS:
        for path in output.glob(f"{split}-*-of-*.tfrecord"):
            path.unlink()
    shutil.rmtree(output / PROGRESS_DIRECTORY, ignore_errors=True)


def _check_settings(image_size, small_images, max_skipped_fraction, num_shards, num_workers):
    if image_size < 16:
        raise InputError(f"Expected an image size of 16 pixels or more. Received: {image_size}.")
    if small_images not in SMALL_IMAGE_CHOICES:
        raise InputError(
            f"Expected small_images to be one of {', '.join(SMALL_IMAGE_CHOICES)}. "
            f"Received: {small_images!r}."
        )
    if not 0 <= max_skipped_fraction <= 1:
        raise InputError(
            f"Expected a fraction of skipped images in [0, 1]. Received: {max_skipped_fraction}."
        )
    for what, number in (("shards", num_shards), ("workers", num_workers)):
        if number is not None and number < 1:
            raise InputError(f"Expected a number of {what} of 1 or more. Received: {number}.")


def _plan_shards(
    splits: Mapping[str, Sequence[CaptionedImage]], num_shards: int | None
) -> list[_ShardPlan]:
    """Assigns the images to shards: training images shuffled by a hash, others in order."""
    plans = []
    for split, images in splits.items():
        if not images:
            continue
        if split == "train":
            images = sorted(
                images, key=lambda image: hashlib.sha256(image.file_name.encode()).digest()
            )
        count = num_shards if split == "train" else None
        count = min(count or -(-len(images) // _IMAGES_PER_SHARD), len(images))
        bounds = [len(images) * index // count for index in range(count + 1)]
        for index, (start, end) in enumerate(itertools.pairwise(bounds)):
            file = records.shard_name(split, index, count)
            plans.append(_ShardPlan(split, file, images[start:end]))
    return plans


def _check_present(versions: Mapping[CaptionedImage, object], max_fraction: float) -> None:
    missing = [image for image, version in versions.items() if version is None]
    if len(missing) > max_fraction * len(versions):
        raise InputError(
            f"Expected the image {missing[0]}, which the source lists. Received: no such file; "
            f"{len(missing)} of {len(versions)} images are missing. Get them, or leave them out "
            f"with --max_skipped_fraction={-(-len(missing) * 1000 // len(versions)) / 1000}."
        )


def _fingerprint(plans: Sequence[_ShardPlan], versions, vocabulary, settings: Mapping) -> str:
    """Hashes what the output depends on, including the images' versions if they are given."""

    def entry_of(image):
        entry = [image.file_name, versions.get(image), image.captions, image.class_id]
        further = [value for value in (image.box, image.attributes, image.named) if value]
        return entry + further

    content = {
        "format_version": records.FORMAT_VERSION,
        "vocabulary": vocabulary.sha256,
        **settings,
        "shards": {plan.file: [entry_of(image) for image in plan.images] for plan in plans},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write_shards(
    plans, output, vocabulary, image_size, small_images, num_workers, show_progress
) -> list[_ShardResult]:
    num_workers = num_workers or os.cpu_count() or 1
    pool = concurrent.futures.ThreadPoolExecutor(num_workers)  # Pillow releases the GIL
    total = sum(len(plan.images) for plan in plans)
    progress = progress_bar(total, "image", "preparing", shown=show_progress)

    def encode(image):
        version = source_versions.describe(image)
        try:
            return encode_image(image, image_size, small_images), version
        except Unusable as error:  # whose traceback would keep the picture in memory
            return Unusable(error.reason, error.detail), version

    results = []
    try:
        with progress, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # it is an error
            for plan in plans:
                path = output / plan.file
                report = output / PROGRESS_DIRECTORY / f"{plan.file}.json"
                result = _finished_shard(report, plan.images) if path.exists() else None
                if result is not None:
                    progress.update(len(plan.images))
                else:
                    encoded = _in_order(pool, encode, plan.images, window=4 * num_workers)
                    result = _write_shard(plan, encoded, path, vocabulary, progress)
                    atomic.write_text(report, json.dumps(dataclasses.asdict(result)))
                results.append(result)
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def _finished_shard(report: pathlib.Path, images: Sequence[CaptionedImage]) -> _ShardResult | None:
    """Returns an earlier run's report of a shard; None if it must be made (again).

    It must if an image has changed since, or was skipped: it may be readable now.
    """
    if not report.exists():
        return None
    result = _ShardResult(**json.loads(report.read_text(encoding="utf-8")))
    reasons = {reason for _, reason, _ in result.skipped}
    if not reasons <= CAPTION_REASONS or source_versions.changed_images(images, result.versions):
        return None
    return result


def _in_order(pool, function, items: Iterable, window: int) -> Iterator:
    """Maps like `pool.map`, but computes at most `window` results ahead of the consumer."""
    items = iter(items)
    first = itertools.islice(items, window)
    pending = collections.deque(pool.submit(function, item) for item in first)
    while pending:
        yield pending.popleft().result()
        pending.extend(pool.submit(function, item) for item in itertools.islice(items, 1))


def _write_shard(plan, encoded, path, vocabulary, progress) -> _ShardResult:
    num_images, num_captions, class_ids, skipped, versions = 0, 0, set(), [], {}
    with atomic.replacing(path) as temporary, _record_writer(temporary) as writer:
        for image, (jpeg, version) in zip(plan.images, encoded, strict=True):
            progress.update()
            captions, named, dropped = _usable_captions(image, vocabulary)
            versions[image.file_name] = version
            if isinstance(jpeg, Unusable):
                skipped.append([image.file_name, jpeg.reason, jpeg.detail])
                continue
            skipped.extend(dropped)
            if not captions:
                skipped.append([image.file_name, NO_CAPTION, "no usable caption is left"])
                continue
            known = (image.class_id, image.file_name, image.attributes, named)
            writer.write(records.serialize_example(jpeg, captions, *known))
            num_images += 1
            num_captions += len(captions)
            class_ids.add(image.class_id)
    return _ShardResult(num_images, num_captions, sorted(class_ids), skipped, versions)


@contextlib.contextmanager
def _record_writer(path: pathlib.Path) -> Iterator[tf.io.TFRecordWriter]:
    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            yield writer
    except tf.errors.OpError as error:
        full = os.strerror(errno.ENOSPC)
        if full in error.message:
            raise OSError(errno.ENOSPC, full, str(path)) from error
        raise OSError(f"Cannot write {path}: {error.message}") from error


def _usable_captions(
    image: CaptionedImage, vocabulary: Vocabulary
) -> tuple[list[str], list[Sequence[str]], list[list[str]]]:
    """Returns the captions with a known word, their attributes, and entries of `skipped`."""
    usable, named, dropped = [], [], []
    for caption, names in itertools.zip_longest(image.captions, image.named, fillvalue=()):
        if any(map(vocabulary.id_of, vocabulary.split(caption))):
            usable.append(caption)
            named.append(names)
        else:
            reason = UNKNOWN_CAPTION if caption else EMPTY_CAPTION
            dropped.append([image.file_name, reason, repr(caption)])
    return usable, named, dropped


def _summary(split, plans, results) -> records.Split:
    pairs = [(p, r) for p, r in zip(plans, results, strict=True) if p.split == split]
    return records.Split(
        num_images=sum(result.num_images for _, result in pairs),
        num_captions=sum(result.num_captions for _, result in pairs),
        num_classes=len({class_id for _, result in pairs for class_id in result.class_ids}),
        shards=tuple(records.Shard(plan.file, result.num_images) for plan, result in pairs),
    )
