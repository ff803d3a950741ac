"""The encoded examples of training, epoch after epoch, shuffled anew in each."""

import os
from collections.abc import Callable

import tensorflow as tf

from dmgan_tf.data import records
from dmgan_tf.data.examination import ReadableShard
from dmgan_tf.data.readable import ReadableRecords
from dmgan_tf.data.record_file import read_runs
from dmgan_tf.data.records import DatasetInfo

_SHUFFLE_BUFFER = 4096  # encoded records: some 200 MB of photographs
_OPEN_SHARDS = 8
_CACHE_LIMIT = 2**30  # bytes


def shuffled_epochs(
    info: DatasetInfo,
    split: str,
    *,
    batch_size: int,
    seed: int,
    start_step: int,
    cache: bool | None,
    readable: ReadableRecords | None = None,
) -> tf.data.Dataset:
    """Returns an infinite sequence of (position, record) pairs, whole batches of each epoch.

    A position counts the examples of all epochs; it is the seed of its example's augmentation.
    The length of an epoch is that in `dataset.json`, even if records cannot be read: else the
    positions, and so all random numbers, would depend on which records are damaged.

    Args:
        info: The data set.
        split: `train`, `validation` or `test`.
        batch_size: Images in a batch, over all replicas.
        seed: Any integer.
        start_step: The number of the first step.
        cache: Whether to keep the records in memory; None to keep up to 1 GiB.
        readable: The records to use; None for all.

    Raises:
        InputError: If a shard, or one of its readable records, cannot be read.
    """
    shards = info.split(split).shards
    read_shard = _shard_reader(info, split, cache, readable)
    steps = info.split(split).num_images // batch_size
    first_epoch, first_step = divmod(start_step, steps)
    per_epoch = steps * batch_size
    is_short = readable is not None and readable.num_records < per_epoch

    def epoch_of_records(epoch):
        # Negative, while the seeds of examples contain their position: all are different.
        epoch_seed = tf.stack([seed, -1 - epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(len(shards)), epoch_seed)
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
        # A dataset's seed is combined with the global one, which the caller sets: this
        # sets the seed of the graph that is traced here only.
        tf.random.set_seed(1)
        dataset = dataset.shuffle(_SHUFFLE_BUFFER, shuffle_seed, reshuffle_each_iteration=False)
        if is_short:
            dataset = dataset.repeat()  # the first of this epoch's order again
        dataset = dataset.take(per_epoch)
        positions = tf.data.Dataset.range(epoch * per_epoch, (epoch + 1) * per_epoch)
        done = tf.where(epoch == first_epoch, tf.cast(first_step * batch_size, tf.int64), 0)
        return tf.data.Dataset.zip(positions, dataset).skip(done)

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    return epochs.flat_map(epoch_of_records)


def _shard_reader(
    info: DatasetInfo, split: str, cache: bool | None, readable: ReadableRecords | None
) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns a function from a shard's number to the dataset of its records."""
    shards = info.split(split).shards
    if readable is None:
        records.check_headers(info, shards)
    used = readable.shards if readable else [ReadableShard(s.file, s.num_images) for s in shards]
    paths = [str(info.directory / shard.file) for shard in shards]
    if cache is None:
        cache = sum(os.path.getsize(path) for path in paths if os.path.isfile(path)) <= _CACHE_LIMIT
    if cache:
        held = zip(shards, used, paths, strict=True)
        return _memory_reader([_records_of(info, *part) for part in held])
    runs = tf.ragged.constant(
        [shard.runs for shard in used], dtype=tf.int64, ragged_rank=1, inner_shape=(2,)
    )
    paths = tf.constant(paths)
    return lambda index: read_runs(tf.gather(paths, index), runs[index])


def _memory_reader(held: list[list[bytes]]) -> Callable[[tf.Tensor], tf.data.Dataset]:
    ends = tf.cumsum(tf.constant([len(part) for part in held], tf.int64))
    held = tf.constant([record for part in held for record in part], tf.string)

    def read(index):
        start = tf.where(index > 0, ends[tf.maximum(index - 1, 0)], 0)
        return tf.data.Dataset.from_tensor_slices(held[start : ends[index]])

    return read


def _records_of(
    info: DatasetInfo, shard: records.Shard, used: ReadableShard, path: str
) -> list[bytes]:
    """Reads the records of one shard into memory."""
    try:
        return list(read_runs(path, used.runs).as_numpy_iterator())
    except tf.errors.OpError as error:
        problem = f"a damaged file ({type(error).__name__})"
        raise records.damaged_shard(info, shard, used.num_records, problem) from error
