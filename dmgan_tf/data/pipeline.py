"""Prepared data sets to batches of tensors.

Every batch of training is a function of the seed and the step alone: orders, crops, flips and the
choice of captions come from stateless random numbers. So a run that stops and goes on sees what an
uninterrupted one sees.
"""

import os
from collections.abc import Sequence

import tensorflow as tf

from dmgan_tf.data import records
from dmgan_tf.data.augmentation import crop_and_resize, decode_jpeg, random_words
from dmgan_tf.data.records import DatasetInfo, load_dataset_info
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import check_same_vocabulary

_SHUFFLE_BUFFER = 4096  # encoded records: some 200 MB of photographs
_OPEN_SHARDS = 8
_CACHE_LIMIT = 2**30  # bytes


def check_tokenizer(info: DatasetInfo, tokenizer: Tokenizer) -> None:
    """Raises an error if a data set was prepared with another vocabulary than the tokenizer's.

    Args:
        info: The data set.
        tokenizer: The tokenizer, usually an encoder's.

    Raises:
        InputError: If the vocabularies differ; it names both.
    """
    if info.vocabulary_sha256 != tokenizer.vocabulary.sha256:
        check_same_vocabulary(
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
    seed: int = 0,
    start_step: int = 0,
    cache: bool | None = None,
) -> tf.data.Dataset:
    """Returns the batches of training, a pure function of `seed` and step.

    One random caption an image. Of a caption that is too long, a random subset of the words is
    kept, in order. The crop is a random square of 64/76 of the shorter side, and every stage's
    size is resized from it by antialiased bilinear filtering, as the authors' release does.

    Reference:
        Zhu et al. 2019, section 4 (Implementation details), and the release's `datasets.py`.

    Args:
        directory: What `prepare_data` wrote.
        tokenizer: A tokenizer with the data set's vocabulary.
        image_sizes: The sizes of the stages in pixels, ascending.
        batch_size: Images in a batch, over all replicas.
        num_steps: The number of the step to stop before.
        max_words: Words of a caption to keep.
        split: `train`, `validation` or `test`.
        flip: Whether to mirror every second image; switch it off if captions say "left".
        crop: Whether to crop at random; if not, the largest square in the middle is used.
        seed: Any integer.
        start_step: The number of the first step; 0 for a new run.
        cache: Whether to hold the encoded images in memory; None to hold up to 1 GiB. It does not
            change the batches.

    Returns:
        A dataset of `num_steps - start_step` batches: dicts of `images`, a tuple of float32
        (batch, size, size, 3) in [-1, 1], one a size; `token_ids`, int32 (batch, max_words),
        padded with 0 on the right; `class_ids`, int32 (batch,).

    Raises:
        InputError: If the directory holds no such data, or not for these sizes or this vocabulary,
            or a shard to hold in memory is damaged. For one that is read later, iterate within
            `records.reading(info)`.
    """
    info = load_dataset_info(directory)
    check_tokenizer(info, tokenizer)
    sizes = _checked_sizes(info, image_sizes)
    if max_words < 1:
        raise InputError(f"Expected max_words of 1 or more. Received: {max_words}.")
    steps = steps_per_epoch(directory, split, batch_size)
    serialized = _epochs(info, split, batch_size, steps, seed, start_step, cache)

    def load(position, record):
        example = records.parse_example(record)
        draws = tf.random.stateless_uniform([4], seed=tf.stack([seed, position]))
        num_captions = tf.size(example["captions"])
        chosen = tf.cast(draws[0] * tf.cast(num_captions, tf.float32), tf.int32)
        image = decode_jpeg(example["image"])
        if flip:
            image = tf.cond(draws[1] < 0.5, lambda: tf.reverse(image, [1]), lambda: image)
        return {
            "images": crop_and_resize(image, sizes, draws[2:] if crop else None),
            "caption": example["captions"][tf.minimum(chosen, num_captions - 1)],
            "class_ids": tf.cast(example["class_id"], tf.int32),
            "position": position,
        }

    def finish(batch):
        words = tokenizer.in_graph(batch["caption"])
        # Folded, because `load` draws for the batch's first example from these two numbers.
        word_seed = tf.stack([seed, batch["position"][0]])
        word_seed = tf.random.fold_in(word_seed, tf.constant(1, tf.int64))
        token_ids = random_words(words, max_words, batch_size, word_seed)
        return {
            "images": _normalised(batch["images"]),
            "token_ids": token_ids,
            "class_ids": batch["class_ids"],
        }

    dataset = serialized.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(batch_size, drop_remainder=True).map(finish)
    count = max(num_steps - start_step, 0)
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
        InputError: If the directory holds no such data, or not for these sizes or this vocabulary.
            For one that names a damaged shard, iterate within `records.reading(info)`.
    """
    info = load_dataset_info(directory)
    check_tokenizer(info, tokenizer)
    sizes = _checked_sizes(info, image_sizes)
    if batch_size < 1:
        raise InputError(f"Expected a batch size of 1 or more. Received: {batch_size}.")

    def load(record):
        example = records.parse_example(record)
        middle = tf.constant([0.5, 0.5]) if crop else None
        return {
            "images": crop_and_resize(decode_jpeg(example["image"]), sizes, middle),
            "captions": example["captions"][0],
            "class_ids": tf.cast(example["class_id"], tf.int32),
        }

    def finish(batch):
        token_ids = tokenizer.in_graph(batch["captions"]).to_tensor()
        return {**batch, "images": _normalised(batch["images"]), "token_ids": token_ids}

    dataset = records.open_records(info.shard_paths(split), info.split(split).num_images)
    dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.batch(batch_size).map(finish).prefetch(tf.data.AUTOTUNE)


def _checked_sizes(info: DatasetInfo, image_sizes: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(image_sizes)
    if not sizes or min(sizes) < 1 or list(sizes) != sorted(sizes):
        raise InputError(f"Expected ascending image sizes. Received: {sizes}.")
    info.check_image_size(max(sizes))
    return sizes


def _epochs(info, split, batch_size, steps, seed, start_step, cache) -> tf.data.Dataset:
    """Returns (position, record) pairs without end, each epoch in an order of its own.

    A position counts the examples of all epochs; it is the seed of what happens to its example.
    """
    paths = info.shard_paths(split)
    read_shard = _shard_reader(info, split, cache)
    first_epoch, first_step = divmod(start_step, steps)
    per_epoch = steps * batch_size

    def epoch_of_records(epoch):
        # Negative, where the seeds of examples hold their position: no two of these are the same.
        epoch_seed = tf.stack([seed, -1 - epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(len(paths)), epoch_seed)
        shuffle_seed = tf.random.stateless_uniform(
            [], epoch_seed, minval=1, maxval=tf.int64.max, dtype=tf.int64
        )
        dataset = tf.data.Dataset.from_tensor_slices(order)
        dataset = dataset.interleave(
            read_shard,
            cycle_length=_OPEN_SHARDS,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        # A dataset's seed is mixed with the global one, which is the caller's and may be any: this
        # sets the seed of the graph that is being traced here, and of nothing else.
        tf.random.set_seed(1)
        dataset = dataset.shuffle(_SHUFFLE_BUFFER, shuffle_seed, reshuffle_each_iteration=False)
        dataset = dataset.take(per_epoch)
        positions = tf.data.Dataset.range(epoch * per_epoch, (epoch + 1) * per_epoch)
        done = tf.where(epoch == first_epoch, tf.cast(first_step * batch_size, tf.int64), 0)
        return tf.data.Dataset.zip(positions, dataset).skip(done)

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    return epochs.flat_map(epoch_of_records)


def _shard_reader(info: DatasetInfo, split: str, cache: bool | None):
    """Returns a function from a shard's number to the dataset of its records."""
    paths, shards = info.shard_paths(split), info.split(split).shards
    lengths = tf.constant([shard.num_images for shard in shards], tf.int64)
    if cache is None:
        cache = sum(os.path.getsize(path) for path in paths) <= _CACHE_LIMIT
    if not cache:
        return lambda index: records.open_records(tf.gather(paths, index), lengths[index])
    ends = tf.cumsum(lengths)
    held = tf.constant([r for shard in shards for r in records.read_shard(info, shard)], tf.string)

    def read(index):
        start = tf.where(index > 0, ends[tf.maximum(index - 1, 0)], 0)
        return tf.data.Dataset.from_tensor_slices(held[start : ends[index]])

    return read


def _normalised(images: Sequence[tf.Tensor]) -> tuple[tf.Tensor, ...]:
    return tuple(image * (1 / 127.5) - 1 for image in images)


def some_captions(directory: str | os.PathLike, split: str, count: int) -> list[str]:
    """Returns the first captions of images spread evenly over a split, without decoding images.

    Args:
        directory: What `prepare_data` wrote.
        split: `train`, `validation` or `test`.
        count: How many captions; fewer come back from a split of fewer images.

    Returns:
        The captions, in stored order, always the same.

    Raises:
        InputError: If the directory holds no such data, or a shard is damaged.
    """
    info = load_dataset_info(directory)
    num_images = info.split(split).num_images
    dataset = records.open_records(info.shard_paths(split), num_images)
    dataset = dataset.shard(max(1, num_images // max(count, 1)), 0).take(count)
    dataset = dataset.map(lambda record: records.parse_example(record)["captions"][0])
    with records.reading(info):
        return [caption.decode("utf-8") for caption in dataset.as_numpy_iterator()]
