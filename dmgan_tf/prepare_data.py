r"""Converts captioned images to sharded TFRecords and a vocabulary.

The source is one of:

image_folder: a metadata.jsonl, one JSON object a line with "file_name", "text" (a caption or a list
of them; --caption_field names another field) and, optionally, "class_id"; or a file of captions
beside each image, one caption per line: NAME.txt, NAME.jpg.txt or NAME.caption beside NAME.jpg.
Images in train/, validation/ (or val/, dev/, ...) and test/ keep that split, whether the
metadata.jsonl is in each of these folders or above them. Without a test/, a fixed part of the
classes is held out for testing. Class ids say which images show the same thing.

cub: CUB-200-2011 with the captions and the split of AttnGAN and DM-GAN: their archive birds/, with
text/, train/ and test/, and in it CUB_200_2011/ with images/, images.txt and bounding_boxes.txt; or
birds/ in CUB_200_2011/. Images are cropped around the bird.

coco: MS-COCO 2014: annotations/ with captions_train2014.json and captions_val2014.json, or train/,
test/ and the texts (in text/, or train2014/ and val2014/) of the archive of AttnGAN and DM-GAN;
images in train2014/ and val2014/ or images/.

avatars: drawings of people, creatures and plants in styles of DiceBear, generated from named parts
and colours, with captions that name them; needs no --source (pip install "dmgan_tf[avatars]").

A captions.pickle beside the lists of cub or coco gives the vocabulary, unchanged, since an encoder
of the release works only with that one.

To choose a model by its scores while it trains, hold out classes of the training split with
--validation_fraction, never the test split; the paper and the release train on all of them.

Links are followed. Every file in the source is counted: used, skipped with the reason, or ignored,
such as hidden files; skipped.txt in the output has the names.

An interrupted preparation continues where it stopped when the same command is run again. If images
were repaired in place since, the same command prepares them again; a copy of the source counts as
the same source.

Examples:

  python -m dmgan_tf.prepare_data --source=DIR --output=data/birds --image_size=256

  # The data set that ships with the package:
  python -m dmgan_tf.prepare_data --source=emoji --output=data/emoji --image_size=64

  # Drawings that words can describe, 36,000 of them in a few minutes:
  python -m dmgan_tf.prepare_data --dataset=avatars --output=data/avatars --image_size=64

  # New images for encoders that are trained already:
  python -m dmgan_tf.prepare_data --source=DIR --output=data/new --image_size=256 \
      --vocabulary=runs/damsm/model/vocabulary.txt

  # The data sets of the paper:
  python -m dmgan_tf.prepare_data --dataset=cub --source=birds --output=data/cub
  python -m dmgan_tf.prepare_data --dataset=coco --source=coco --output=data/coco

  # With a twentieth of the training classes held out:
  python -m dmgan_tf.prepare_data --dataset=cub --source=birds --output=data/cub_validation \
      --validation_fraction=0.05
"""

import inspect

from absl import flags

from dmgan_tf import command
from dmgan_tf.convert import caption_pickle
from dmgan_tf.data.sources.metadata_file import CAPTION_FIELD
from dmgan_tf.data.sources.source import SMALL_IMAGE_CHOICES, Source
from dmgan_tf.data.splits import MAX_FRACTION, check_training_classes, hold_out_validation
from dmgan_tf.errors import InputError
from dmgan_tf.registry.catalogue import DATA_SOURCES
from dmgan_tf.registry.lookup import Choice, allow_choice

COMMON_FLAGS = (
    *("source", "output", "image_size", "dataset", "vocabulary"),
    *("validation_fraction", "test_fraction", "small_images", "max_skipped_fraction", "overwrite"),
)


def define_flags() -> None:
    """Declares the flags of this command."""
    flags.DEFINE_string(
        "dataset",
        "image_folder",
        f"How the source is laid out: {', '.join(DATA_SOURCES.names)}, or module:Class, with "
        "arguments as in 'module:Class(argument=value)'.",
    )
    command.define_path(
        "source", None, "The folder of captioned images, or `emoji` for the embedded data set."
    )
    flags.DEFINE_list(
        "styles",
        None,
        "For avatars: comma-separated styles of DiceBear; by default all that have captions.",
    )
    flags.DEFINE_integer("num_images", 36_000, "For avatars: the number of pictures to draw.")
    flags.DEFINE_integer("seed", 0, "For avatars: random seed.")
    flags.DEFINE_string(
        "caption_field",
        CAPTION_FIELD,
        "The field of a metadata.jsonl that holds the captions.",
    )
    command.define_path("output", None, "The directory to write to.")
    flags.DEFINE_integer(
        "image_size", 256, "The largest size in pixels that training will use.", lower_bound=16
    )
    flags.DEFINE_integer(
        "shards",
        None,
        "Number of files of the training split; by default one for 1,024 images.",
        lower_bound=1,
    )
    flags.DEFINE_integer("workers", None, "Threads; by default one per processor.", lower_bound=1)
    flags.DEFINE_float(
        "test_fraction",
        0.1,
        "The fraction of classes (of images, if there are no classes) held out for testing when "
        "the source has no split.",
    )
    flags.DEFINE_float(
        "validation_fraction",
        0.0,
        "The fraction of the training classes (of images, if there are no classes) held out for "
        "validation; 0 for none, as in the paper.",
        lower_bound=0.0,
        upper_bound=MAX_FRACTION,
    )
    command.define_path(
        "vocabulary",
        None,
        "A vocabulary.txt, an encoder's, or a captions.pickle to use unchanged; by default that of "
        "the training captions, or the captions.pickle in the source.",
    )
    flags.DEFINE_boolean(
        "extend_vocabulary",
        False,
        "Add the words of the training captions to --vocabulary, after its own, for a DAMSM that "
        "starts from its encoder (pretrain_damsm --init).",
    )
    flags.DEFINE_integer(
        "min_word_count", 1, "Words rarer than this in the training captions are dropped.", 1
    )
    flags.DEFINE_enum(
        "small_images",
        None,
        SMALL_IMAGE_CHOICES,
        "How to treat an image smaller than image_size; by default error, but for cub and coco "
        "upscale, as the release does.",
    )
    flags.DEFINE_float(
        "max_skipped_fraction",
        None,
        "More unusable images than this fraction are an error; by default 0.1, but 0 for cub and "
        "coco.",
    )
    flags.DEFINE_boolean("overwrite", False, "Replace a data set that the output already contains.")


