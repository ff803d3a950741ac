r"""Measures the benefit of word vectors for words that no training caption has.

Captions with some words, synonyms of others, are removed from the training split. A DAMSM is
trained on the rest without and with word vectors; the retrieval of both is measured with captions
of held-out pictures: the first of each, as in training; and only those with a word that no training
caption has but that has a vector. The settings are those of `pretrain_damsm`:

  python benchmarks/unseen_words.py --data=data/avatars --output=runs/unseen \
      --word_vectors=glove --flagfile=configs/quickstart_damsm.flags

--words= (an empty list) removes none, and uses the words that the training captions already lack.
The results are kept: OUTPUT/data and OUTPUT/unseen, data directories to train a generator and to
score its attributes, and the runs OUTPUT/learned and OUTPUT/vectors. Existing ones are used.
"""

import dataclasses
import hashlib
import itertools
import pathlib

import tensorflow as tf
from absl import flags

from dmgan_tf import command
from dmgan_tf.data import records
from dmgan_tf.data.pipeline import evaluation_dataset
from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.text.words import split_words
from dmgan_tf.training.config import PretrainingConfig
from dmgan_tf.training.damsm import DAMSM
from dmgan_tf.training.damsm_run import pretrain_damsm
from dmgan_tf.training.retrieval_validation import RetrievalValidation

# A tenth of the words of avatars; for each, captions have another word or phrase that remains.
SYNONYMS = (
    "angry astonished backdrop bonnet bunches checkered chestnut chubby creature crimson critter "
    "eyeglasses fringe ginger golden grey houseplant jumper laughing lilac maroon moustache navy "
    "picture plaits pullover shades silver spectacles tanned tee turquoise unhappy violet"
).split()

FLAGS = flags.FLAGS


def define_flags():
    """Declares the flags of this benchmark, and those of `pretrain_damsm`."""
    command.define_path("data", None, "Data directory that prepare_data made.")
    command.define_path("output", None, "Directory for data and runs; existing ones are used.")
    flags.DEFINE_list("words", SYNONYMS, "Words to keep out of training, comma-separated.")
    command.define_settings(PretrainingConfig)


def main():
    """Prepares, trains twice, and prints a table."""
    command.check_given("data", "output")
    config = command.read_settings(PretrainingConfig)
    if not config.word_vectors:
        raise InputError("Expected --word_vectors=FILE or glove. Received: none.")
    output = pathlib.Path(FLAGS.output)
    models = {
        "learned": dataclasses.replace(config, word_vectors=None, word_embedding="learned"),
        "vectors": config,
    }
    if not (output / "data" / records.INFO_FILE).exists():
        keep_out(FLAGS.data, output / "data", set(FLAGS.words))
    for name, settings in models.items():
        pretrain_damsm(settings, output / "data", output / name, resume=True)
    if not (output / "unseen" / records.INFO_FILE).exists():
        keep_unseen(output / "data", output / "unseen", output / "vectors")
    print("| text encoder | all held-out captions | captions with an unseen word |")
    print("|---|---|---|")
    for name in models:
        cells = [retrieval(output / name, output / data, config) for data in ("data", "unseen")]
        print(f"| {name} | {' | '.join(cells)} |")


def keep_out(source, target, words):
    """Copies a data directory without the training captions that contain one of some words."""
    info = records.load_dataset_info(source)

    def is_kept(split, caption):
        return split != "train" or words.isdisjoint(split_words(caption))

    examples = selected(
        info, [name for name in info.splits if info.splits[name].num_images], is_kept
    )
    texts = [text for example in examples["train"] for text in captions_of(example)]
    vocabulary = Vocabulary.from_captions(texts)
    write(info, target, examples, vocabulary)
    held = info.vocabulary()
    out = [word for word in held.words[1:] if vocabulary.id_of(word) is None]
    print(f"{len(out)} of {len(held) - 1} words are in no training caption: {', '.join(out)}")
    print(f"{len(texts)} of {info.split('train').num_captions} training captions are left")


def keep_unseen(source, target, run):
    """Writes only the held-out captions with a word that a model knows only by its vector."""
    info, known = records.load_dataset_info(source), load_model_directory(run).vocabulary
    unseen = set(known.words[1:]).difference(known.trained_words)

    def is_kept(split, caption):
        return not unseen.isdisjoint(known.split(caption))

    examples = selected(info, ["test"], is_kept)
    if not examples["test"]:
        raise InputError(f"Expected test captions of {source} with an unseen word. Received: none.")
    write(info, target, examples, info.vocabulary())


def selected(info, splits, is_kept):
    """The examples of some splits with their kept captions; those without any are omitted."""
    chosen = {split: [] for split in splits}
    for split in splits:
        for serialized in records.open_records(info, split).as_numpy_iterator():
            example = tf.train.Example.FromString(serialized)
            kept = [is_kept(split, text) for text in captions_of(example)]
            for name in ("captions", "named"):
                if name in example.features.feature:
                    values = example.features.feature[name].bytes_list.value
                    values[:] = list(itertools.compress(values, kept))
            if any(kept):
                chosen[split].append(example)
    return chosen


def captions_of(example):
    """The captions of a stored example."""
    return [text.decode() for text in example.features.feature["captions"].bytes_list.value]


def write(info, target, examples, vocabulary):
    """Writes a data directory of one file per split; its description is written last."""
    target.mkdir(parents=True, exist_ok=True)
    vocabulary.save(target / records.VOCABULARY_FILE)
    splits, digest = {}, hashlib.sha256(vocabulary.sha256.encode())
    for split, chosen in examples.items():
        shard = records.Shard(records.shard_name(split, 0, 1), len(chosen))
        with tf.io.TFRecordWriter(str(target / shard.file)) as writer:
            for example in chosen:
                serialized = example.SerializeToString(deterministic=True)
                writer.write(serialized)
                digest.update(serialized)
        classes = {example.features.feature["class_id"].int64_list.value[0] for example in chosen}
        counts = len(chosen), sum(map(len, map(captions_of, chosen))), len(classes)
        splits[split] = records.Split(*counts, (shard,))
    changed = dataclasses.replace(
        info,
        directory=target,
        vocabulary_sha256=vocabulary.sha256,
        vocabulary_size=len(vocabulary),
        splits=splits,
        skipped={},
        fingerprint=digest.hexdigest(),
        files=None,
    )
    (target / records.INFO_FILE).write_text(changed.to_json(), encoding="utf-8")


def retrieval(run, data, config):
    """Retrieval accuracy of test pictures among 100 captions, and chance."""
    model, info = load_model_directory(run), records.load_dataset_info(data)
    size = config.image_size or info.image_size
    damsm = DAMSM(model.text_encoder, model.image_encoder, size)
    dataset = evaluation_dataset(
        data,
        tokenizer=Tokenizer(model.vocabulary),
        image_sizes=(size,),
        batch_size=config.batch_size,
        split="test",
        crop=config.crop,
    )
    accuracy, chance = RetrievalValidation(damsm, dataset).evaluate()
    return f"{accuracy:.1%} of {info.split('test').num_images} (chance {chance:.1%})"


if __name__ == "__main__":
    define_flags()
    command.run(main)
