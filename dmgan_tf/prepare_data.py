r"""Turns captioned images into sharded TFRecords and a vocabulary.

The source is one of:

image_folder: a metadata.jsonl, one JSON object a line with "file_name", "text" (a caption or a list
of them) and, optionally, "class_id", in the folder itself or in each of its train/ and test/; or a
NAME.txt beside each NAME.jpg, one caption a line. Without train/ and test/, a fixed part of the
classes is held out for testing. A validation/ beside train/ is kept as it is. Class ids say which
images show the same thing.

cub: CUB-200-2011 with the captions and the split of AttnGAN and DM-GAN: their archive birds/, with
text/, train/ and test/, and CUB_200_2011/, with images/, images.txt and bounding_boxes.txt, in it;
or the other way round. Images are cropped around the bird.

coco: MS-COCO 2014: annotations/ with captions_train2014.json and captions_val2014.json, or train/,
test/ and the texts (in text/, or train2014/ and val2014/) of the archive of AttnGAN and DM-GAN;
images in train2014/ and val2014/ or images/.

A captions.pickle that lies with the lists of cub or coco gives the vocabulary, word for word, since
an encoder of the release means nothing with another one.

To choose a model by its scores while it trains, hold out classes of the training split with
--validation_fraction, never the test split; the paper and the release train on all of them.

An interrupted preparation goes on where it stopped when the same command is given again.

Examples:

  python -m dmgan_tf.prepare_data --source=DIR --output=data/birds --image_size=256

  # The data set that ships with the package:
  python -m dmgan_tf.prepare_data --source=emoji --output=data/emoji --image_size=64

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

import pathlib

from absl import flags

from dmgan_tf import command
from dmgan_tf.convert import caption_pickle
from dmgan_tf.data import vocabulary_check
from dmgan_tf.data.sources import coco, cub, image_folder, release_metadata
from dmgan_tf.data.splits import MAX_FRACTION, hold_out_validation
from dmgan_tf.errors import InputError
from dmgan_tf.text.vocabulary import Vocabulary

_PUBLISHED = {"cub": cub.PUBLISHED_COUNTS, "coco": coco.PUBLISHED_COUNTS}


def define_flags() -> None:
    """Declares the flags of this command."""
    flags.DEFINE_enum(
        "dataset", "image_folder", ["image_folder", *_PUBLISHED], "How the source is laid out."
    )
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
    flags.DEFINE_float(
        "validation_fraction",
        0.0,
        "The fraction of the training classes (of images, if there are no classes) held out for "
        "validation; 0 for none, as in the paper.",
        lower_bound=0.0,
        upper_bound=MAX_FRACTION,
    )
    flags.DEFINE_string(
        "vocabulary",
        None,
        "A vocabulary.txt, an encoder's, or a captions.pickle to use as it is; by default that of "
        "the training captions, or the captions.pickle in the source.",
    )
    flags.DEFINE_integer(
        "min_word_count", 1, "Words rarer than this in the training captions are left out.", 1
    )
    flags.DEFINE_enum(
        "small_images",
        None,
        image_folder.SMALL_IMAGE_CHOICES,
        "What becomes of an image smaller than image_size; by default error for an image_folder, "
        "else upscale, as the release does.",
    )
    flags.DEFINE_float(
        "max_skipped_fraction",
        None,
        "More unusable images than this fraction are an error; by default 0.1 for an "
        "image_folder, else 0.",
    )
    flags.DEFINE_boolean("overwrite", False, "Replace a data set that the output already holds.")


def main() -> None:
    """Reads the flags, prepares, and says what was written and what was skipped."""
    options = flags.FLAGS
    for name in ("source", "output"):
        if not options[name].value:
            raise InputError(f"Expected --{name}=DIR. Received: none. See --help.")

    from dmgan_tf.data import preparation  # slow to import; flags come first

    published = options.dataset in _PUBLISHED
    if published:
        name = options.dataset
        source, vocabulary = _read_published()
        splits = source.splits
    else:
        name, splits, vocabulary = _read_image_folder()
    splits = hold_out_validation(splits, options.validation_fraction, options.source)
    max_skipped_fraction = options.max_skipped_fraction
    if max_skipped_fraction is None:
        max_skipped_fraction = 0.0 if published else 0.1
    if options.overwrite:
        preparation.remove_dataset(options.output)
    info = preparation.prepare(
        splits,
        options.output,
        name=name,
        image_size=options.image_size,
        vocabulary=vocabulary,
        min_word_count=options.min_word_count,
        small_images=options.small_images or ("upscale" if published else "error"),
        max_skipped_fraction=max_skipped_fraction,
        num_shards=options.shards,
        num_workers=options.workers,
        show_progress=True,
    )
    print(_describe(info))
    if published:
        print(_compare_counts(info, source, _PUBLISHED[options.dataset]))


def _read_image_folder() -> tuple[str, dict, Vocabulary | None]:
    """Returns the data set's name, its images by split and the vocabulary to use."""
    options = flags.FLAGS
    embedded = options.source == "emoji"
    source = image_folder.embedded_dataset_path() if embedded else pathlib.Path(options.source)
    splits = image_folder.read_image_folder(source, options.test_fraction)
    vocabulary = None
    if options.vocabulary:
        vocabulary = caption_pickle.read_vocabulary(options.vocabulary)
        vocabulary_check.warn_of_unknown_words(options.vocabulary, splits, vocabulary)
    return source.resolve().name, splits, vocabulary


