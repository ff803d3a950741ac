"""Reads prepared data sets as batches of tensors.

Every batch of training is a function of the seed and the step only: orders, crops, flips and the
choice of captions use stateless random numbers. So a resumed run has the same batches as an
uninterrupted one.
"""

import functools
import logging
import os
from collections.abc import Sequence

import tensorflow as tf

from dmgan_tf.data import record_file, records
from dmgan_tf.data.augmentation import (
    add_noise,
    checked_jpeg,
    crop_and_resize,
    decode_jpeg,
    random_words,
)
from dmgan_tf.data.epochs import shuffled_epochs
from dmgan_tf.data.readable import ReadableRecords, reading
from dmgan_tf.data.records import DatasetInfo, load_dataset_info
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import check_words_known

_logger = logging.getLogger(__name__)


def check_tokenizer(info: DatasetInfo, tokenizer: Tokenizer) -> None:
    """Raises an error if a data set was prepared with words that the tokenizer may not have.

    Args:
        info: The data set.
        tokenizer: The tokenizer, usually an encoder's.

    Raises:
        InputError: As `check_words_known`; it names both.
    """
    if info.vocabulary_sha256 != tokenizer.vocabulary.sha256:
        check_words_known(
            info.vocabulary(), f"the data set {info.directory}", tokenizer.vocabulary, "the encoder"
        )


def steps_per_epoch(directory: str | os.PathLike, split: str, batch_size: int) -> int:
    """Returns the number of full batches in one pass over a split.

    Raises:
        InputError: If the split does not fill one batch.
    """
    num_images = load_dataset_info(directory).split(split).num_images
    if batch_size < 1 or batch_size > num_images:
        raise InputError(
            f"Expected a batch size from 1 to the {num_images} images of {split!r} in {directory}. "
            f"Received: {batch_size}."
        )
    return num_images // batch_size