def main() -> None:
    """Reads the flags, prepares, and says what was written and what was skipped."""
    options = flags.FLAGS
    if not options.output:
        raise InputError("Expected --output=DIR. Received: none. See --help.")
    source = _create_source()
    splits = source.read()
    vocabulary, vocabulary_file = None, options.vocabulary or source.vocabulary_file
    if vocabulary_file:
        vocabulary = caption_pickle.read_vocabulary(vocabulary_file)
        print(f"The vocabulary is that of {vocabulary_file}: {len(vocabulary) - 1} words.")
        if not options.extend_vocabulary:
            splits = source.fit_vocabulary(splits, vocabulary_file, vocabulary)
    origin = options.source or source.name
    divided = hold_out_validation(splits, options.validation_fraction, origin)
    check_training_classes(divided["train"], origin)
    if options.extend_vocabulary:
        vocabulary = _extended(vocabulary, divided["train"])
    account = source.account(divided)
    if account is not None:
        account.warn()

    from dmgan_tf.data import preparation  # slow to import: flags are checked first

    given = options.max_skipped_fraction
    info = preparation.prepare(
        divided,
        options.output,
        name=source.name,
        image_size=options.image_size,
        vocabulary=vocabulary,
        min_word_count=options.min_word_count,
        small_images=options.small_images or source.small_images,
        max_skipped_fraction=source.max_skipped_fraction if given is None else given,
        num_shards=options.shards,
        num_workers=options.workers,
        account=account,
        show_progress=True,
        attribution=source.attribution,
        overwrite=options.overwrite,
    )
    print(_describe(info))
    comparison = source.compare(splits, info)
    if comparison:
        print(comparison)


def _extended(vocabulary, images):
    if vocabulary is None:
        raise InputError(
            "Expected --vocabulary=FILE, whose words come first, with --extend_vocabulary. "
            "Received: none. Give an encoder's vocabulary.txt, or leave --extend_vocabulary out."
        )
    captions = (caption for image in images for caption in image.captions)
    extended = vocabulary.extended(captions, flags.FLAGS.min_word_count)
    print(f"The captions add {len(extended) - len(vocabulary)} words to it.")
    return extended


def _create_source() -> Source:
    """Returns the chosen source, with those of the flags that its constructor takes."""
    options = flags.FLAGS
    choice = Choice.parse(options.dataset)
    allow_choice(choice)
    optional = ("caption_field", "styles", "num_images", "seed")
    given = {name: options[name].value for name in ("test_fraction", "image_size", *optional)}
    given |= {"directory": options.source, **choice.options}
    taken = inspect.signature(DATA_SOURCES.find(choice.name)).parameters
    for name in optional:
        if options[name].present and name not in taken:
            raise InputError(
                f"Expected no --{name} with --dataset={choice.name}, which does not use it. "
                "Leave the flag out."
            )
    if "directory" in taken and not given["directory"]:
        raise InputError("Expected --source=DIR. Received: none. See --help.")
    arguments = {name: value for name, value in given.items() if name in taken}
    return DATA_SOURCES.create(choice, **arguments)


def _describe(info) -> str:
    lines = [f"{info.directory}: {info.vocabulary_size - 1} words"]
    for name, split in info.splits.items():
        lines.append(
            f"  {name}: {split.num_images} images of {split.num_classes} classes, "
            f"{split.num_captions} captions, {len(split.shards)} shard(s)"
        )
    skipped = ", ".join(f"{count} {reason}" for reason, count in info.skipped.items())
    lines.append(f"  skipped: {skipped or 'nothing'}")
    if info.files is not None:
        lines.append(f"  the source has {info.files}")
        elsewhere = sum(split.num_images for split in info.splits.values()) - info.files.images
        if elsewhere:
            lines.append(f"  images outside the source, or with two paths: {elsewhere}")
    return "\n".join(lines)


if __name__ == "__main__":
    define_flags()
    command.run(main)
