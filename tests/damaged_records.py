"""A small prepared data set, and what can happen to its files."""

import io
import struct

import numpy as np
import tensorflow as tf
from PIL import Image

from dmgan_tf.data import preparation, record_file, records
from dmgan_tf.data.sources.source import CaptionedImage

NUM_IMAGES, NUM_SHARDS = 40, 4  # ten in each


def prepare_greys(folder, output, num_images=NUM_IMAGES, offset=0):
    """Images of 24x30 pixels, two of a class, with two or three captions; `offset` numbers them."""
    images = []
    for number in range(offset, offset + num_images):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((24, 30, 3), 6 * (number % 40), np.uint8)).save(path)
        captions = (f"number {number}", "a grey image", "grey")[: 2 + number % 2]
        images.append(CaptionedImage(path, path.name, captions, number // 2))
    splits = {"train": images, "test": images[:6]}
    return preparation.prepare(splits, output, name="grey", image_size=20, num_shards=NUM_SHARDS)


def shard(directory, number, split="train"):
    """The path of a shard."""
    return sorted(directory.glob(f"{split}-*.tfrecord"))[number]


def read(path):
    """The records of a whole file."""
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def write(path, contents):
    """Writes records with their checksums."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            writer.write(content)


def replace_record(path, number, content):
    """Puts another record, with a right checksum, in the place of one."""
    contents = read(path)
    contents[number] = content
    write(path, contents)


def change_byte(path, position):
    """Flips bits of one byte; negative positions count from the end."""
    content = bytearray(path.read_bytes())
    content[position] ^= 0x55
    path.write_bytes(content)


def start_of(path, number):
    """Where the header of a record begins, in a file whose headers are whole."""
    return record_file.find_records(path)[0][number]


def example(jpeg=None, captions=("a grey image",), class_id=3, file_name="new.png", size=(24, 30)):
    """A serialized example, a right one unless told otherwise; captions may be bytes."""
    if jpeg is None:
        jpeg = jpeg_of(*size)
    of_bytes = tf.train.BytesList
    captions = [c if isinstance(c, bytes) else c.encode("utf-8") for c in captions]
    features = {
        "image": tf.train.Feature(bytes_list=of_bytes(value=[jpeg])),
        "captions": tf.train.Feature(bytes_list=of_bytes(value=captions)),
        "class_id": tf.train.Feature(int64_list=tf.train.Int64List(value=[class_id])),
        "file_name": tf.train.Feature(bytes_list=of_bytes(value=[file_name.encode()])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def jpeg_of(height, width, claimed=None):
    """A grey JPEG; `claimed` is the size (height, width) that its header is to give."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "grey").save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    if claimed is None:
        return jpeg
    frame = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:frame] + struct.pack(">HH", *claimed) + jpeg[frame + 4 :]


def whole_jpeg(side):
    """A grey JPEG of this height and width, a multiple of 8, made without its pixels.

    A block as grey as 128 is six bits: no difference to the one before, and no other coefficients.
    """
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 128).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    frame = jpeg.index(b"\xff\xc0") + 5
    scan = jpeg.index(b"\xff\xda") + 10
    header = jpeg[:frame] + struct.pack(">HH", side, side) + jpeg[frame + 4 : scan]
    blocks = (side // 8) ** 2
    return header + bytes.fromhex("28a28a") * -(-blocks // 4) + b"\xff\xd9"


def file_names(path):
    """The names of the images in a whole file."""
    return [records.parse_example(content)["file_name"].numpy().decode() for content in read(path)]