def training_dataset(
    directory: str | os.PathLike,
    *,
    tokenizer: Tokenizer,
    image_sizes: Sequence[int],
    batch_size: int,
    num_steps: int,
    max_words: int = 18,
    split: str = "train",
    flip: bool = True,
    crop: bool = True,
    noise: float = 0.0,
    num_words: int = 0,
    seed: int = 0,
    start_step: int = 0,
    cache: bool | None = None,
    readable: ReadableRecords | None = None,
    worker: tuple[int, int] = (0, 1),
    replicas_per_worker: int = 1,
) -> tf.data.Dataset:
    """Returns the batches of training, a pure function of `seed`, step and readable records.

    One random caption per image. Of a caption that is too long, a random subset of the words is
    kept, in order. The crop is a random square of 64/76 of the shorter side, and every stage's
    size is resized from it by antialiased bilinear filtering, as the authors' release does.

    Workers share the rows of each batch evenly, in order, and the replicas of a worker share its
    rows. The rows do not depend on the number of workers. Every worker reads every encoded record,
    but decodes only its own.

    Reference:
        Zhu et al. 2019, section 4 (Implementation details), and the release's `datasets.py`.

    Args:
        directory: What `prepare_data` wrote.
        tokenizer: A tokenizer with the data set's vocabulary.
        image_sizes: The sizes of the stages in pixels, ascending.
        batch_size: Images in a batch, over all replicas.
        num_steps: The step before which to stop.
        max_words: Words of a caption to keep.
        split: `train`, `validation` or `test`.
        flip: Whether to mirror every second image; switch it off if captions say "left".
        crop: Whether to crop at random; if not, the largest square in the middle is used.
        noise: Largest deviation of the noise that is added to images, see `add_noise`.
        num_words: With a number above 0, batches have `word_shares` of the ids below it.
        seed: Any integer.
        start_step: The number of the first step; 0 for a new run.
        cache: Whether to keep the encoded images in memory; None to keep up to 1 GiB. It does not
            change the batches.
        readable: The result of `readable.scan_split`; records that it left out are replaced by
            others. None if all are undamaged: then any damage is an error.
        worker: The index of this worker, from 0, and the number of workers.
        replicas_per_worker: The number of replicas that share a worker's rows.

    Returns:
        A dataset of `replicas_per_worker` batches for each of `num_steps - start_step` steps: dicts
        of `images`, a tuple of float32 (rows, size, size, 3) in [-1, 1], one per size; `token_ids`,
        int32 (rows, max_words), padded with 0 on the right; `class_ids`, int32 (rows,); with
        `num_words`, also `word_shares`, float32 (rows, num_words): the share of an image's captions
        that contain each word, 0 for the padding's id.

    Raises:
        InputError: If the directory has no such data, or not for these sizes or this vocabulary,
            or the replicas cannot share a batch evenly, or a shard to keep in memory is damaged.
            For one that is read later, iterate within `readable.reading(info, readable)`.
    """
    info = load_dataset_info(directory)
    check_tokenizer(info, tokenizer)
    sizes = _checked_sizes(info, image_sizes)
    if max_words < 1:
        raise InputError(f"Expected max_words of 1 or more. Received: {max_words}.")
    steps_per_epoch(directory, split, batch_size)  # which checks the batch size
    rows = _rows_of_replica(batch_size, worker, replicas_per_worker)
    if readable is not None and readable.split != split:
        raise InputError(f"Expected readable records of {split!r}. Received: {readable.split!r}.")
    serialized = shuffled_epochs(
        info,
        split,
        batch_size=batch_size,
        seed=seed,
        start_step=start_step,
        cache=cache,
        readable=readable,
    )
    if worker[1] > 1:
        first_row = worker[0] * replicas_per_worker * rows
        serialized = serialized.filter(
            lambda position, _: (
                (position % batch_size - first_row) // (replicas_per_worker * rows) == 0
            )
        )

    def load(position, record):
        example = records.parse_example(record)
        draws = tf.random.stateless_uniform([4], seed=tf.stack([seed, position]))
        num_captions = tf.size(example["captions"])
        chosen = tf.cast(draws[0] * tf.cast(num_captions, tf.float32), tf.int32)
        is_scanned = readable is not None
        image = decode_jpeg(example["image"] if is_scanned else checked_jpeg(example["image"]))
        if flip:
            image = tf.cond(draws[1] < 0.5, lambda: tf.reverse(image, [1]), lambda: image)
        images = crop_and_resize(image, sizes, draws[2:] if crop else None)
        if noise:
            noise_seed = tf.random.fold_in(tf.stack([seed, position]), tf.constant(2, tf.int64))
            images = add_noise(images, noise, noise_seed)
        shares = {}
        if num_words:
            shares["word_shares"] = _word_shares(tokenizer.in_graph(example["captions"]), num_words)
        return {
            "images": images,
            "caption": example["captions"][tf.minimum(chosen, num_captions - 1)],
            "class_ids": tf.cast(example["class_id"], tf.int32),
            "position": position,
            **shares,
        }

    def finish(batch):
        words = tokenizer.in_graph(batch["caption"])
        row = batch["position"][0] % batch_size
        # Folded, because `load` uses these two numbers as the seed of the batch's first example.
        word_seed = tf.stack([seed, batch["position"][0] - row])
        word_seed = tf.random.fold_in(word_seed, tf.constant(1, tf.int64))
        token_ids = random_words(words, max_words, word_seed, rows, row, batch_size)
        del batch["caption"], batch["position"]
        return {**batch, "images": _normalised(batch["images"]), "token_ids": token_ids}

    dataset = serialized.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(rows, drop_remainder=True).map(finish)
    count = max(num_steps - start_step, 0) * replicas_per_worker
    dataset = dataset.take(count).apply(tf.data.experimental.assert_cardinality(count))
    return dataset.prefetch(tf.data.AUTOTUNE)


