r"""Serves a web page that draws captions, and shows which words determine which part of a picture.

python -m dmgan_tf.demo

python -m dmgan_tf.demo --model=runs/birds --port=8080 --host=0.0.0.0

A model is a shipped name, a model directory, or a run directory. The page shows every stage of each
sample, the most relevant word at the place under the pointer, and the words that the memory ranks
highest; unknown words are struck through. Only this machine can open it, unless --host is set:
with 0.0.0.0 everyone who can reach this machine can. Neither the page nor the server contacts any
other server. Requests of several visitors are served in order. Ctrl-C ends it. It needs Gradio:
pip install "dmgan_tf[demo]".
"""

import logging

from absl import flags

from dmgan_tf import command
from dmgan_tf.demo.page import build_page, import_gradio, listen, serve, url_of
from dmgan_tf.errors import InputError

COMMON_FLAGS = ("model", "port", "host")


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_model(default="avatars_256")
    flags.DEFINE_integer("port", 7860, "Port of the page, from 1 to 65535; 0 for any free one.")
    flags.DEFINE_string("host", "127.0.0.1", "Address of this machine to listen on.")


def main() -> None:
    """Reads the flags, loads the model, prints the page's address, and serves it until Ctrl-C."""
    options = flags.FLAGS
    if not options.model:
        raise InputError(
            "Expected --model=MODEL: a shipped name, a model directory or a run directory."
        )
    if not 0 <= options.port <= 65535:
        raise InputError(f"Expected --port from 0 to 65535. Received: {options.port}.")
    import_gradio()  # before the model is loaded: without it nothing can be shown
    with listen(options.host, options.port) as listener:
        from dmgan_tf.models.text_to_image import DMGANTextToImage  # slow to import

        # TensorFlow would warn of a graph for each number of words and of samples.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        model = DMGANTextToImage.from_preset(options.model)
        page = build_page(model, options.model)
        print(f"The page is at {url_of(listener)} (Ctrl-C ends it).", flush=True)
        serve(page, listener)


if __name__ == "__main__":
    define_flags()
    command.run(main)
