r"""Opens a web page that draws captions, and shows which words drove which part of a picture.

python -m dmgan_tf.demo

python -m dmgan_tf.demo --model=runs/birds --port=8080 --host=0.0.0.0

A model is a shipped name, a model directory, or a run directory. The page shows every stage of each
sample, the word that drives each place of a picture when it is pointed at, and the words that the
memory ranks highest; words that the model does not know are struck through. It is there for this
machine only, unless --host says otherwise: 0.0.0.0 is for everyone who can reach this machine.
Neither the page nor the server contacts any other. Several visitors are served in turn. Ctrl-C
ends it. Gradio shows the page: pip install "dmgan_tf[demo]".
"""

import logging

from absl import flags

from dmgan_tf import command
from dmgan_tf.demo.page import build_page, import_gradio, listen, serve, url_of
from dmgan_tf.errors import InputError

COMMON_FLAGS = ("model", "port", "host")


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_model(default="emoji_128")
    flags.DEFINE_integer("port", 7860, "Where the page is, from 1 to 65535; 0 takes any free one.")
    flags.DEFINE_string("host", "127.0.0.1", "Address of this machine to be reached at.")


def main() -> None:
    """Reads the flags, loads the model, says where the page is, and shows it until Ctrl-C."""
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
