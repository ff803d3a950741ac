r"""Turns captioned images into sharded TFRecords and a vocabulary.

The source is an image folder: a metadata.jsonl, one JSON object a line with "file_name", "text" (a
caption or a list of them) and, optionally, "class_id", in the folder itself or in each of its
train/ and test/; or a NAME.txt beside each NAME.jpg, one caption a line. Without train/ and test/,
a fixed part of the classes is held out for testing. Class ids say which images show the same thing.

An interrupted preparation goes on where it stopped when the same command is given again.

Examples:

  python -m dmgan_tf.prepare_data --source=DIR --output=data/birds --image_size=256

  # The data set that ships with the package:
  python -m dmgan_tf.prepare_data --source=emoji --output=data/emoji --image_size=64

  # New images for encoders that are trained already:
  python -m dmgan_tf.prepare_data --source=DIR --output=data/new --image_size=256 \
      --vocabulary=runs/damsm/model/vocabulary.txt
"""

import pathlib

from absl import flags

from dmgan_tf import command
from dmgan_tf.data import image_folder
from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary


def define_flags() -> None:
    """Declares the flags of this command."""
    flags.DEFINE_enum("dataset", "image_folder", ["image_folder"], "How the source is laid out.")
    flags.DEFINE_string(
        "source", None, "The folder of captioned images, or `emoji` for the embedded data set."
    )
    flags.DEFINE_string("output", None, "The directory to write to.")
    flags.DEFINE_integer(
        "image_size", 256, "The largest size in pixels that training will ask for.", lower_bound=16
    )
    flags.DEFINE_integer(
        "shards",
        None,
        "Files of the training split; by default one for 1,024 images.",
        lower_bound=1,
    )
    flags.DEFINE_integer("workers", None, "Threads; by default one a processor.", lower_bound=1)
    flags.DEFINE_float(
        "test_fraction",
        0.1,
        "The fraction of classes (of images, if there are no classes) held out for testing when "
        "the source has no split.",
    )
    flags.DEFINE_string(
        "vocabulary",
        None,
        "A vocabulary.txt to use as it is, an encoder's; by default that of the training captions.",
    )
    flags.DEFINE_integer(
        "min_word_count", 1, "Words rarer than this in the training captions are left out.", 1
    )
    flags.DEFINE_enum(
        "small_images",
        "error",
        image_folder.SMALL_IMAGE_CHOICES,
        "What becomes of an image smaller than image_size.",
    )
    flags.DEFINE_float(
        "max_skipped_fraction", 0.1, "More unusable images than this fraction are an error."
    )
    flags.DEFINE_boolean("overwrite", False, "Replace a data set that the output already holds.")


def main() -> None:
    """Reads the flags, prepares, and says what was written and what was skipped."""
    options = flags.FLAGS
    for name in ("source", "output"):
        if not options[name].value:
            raise InputError(f"Expected --{name}=DIR. Received: none. See --help.")

    from dmgan_tf.data import preparation  # slow to import; flags come first

    embedded = options.source == "emoji"
    source = image_folder.embedded_dataset_path() if embedded else pathlib.Path(options.source)
    splits = image_folder.read_image_folder(source, options.test_fraction)
    if options.overwrite:
        preparation.remove_dataset(options.output)
    info = preparation.prepare(
        splits,
        options.output,
        name=source.resolve().name,
        image_size=options.image_size,
        vocabulary=Vocabulary.load(options.vocabulary) if options.vocabulary else None,
        min_word_count=options.min_word_count,
        small_images=options.small_images,
        max_skipped_fraction=options.max_skipped_fraction,
        num_shards=options.shards,
        num_workers=options.workers,
        show_progress=True,
    )
    print(_describe(info))


def _describe(info) -> str:
    lines = [f"{info.directory}: {info.vocabulary_size - 1} words"]
    for name, split in info.splits.items():
        lines.append(
            f"  {name}: {split.num_images} images of {split.num_classes} classes, "
            f"{split.num_captions} captions, {len(split.shards)} shard(s)"
        )
    skipped = ", ".join(f"{count} {reason}" for reason, count in info.skipped.items())
    lines.append(f"  skipped: {skipped or 'nothing'}")
    return "\n".join(lines)


if __name__ == "__main__":
    define_flags()
    command.run(main)
