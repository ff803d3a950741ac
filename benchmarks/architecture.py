r"""Draws the network at the paper's sizes: 64, 128 and 256 pixels, CUB's vocabulary, Inception-v3.

Its weights are not trained, so only the structure is shown. `python -m
dmgan_tf.visualize --figure=architecture --model=MODEL` draws that of any model.

  python benchmarks/architecture.py --output=docs/architecture.png
"""

import json

from absl import flags

from dmgan_tf import command
from dmgan_tf.figures.contact_sheet import save_png
from dmgan_tf.layers.initialization import without_initial_values
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.visualize import architecture_output

VOCABULARY_SIZE = 5_450  # CUB's


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("output", "docs/architecture.png", "Output file.")


def main():
    """Builds the networks, draws and writes."""
    output = flags.FLAGS.output
    drawn = architecture_output(paper_model())
    # Few colours need few bytes. The content is stored as metadata, so that a test can detect when
    # the picture is out of date.
    save_png(output, drawn.figure.quantize(128), {"parts": json.dumps(drawn.rows)})
    print(output)


def paper_model():
    """A `DMGANTextToImage` of the paper's sizes, without the values of its weights."""
    generator = Generator()
    networks = {
        "text_encoder": TextEncoder(VOCABULARY_SIZE),
        "generator": generator,
        "image_encoder": ImageEncoder(),
        "discriminators": [Discriminator(size) for size in generator.image_sizes],
    }
    with without_initial_values():  # drawing them would take seconds
        for network in networks.values():
            for each in network if isinstance(network, list) else [network]:
                each.build()
    return DMGANTextToImage(None, **networks)


if __name__ == "__main__":
    define_flags()
    command.run(main)
