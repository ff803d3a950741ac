r"""Trains and tests the network of `evaluate --metrics=attributes`.

It is trained on separate renders, including held-out pairs, and is tested on the test pictures of
the models' data: unchanged, blurred, and with noise.

  python -m dmgan_tf.prepare_data --dataset=avatars --seed=1 --test_fraction=0.3 --image_size=64 \
      --output=data/avatars_for_reader
  python -m dmgan_tf.prepare_data --dataset=avatars --image_size=64 --output=data/avatars
  python benchmarks/attribute_reader.py --train=data/avatars_for_reader --test=data/avatars \
      --output=reader.npz
  python benchmarks/attribute_reader.py --train=data/avatars_for_reader --test=data/avatars \
      --init=reader.npz --learning_rate=1e-3 --epochs=4

Without --train it tests the reader of --init, by default that of the package.
"""

import time

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from dmgan_tf import command
from dmgan_tf.data.stored import list_captions, stored_images
from dmgan_tf.models.attribute_reader import (
    SIZE,
    AttributeReader,
    answers,
    heads_of,
    load_attribute_reader,
)

_BATCH = 128
_SHIFT = 2  # pixels, either way
_BLUR = 0.8  # pixels, at most
_NOISE = 6.0  # levels of 255, at most

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("train", [], "Data sets to train on, all splits; repeatable.")
flags.DEFINE_string("test", None, "Data set whose test split it is tested on.", required=True)
flags.DEFINE_string("init", None, "A reader to start from, or to test.")
flags.DEFINE_integer("epochs", 6, "Passes over the training data.")
flags.DEFINE_float("learning_rate", 2e-3, "Of Adam, after 100 steps; it falls to nearly zero.")
flags.DEFINE_string("output", "attribute_reader.npz", "Output file of the trained reader.")


def main():
    test_images, test_attributes = _load(FLAGS.test, ["test"])
    if FLAGS.train:
        loaded = [_load(directory, ["train", "test"]) for directory in FLAGS.train]
        images, attributes = zip(*loaded, strict=True)
        reader = _trained(np.concatenate(images), sum(attributes, []))
        reader.save(FLAGS.output)
    reader = load_attribute_reader(FLAGS.output if FLAGS.train else FLAGS.init)
    _report(reader, test_images, test_attributes)


def _load(directory, splits):
    images, attributes = [], []
    for split in splits:
        dataset = stored_images(directory, split=split, size=SIZE, crop=False, batch_size=256)
        images += [batch.numpy() for batch in dataset]
        attributes += list_captions(directory, split).attributes
    return np.concatenate(images), attributes


def _trained(images, attributes):
    reader = load_attribute_reader(FLAGS.init) if FLAGS.init else None
    reader = reader or AttributeReader(heads_of(attributes))
    heads = reader.heads
    targets = answers(heads, attributes)
    print(f"{reader.count_params():,} parameters, {sum(len(h.values) for h in heads)} values")

    def loss(target, logits):
        target, total = tf.cast(target, tf.int32), 0.0
        for column, part in enumerate(reader.slices):
            asked = target[:, column] >= 0
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.maximum(target[:, column], 0), logits[:, part]
            )
            total += tf.where(asked, entropy, 0.0)
        return total

    dataset = tf.data.Dataset.from_tensor_slices((images, targets.astype("int32")))
    dataset = dataset.shuffle(len(images)).batch(_BATCH, drop_remainder=True)
    dataset = dataset.map(lambda x, y: (_disturbed(x), y), tf.data.AUTOTUNE).prefetch(2)
    steps = FLAGS.epochs * (len(images) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-5, steps, warmup_target=FLAGS.learning_rate, warmup_steps=100
    )
    reader.compile(keras.optimizers.Adam(rate), loss)
    started = time.monotonic()
    reader.fit(dataset, epochs=FLAGS.epochs, verbose=2)
    print(f"trained in {time.monotonic() - started:.0f} s")
    return reader


def _disturbed(images):
    """Shifts, blurs and adds noise, by random amounts per batch; every second one is sharp."""
    x = tf.cast(images, tf.float32)
    x = tf.pad(x, [[0, 0], [_SHIFT] * 2, [_SHIFT] * 2, [0, 0]], "SYMMETRIC")
    x = tf.image.random_crop(x, tf.stack([tf.shape(images)[0], SIZE, SIZE, 3]))
    x = _blurred(x, tf.maximum(tf.random.uniform([], -_BLUR, _BLUR), 0.0))
    return x + tf.random.normal(tf.shape(x)) * tf.random.uniform([], 0.0, _NOISE)


def _blurred(images, deviation):
    """Returns images (batch, height, width, 3) under a Gaussian of a deviation in pixels."""
    places = tf.range(-3.0, 4.0)
    kernel = tf.exp(-0.5 * (places / tf.maximum(deviation, 1e-3)) ** 2)
    kernel = kernel / tf.reduce_sum(kernel)
    x = tf.pad(images, [[0, 0], [3, 3], [3, 3], [0, 0]], "SYMMETRIC")
    for shape in ((7, 1, 1, 1), (1, 7, 1, 1)):
        filters = tf.tile(tf.reshape(kernel, shape), [1, 1, 3, 1])
        x = tf.nn.depthwise_conv2d(x, filters, [1, 1, 1, 1], "VALID")
    return x


def _report(reader, images, attributes):
    targets = answers(reader.heads, attributes)
    random = np.random.default_rng(0)
    pixels = tf.constant(images, tf.float32)
    noise = random.normal(0, 4, images.shape).astype("float32")
    versions = {
        "unchanged": pixels,
        "blurred by 0.5 px": _blurred(pixels, tf.constant(0.5)),
        "noise of 4 levels": pixels + noise,
    }
    shares = {}
    for name, version in versions.items():
        rounded = tf.clip_by_value(tf.round(version), 0, 255)
        logits = reader.predict(rounded, batch_size=256, verbose=0)
        shares[name] = np.array(
            [
                np.mean(logits[asked, part].argmax(-1) == targets[asked, column])
                for column, part in enumerate(reader.slices)
                for asked in [targets[:, column] >= 0]
            ]
        )
    print(f"\n| style | attribute | values | {' | '.join(versions)} |")
    print("|---|---|---|---|---|---|")
    worst = np.argsort(np.min(list(shares.values()), axis=0))
    for row in worst:
        head = reader.heads[row]
        cells = " | ".join(f"{100 * values[row]:.2f} %" for values in shares.values())
        print(f"| {head.style} | {head.attribute} | {len(head.values)} | {cells} |")
    cells = " | ".join(f"{100 * values.mean():.2f} %" for values in shares.values())
    print(f"| mean | | | {cells} |")
    confusion(reader, images, targets)


def confusion(reader, images, targets):
    """Prints the pairs of values that are confused most often."""
    logits = reader.predict(images, batch_size=256, verbose=0)
    found = []
    for column, (head, part) in enumerate(zip(reader.heads, reader.slices, strict=True)):
        asked = targets[:, column] >= 0
        said = logits[asked, part].argmax(-1)
        wrong = said != targets[asked, column]
        pairs = zip(targets[asked, column][wrong], said[wrong], strict=True)
        for pair in set(pairs):
            count = np.sum((targets[asked, column] == pair[0]) & (said == pair[1]))
            found.append((count, head.style, head.attribute, *(head.values[i] for i in pair)))
    for count, style, attribute, true, said in sorted(found, reverse=True)[:12]:
        print(f"{count} of {len(images)}: {style} {attribute} {true!r} read as {said!r}")


if __name__ == "__main__":
    command.run(main)