def _read_published() -> tuple[release_metadata.PublishedSource, Vocabulary | None]:
    """Returns CUB or COCO as listed on disk, and the vocabulary to use."""
    options = flags.FLAGS
    source = {"cub": cub.read_cub, "coco": coco.read_coco}[options.dataset](options.source)
    path = options.vocabulary or source.captions_pickle
    if path is None:
        return source, None
    vocabulary = caption_pickle.read_vocabulary(path)
    print(f"The vocabulary is that of {path}: {len(vocabulary) - 1} words.")
    if all(word.isascii() for word in vocabulary.words):  # the release's always are
        source = source._replace(splits=release_metadata.with_released_words(source.splits))
    if vocabulary_check.is_pickle(path):
        given = bool(options.vocabulary)
        vocabulary_check.check_captions_pickle(path, source, vocabulary, given=given)
    else:
        vocabulary_check.warn_of_unknown_words(path, source.splits, vocabulary)
    return source, vocabulary


def _explain_listed(listed, published, path) -> str:
    """Says what can make a list longer or shorter than the published one, and what to check."""
    if listed < published:
        cause = "it was shortened, is of another split, or its archive leaves images out"
    else:
        cause = "images were added, or it is of another split"
    return (
        f"{path} lists {listed:,}: {cause} (compare it with a fresh copy; scores on another list "
        "are not comparable)"
    )


def _compare_counts(info, source, published) -> str:
    """Says where the data set differs in number from the published one, and what makes it so."""
    lines = []
    for name, (num_images, num_classes) in published.items():
        parts, listed = _parts_of(info, name), len(source.splits[name])
        num_stored = sum(split.num_images for split in parts.values())
        num_stored_classes = sum(split.num_classes for split in parts.values())
        reasons = []
        if listed != num_images:
            reasons.append(_explain_listed(listed, num_images, source.lists[name]))
        if num_stored != listed:
            reasons.append(
                f"{listed - num_stored:,} of the listed were skipped, and skipped.txt says why"
            )
        if num_classes is not None and num_stored_classes != num_classes:
            reasons.append(f"{num_stored_classes:,} classes are left of {num_classes:,}")
        what = "differs: " + "; ".join(reasons) if reasons else "as here"
        lines.append(f"  {' and '.join(parts)}: {num_images:,} images are published; {what}")
    splits = source.splits
    both = {image.class_id for image in splits["train"]} & {
        image.class_id for image in splits["test"]
    }
    if both:
        lines.append(
            f"  {len(both)} classes are in both splits, which are disjoint in the paper: scores "
            "will not be comparable"
        )
    return "\n".join(lines)


def _parts_of(info, published_split) -> dict:
    """Returns the splits that a published one became, by name; no class is in two of them."""
    names = ["train", "validation"] if published_split == "train" else [published_split]
    return {name: info.splits[name] for name in names if name in info.splits}


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