def evaluation_dataset(
    directory: str | os.PathLike,
    *,
    tokenizer: Tokenizer,
    image_sizes: Sequence[int],
    batch_size: int,
    split: str = "test",
    crop: bool = True,
) -> tf.data.Dataset:
    """Returns one pass over a split, in stored order, without any randomness.

    No record is skipped, because a score must include all images of the split. One that cannot be
    read is an error, at once or, if it is only then detected, during reading.

    Args:
        directory: What `prepare_data` wrote.
        tokenizer: A tokenizer with the data set's vocabulary.
        image_sizes: The sizes of the stages in pixels, ascending.
        batch_size: Images in a batch; the last may be smaller.
        split: `train`, `validation` or `test`.
        crop: Whether to take the middle 64/76 of the shorter side, on the scale of training's
            crops; if not, the largest square in the middle.

    Returns:
        A dataset of dicts like those of `training_dataset`, with the first caption of each image,
        `token_ids` as wide as the batch's longest caption, and in addition `captions`, string
        (batch,).

    Raises:
        InputError: If the directory has no such data, or not for these sizes or this vocabulary.
            For an error that names a shard damaged later, iterate within `readable.reading(info)`.
    """
    info = load_dataset_info(directory)
    check_tokenizer(info, tokenizer)
    sizes = _checked_sizes(info, image_sizes)
    if batch_size < 1:
        raise InputError(f"Expected a batch size of 1 or more. Received: {batch_size}.")

    def load(record):
        example = records.parse_example(record)
        middle = tf.constant([0.5, 0.5]) if crop else None
        image = decode_jpeg(checked_jpeg(example["image"]))
        return {
            "images": crop_and_resize(image, sizes, middle),
            "captions": example["captions"][0],
            "class_ids": tf.cast(example["class_id"], tf.int32),
        }

    def finish(batch):
        token_ids = tokenizer.in_graph(batch["captions"], cut=True).to_tensor()
        return {**batch, "images": _normalised(batch["images"]), "token_ids": token_ids}

    dataset = records.open_records(info, split).map(
        load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return dataset.batch(batch_size).map(finish).prefetch(tf.data.AUTOTUNE)


def _checked_sizes(info: DatasetInfo, image_sizes: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(image_sizes)
    if not sizes or min(sizes) < 1 or list(sizes) != sorted(sizes):
        raise InputError(f"Expected ascending image sizes. Received: {sizes}.")
    info.check_image_size(max(sizes))
    return sizes


def _rows_of_replica(batch_size: int, worker: tuple[int, int], replicas_per_worker: int) -> int:
    index, count = worker
    if not 0 <= index < count or replicas_per_worker < 1:
        raise InputError(
            f"Expected a worker from 0 to {count - 1}, with a replica or more. Received: worker "
            f"{index} with {replicas_per_worker}."
        )
    if batch_size % (count * replicas_per_worker):
        raise InputError(
            f"Expected a batch size that {count} worker(s) of {replicas_per_worker} replica(s) can "
            f"share evenly. Received: {batch_size}. Take a multiple of "
            f"{count * replicas_per_worker}."
        )
    return batch_size // (count * replicas_per_worker)


def _word_shares(words: tf.RaggedTensor, num_words: int) -> tf.Tensor:
    """The share of captions that contain each word, of the ids (captions, words) of an image."""
    words = tf.ragged.boolean_mask(words, words < num_words)
    contained = tf.math.bincount(
        words, minlength=num_words, maxlength=num_words, axis=-1, binary_output=True
    )
    return tf.reduce_mean(tf.cast(contained, tf.float32), axis=0)


def _normalised(images: Sequence[tf.Tensor]) -> tuple[tf.Tensor, ...]:
    return tuple(image * (1 / 127.5) - 1 for image in images)


def training_captions(
    info: DatasetInfo, readable: ReadableRecords | None, num_images: int
) -> list[str]:
    """Returns all captions of random images of the training split, always the same ones.

    Args:
        info: The data set.
        readable: See `training_dataset`.
        num_images: How many images; fewer are used of a smaller split.
    """
    dataset = shuffled_epochs(
        info, "train", batch_size=1, seed=0, start_step=0, cache=False, readable=readable
    )
    dataset = dataset.take(min(num_images, info.split("train").num_images))
    captions = dataset.map(lambda _, record: records.parse_example(record)["captions"])
    with reading(info, readable):
        return [text.decode("utf-8") for texts in captions.as_numpy_iterator() for text in texts]


def some_captions(directory: str | os.PathLike, split: str, count: int) -> list[str]:
    """Returns the first captions of images spread evenly over a split, without decoding images.

    They are for display, not for scores, so an image that cannot be read is replaced by another.

    Args:
        directory: What `prepare_data` wrote.
        split: `train`, `validation` or `test`.
        count: How many captions; fewer come back from a split of fewer images.

    Returns:
        The captions, always the same ones in the same order.

    Raises:
        InputError: If the directory has no such data, or no image of it can be read.
    """
    info = load_dataset_info(directory)
    places = [
        (info.directory / shard.file, number)
        for shard in info.split(split).shards
        for number in range(shard.num_images)
    ]
    spread = places[:: max(1, len(places) // max(count, 1))][:count]
    starts_of = functools.cache(lambda path: record_file.find_records(path)[0])
    captions, passed_over = [], 0
    for path, number in dict.fromkeys([*spread, *places]):
        if len(captions) == count:
            break
        try:
            start = starts_of(path)[number]
            captions.append(_first_caption(str(path), start).numpy().decode("utf-8"))
        except (OSError, IndexError, UnicodeDecodeError, tf.errors.OpError):
            passed_over += 1
    if passed_over:
        _logger.warning(
            "%d unreadable images of %r in %s are not used for sample captions.",
            *(passed_over, split, info.directory),
        )
    if not captions and count > 0:
        raise InputError(
            f"Expected captions in the split {split!r} of {info.directory}. Received: none that "
            "can be read. Restore the files, or prepare the data set again with --overwrite."
        )
    return captions


@tf.function(input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)])
def _first_caption(path: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    record = next(iter(record_file.read_runs(path, [(start, 1)])))
    return records.parse_example(record)["captions"][0]
