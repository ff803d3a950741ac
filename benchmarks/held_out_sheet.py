r"""Lays out a model's pictures of unseen captions, without selection.

The captions are the first ones of test records in a random order, one of each class: the rule was
fixed before any picture was drawn, and is in the sheet's title. The model has no embedding for a
word in square brackets, since no training caption has it.

  python benchmarks/held_out_sheet.py --any_class --model=avatars_128 --data=data/avatars_128
  python benchmarks/held_out_sheet.py --real --model=runs/birds --data=data/birds  # beside real
"""

import numpy as np
from absl import flags

from dmgan_tf import command
from dmgan_tf.data.stored import list_captions
from dmgan_tf.demo.captions import pieces_of
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.images import StoredImages
from dmgan_tf.figures.contact_sheet import contact_sheet, save_picture
from dmgan_tf.models.text_to_image import DMGANTextToImage

CELL = 128  # pixels a side
COLUMNS = {False: 8, True: 4}  # without the real pictures and with them


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("model", None, "Shipped model name, model directory or run directory.")
    flags.DEFINE_string("data", None, "Data directory that prepare_data made.")
    flags.DEFINE_string("split", "test", "The split whose captions are drawn.")
    flags.DEFINE_integer("count", 48, "How many captions, each of another class.", 1, 1024)
    flags.DEFINE_bool("any_class", False, "Allow several of a class: avatars have few.")
    flags.DEFINE_integer("seed", 0, "Seed of the records' order and of the noise.", 0, 2**32 - 1)
    flags.DEFINE_bool("real", False, "Show the real picture of each caption beside the drawn one.")
    flags.DEFINE_string("output", "held_out.jpg", "Output file, a .jpg or .png.")


def main():
    """Chooses, draws, and writes the sheet."""
    options = flags.FLAGS
    if not options.model or not options.data:
        raise InputError("Expected --model=MODEL and --data=DIR. Received: not both. See --help.")
    captions = list_captions(options.data, options.split)
    classes = captions.class_ids
    if options.any_class:
        classes = np.arange(len(classes))
    records = choose_records(classes, options.count, options.seed)
    texts = [captions.captions[record][0] for record in records]
    model = DMGANTextToImage.from_preset(options.model)
    drawn = model.generate(texts, seed=options.seed)
    rows = [[picture] for picture in drawn]
    if options.real:
        real = real_pictures(options.data, options.split, records, drawn.shape[1])
        rows = [[*row, picture] for row, picture in zip(rows, real, strict=True)]
    shown = [mark_unknown(text, model.vocabulary) for text in texts]
    sheet = contact_sheet(
        rows,
        shown,
        columns=COLUMNS[options.real],
        cell_size=CELL,
        title=title(options, sum(map(np.not_equal, texts, shown))),
    )
    metadata = {"caption": "\n".join(texts), "seed": str(options.seed), "model": options.model}
    save_picture(options.output, sheet, metadata)
    print(options.output)


def choose_records(class_ids, count, seed):
    """Records in a random order by the seed, without those of a class that occurred before.

    Args:
        class_ids: `(records,)`, what each shows.
        count: How many to choose.
        seed: Of the order.

    Returns:
        The indices of `count` records.

    Raises:
        InputError: If there are fewer classes.
    """
    order = np.random.default_rng(seed).permutation(len(class_ids))
    _, first = np.unique(np.asarray(class_ids)[order], return_index=True)
    if count > len(first):
        raise InputError(
            f"Expected --count of at most {len(first)}, the number of classes in this split. "
            f"Received: {count}."
        )
    return order[np.sort(first)[:count]]


def real_pictures(data, split, records, size):
    """The real pictures of some records, uint8 `(records, size, size, 3)`."""
    source = StoredImages(data, split, size=size, crop=False)
    return np.concatenate(list(source.batches(0, 64)))[records]


def mark_unknown(caption, vocabulary):
    """The caption with brackets around each word that the vocabulary lacks."""
    return "".join(
        f"[{piece.text}]" if piece.is_word and piece.place is None else piece.text
        for piece in pieces_of(caption, vocabulary)
    )


def title(options, num_marked):
    """The title: what the sheet shows, and by which rule."""
    real = " (left) and the real pictures (right)" if options.real else ""
    marked = f" [Unknown] words are in {num_marked} of them." if num_marked else ""
    rule = "" if options.any_class else "each of another class, "
    return (
        f"{options.model}{real}: the first captions of {options.count} {options.split} records, "
        f"{rule}in the order of numpy's default_rng({options.seed}); noise of "
        f"seed {options.seed}; nothing selected.{marked}"
    )


if __name__ == "__main__":
    define_flags()
    command.run(main)
