r"""Lays out real pictures of a prepared data set, each over its first caption.

python benchmarks/data_sheet.py --data=data/avatars --split=train --output=docs/avatars.jpg
"""

from absl import flags

from dmgan_tf import command
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.stored import list_captions, stored_images
from dmgan_tf.errors import InputError
from dmgan_tf.figures.contact_sheet import contact_sheet, save_picture

CELL = 128  # pixels a side


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("data", None, "Data directory that prepare_data made.")
    flags.DEFINE_string("split", "test", "The split whose first records are shown.")
    flags.DEFINE_integer("count", 24, "How many records.", 1, 1024)
    flags.DEFINE_integer("columns", 6, "How many side by side.", 1, 32)
    flags.DEFINE_string("output", "data.jpg", "Output file, a .jpg or .png.")


def main():
    """Reads, and writes the sheet."""
    options = flags.FLAGS
    if not options.data:
        raise InputError("Expected --data=DIR. Received: none. See --help.")
    size = load_dataset_info(options.data).image_size
    batches = stored_images(
        options.data, split=options.split, size=size, crop=False, batch_size=options.count
    )
    pictures = next(iter(batches)).numpy()
    texts = list_captions(options.data, options.split).captions[: len(pictures)]
    sheet = contact_sheet(
        pictures, [captions[0] for captions in texts], columns=options.columns, cell_size=CELL
    )
    save_picture(options.output, sheet, {"data": options.data})
    print(options.output)


if __name__ == "__main__":
    define_flags()
    command.run(main)
