r"""Measures which attributes of drawings a DAMSM tells apart, and so can teach a generator.

Each picture is compared with captions that name one attribute only, such as "a flat drawing of a
smiling person", ten for each of its values; the DAMSM is right if those of the true value have
the highest mean score, after the mean over all pictures is subtracted.

  python benchmarks/damsm_attributes.py --damsm=runs/quickstart/damsm --data=runs/quickstart/data
"""

import random

import numpy as np
from absl import flags

from dmgan_tf import command
from dmgan_tf.data.sources.avatars.captions import write_captions
from dmgan_tf.data.sources.avatars.source import load_style
from dmgan_tf.data.stored import list_captions, stored_images
from dmgan_tf.errors import InputError
from dmgan_tf.losses import sentence_matching_scores, word_matching_scores
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.text.tokenizer import Tokenizer

MOST_CAPTIONS = 10  # of a value
BATCH = 100

FLAGS = flags.FLAGS


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("damsm", None, "Run or model directory of pretrain_damsm.")
    flags.DEFINE_string("data", None, "Data of prepare_data --dataset=avatars.")
    flags.DEFINE_integer("num_images", 400, "Held-out pictures to compare.", lower_bound=2)


def main():
    """Compares, and prints a table for each style."""
    if not (FLAGS.damsm and FLAGS.data):
        raise InputError("Expected --damsm=MODEL and --data=DIR. Received: not both.")
    model = load_model_directory(FLAGS.damsm)
    attributes = list_captions(FLAGS.data, "test").attributes[: FLAGS.num_images]
    if not any(attributes):
        raise InputError(f"Expected data of --dataset=avatars. Received: {FLAGS.data}.")
    size = model.image_encoder.input_size
    dataset = stored_images(FLAGS.data, split="test", size=size, crop=False, batch_size=BATCH)
    features = [
        model.image_encoder(images.numpy() / np.float32(127.5) - 1)
        for images in dataset.take(-(-len(attributes) // BATCH))
    ]
    features = {
        name: np.concatenate([part[name] for part in features])[: len(attributes)]
        for name in features[0]
    }
    print("| style | attribute | values | pictures | right by words | right by sentence |")
    print("|---|---|---|---|---|---|")
    for name in sorted({seen["style"] for seen in attributes}):
        rows = [row for row, seen in enumerate(attributes) if seen["style"] == name]
        own = {key: value[rows] for key, value in features.items()}
        style = load_style(name)
        for attribute in style.attributes:
            seen = [attributes[row].get(attribute) for row in rows]
            print(table_row(model, style, attribute, own, seen), flush=True)


def table_row(model, style, attribute, features, seen):
    """One attribute's share of pictures whose own value has the highest score."""
    captions, values = zip(*captions_of(style, attribute), strict=True)
    token_ids = Tokenizer(model.vocabulary).encode_batch(captions)
    text = model.text_encoder(token_ids)
    scores = (
        word_matching_scores(features["region_features"], text["word_features"], token_ids != 0),
        sentence_matching_scores(features["image_code"], text["sentence_embedding"]),
    )
    said = sorted(set(values))
    rows = [row for row, value in enumerate(seen) if value in said]
    true = np.array([said.index(seen[row]) for row in rows])
    shares = []
    for score in map(np.asarray, scores):
        columns = [score[:, np.array(values) == value].mean(axis=1) for value in said]
        table = np.stack(columns, axis=1)
        table -= table.mean(axis=0)
        shares.append(f"{np.mean(table[rows].argmax(axis=1) == true):.1%}")
    return f"| {style.name} | {attribute} | {len(said)} | {len(rows)} | {' | '.join(shares)} |"


def captions_of(style, attribute):
    """Pairs of a caption that names this attribute alone, and the value that it names."""
    for value, described in style.attributes[attribute].values.items():
        if described.phrases:
            only = {attribute: value}
            captions = write_captions(style, only, MOST_CAPTIONS, random.Random(0))
            yield from ((caption, value) for caption, _ in captions)


if __name__ == "__main__":
    define_flags()
    command.run(main)
