r"""Measures what the memory contributes, on drawings with known attributes.

Which caption do pictures follow if only the memory, or only the sentence, is that of another
caption? And is the writing gate larger for the words that the previous image got wrong (the
question of the paper's Figure 6)?

  python benchmarks/memory_words.py --model=runs/avatars --data=data/avatars
"""

import collections

import numpy as np
import tensorflow as tf
from absl import flags

from dmgan_tf import command
from dmgan_tf.data.sources.avatars.source import load_style
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import choose_captions
from dmgan_tf.metrics.attributes import dealt_rows, share_right
from dmgan_tf.models.attribute_reader import answers, load_attribute_reader
from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.text_to_image import DMGANTextToImage, noise_rows, padded_token_ids
from dmgan_tf.text.words import split_words

BATCH = 32
LITTLE_WORDS = set("a an the with and of in on that who is has wears wearing person".split())

FLAGS = flags.FLAGS


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("model", None, "Model or run directory, trained on avatars.")
    flags.DEFINE_string("data", None, "Data of prepare_data --dataset=avatars.")
    flags.DEFINE_string("split", "test", "The split whose captions are drawn.")
    flags.DEFINE_integer("num_images", 1600, "Images to draw.", lower_bound=BATCH)


def main():
    """Draws under four conditions, and prints two tables."""
    if not (FLAGS.model and FLAGS.data):
        raise InputError("Expected --model=MODEL and --data=DIR. Received: not both.")
    model = DMGANTextToImage.from_preset(FLAGS.model)
    count = FLAGS.num_images - FLAGS.num_images % BATCH
    plan = choose_captions(list_captions(FLAGS.data, FLAGS.split), count, 0, {})
    if not plan.named:
        raise InputError(f"Expected data of --dataset=avatars. Received: {FLAGS.data}.")
    reader = load_attribute_reader()
    texts = plan.texts(0, count)
    named = [plan.named[row] for row in plan.rows]
    wanted = answers(reader.heads, named)
    style = next(i for i, head in enumerate(reader.heads) if head.attribute == "style")
    others = dealt_rows(wanted[:, style])
    conditions = {
        "its own caption": (False, False),
        "the memory's words of another": (True, False),
        "the sentence of another": (False, True),
        "both of another": (True, True),
    }
    print("| given | right by its own caption | right by the other |")
    print("|---|---|---|")
    for name, (words, sentence) in conditions.items():
        drawn = draw(model, texts, others, words, sentence)
        said = readings(reader, drawn["images"][-1])
        cells = [right(said, wanted, style), right(said, wanted[others], style)]
        print(f"| {name} | {' | '.join(cells)} |")
        if not (words or sentence):
            own = drawn
    if own["word_gates"]:
        print("\n| refinement | right before it | words | gate if right, if wrong |")
        print("|---|---|---|---|")
        for number, gates in enumerate(own["word_gates"]):
            before = readings(reader, own["images"][number])
            print(gate_row(number, gates, before, wanted, reader, texts, named, style))


def draw(model, texts, others, other_words, other_sentence):
    """Images of every stage, uint8, and word gates, with parts of the text of another caption."""

    @tf.function(reduce_retracing=True)
    def step(token_ids, other_ids, noise, condition_noise):
        own = model.text_encoder(token_ids)
        other = model.text_encoder(other_ids)
        inputs = generator_inputs(
            {
                "word_features": (other if other_words else own)["word_features"],
                "sentence_embedding": (other if other_sentence else own)["sentence_embedding"],
            },
            other_ids if other_words else token_ids,
            noise,
            condition_noise,
        )
        return model.generator(inputs)

    images, gates = collections.defaultdict(list), collections.defaultdict(list)
    width = padded_token_ids(model.tokenizer, texts).shape[1]
    for first in range(0, len(texts), BATCH):
        rows = range(first, first + BATCH)
        ids, other_ids = (
            pad(padded_token_ids(model.tokenizer, [texts[i] for i in of]), width)
            for of in (rows, others[first : first + BATCH])
        )
        outputs = step(ids, other_ids, *noise_rows(model.generator, 0, rows))
        for number, stage in enumerate(outputs["images"]):
            pixels = tf.clip_by_value(tf.round((tf.cast(stage, tf.float32) + 1) * 127.5), 0, 255)
            images[number].append(pixels.numpy())
        for number, gate in enumerate(outputs["word_gates"]):
            gates[number].append(tf.cast(gate, tf.float32).numpy())
    return {
        "images": [np.concatenate(images[number]) for number in sorted(images)],
        "word_gates": [np.concatenate(gates[number]) for number in sorted(gates)],
    }


def pad(token_ids, width):
    """Token ids padded to a width, so that one shape is compiled."""
    return np.pad(token_ids, ((0, 0), (0, width - token_ids.shape[1])))


def readings(reader, images):
    """The prediction of each head, int `(images, heads)`."""
    logits = reader.predict(images, batch_size=128, verbose=0)
    return np.stack([logits[:, part].argmax(-1) for part in reader.slices], axis=1)


def right(said, wanted, style):
    """The fraction of named attributes that are right, as in `evaluate`."""
    hits = (said == wanted) & (said == wanted)[:, [style]]
    asked = wanted >= 0
    asked[:, style] = False
    share = share_right(hits, asked)
    return f"{100 * share.value:.1f} % ± {100 * share.standard_error:.1f}"


def gate_row(number, gates, before, wanted, reader, texts, named, style):
    """The gates of words whose attribute was right in the previous image, and where it was wrong.

    The two are compared word by word, since the gates of words differ for any image: the mean over
    words of the difference, each weighted by the rarer of its two cases.
    """
    found = collections.defaultdict(lambda: ([], []))
    columns = {(head.style, head.attribute): i for i, head in enumerate(reader.heads)}
    asked = rights = 0
    for row, (text, values) in enumerate(zip(texts, named, strict=True)):
        owners = words_of(values)
        for place, word in enumerate(split_words(text)):
            names = [name for name, words in owners.items() if word in words]
            if len(names) != 1:
                continue
            column = columns[values["style"], names[0]]
            is_right = before[row, column] == wanted[row, column]
            found[word][int(is_right)].append(gates[row, place])
        for name in owners:
            column = columns[values["style"], name]
            asked += 1
            rights += before[row, column] == wanted[row, column]
    differences, weights, sides = [], [], [[], []]
    for wrong_gates, right_gates in found.values():
        weight = min(len(wrong_gates), len(right_gates))
        if weight >= 5:
            differences.append(np.mean(wrong_gates) - np.mean(right_gates))
            weights.append(weight)
            sides[0].append(np.mean(right_gates))
            sides[1].append(np.mean(wrong_gates))
    weights = np.array(weights) / np.sum(weights)
    mean = np.sum(weights * differences)
    error = np.sqrt(np.sum(weights**2 * (np.array(differences) - mean) ** 2))
    means = " and ".join(f"{np.sum(weights * side):.3f}" for side in sides)
    return (
        f"| {number + 1} | {100 * rights / asked:.1f} % | {len(weights)} | "
        f"{means}: {mean:+.4f} ± {error:.4f} |"
    )


def words_of(values):
    """The words that may describe each named attribute, without stop words."""
    attributes = load_style(values["style"]).attributes
    return {
        name: {
            word
            for phrase in attributes[name].values[value].phrases
            for word in split_words(phrase)
        }
        - LITTLE_WORDS
        for name, value in values.items()
        if name != "style"
    }


if __name__ == "__main__":
    define_flags()
    command.run(main)
