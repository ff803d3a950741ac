r"""Measures the input pipeline: training examples per second on one core.

Pinned to one processor, with one TensorFlow thread, so that the number is for one core. Prepare the
data first:

  python -m dmgan_tf.prepare_data --source=DIR --output=data/emoji_256 --image_size=256
  python benchmarks/input_pipeline.py --data=data/emoji_256

On a machine with other load, use the best of the repetitions.
"""

import os
import time

import tensorflow as tf
from absl import flags

from dmgan_tf import command
from dmgan_tf.data import pipeline, records
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer

FLAGS = flags.FLAGS

flags.DEFINE_string("data", None, "What prepare_data wrote.")
flags.DEFINE_multi_integer("image_sizes", [64, 128, 256], "The sizes of the stages in pixels.")
flags.DEFINE_integer("batch_size", 16, "Images in a batch.", lower_bound=1)
flags.DEFINE_integer("examples", 4096, "Examples to time in each repetition.", lower_bound=1)
flags.DEFINE_integer("repetitions", 3, "How often to measure.", lower_bound=1)
flags.DEFINE_boolean("cache", True, "Whether to keep the encoded images in memory.")


def main() -> None:
    if not FLAGS.data:
        raise InputError("Expected --data=DIR, a data set that prepare_data wrote. Received: none.")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")
    info = records.load_dataset_info(FLAGS.data)
    warm_up, steps = 4, -(-FLAGS.examples // FLAGS.batch_size)
    dataset = pipeline.training_dataset(
        FLAGS.data,
        tokenizer=Tokenizer(info.vocabulary()),
        image_sizes=FLAGS.image_sizes,
        batch_size=FLAGS.batch_size,
        num_steps=warm_up + steps,
        cache=FLAGS.cache,
    )
    for _ in range(FLAGS.repetitions):
        batches = iter(dataset)
        for _ in range(warm_up):
            next(batches)
        start, busy = time.perf_counter(), time.process_time()
        for _ in range(steps):
            next(batches)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        examples = steps * FLAGS.batch_size
        print(
            f"{examples / seconds:.0f} examples per second, {examples / busy:.0f} per second of "
            f"processor time, at {FLAGS.image_sizes} pixels"
        )


if __name__ == "__main__":
    command.run(main)
