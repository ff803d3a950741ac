r"""Draws the picture at the top of the README: captions, a model's pictures of them, its stages.

The captions are chosen by the user, so the pictures show a model at its best; `held_out_sheet.py`
draws captions that are not chosen. Picture i has the noise of the seed and i, as in `generate`; the
stages are those of a further picture.

  python benchmarks/gallery.py --model=avatars_128 --output=gallery.jpg \
      --caption="a person with a pink afro" --caption="a smiling person with red pigtails" \
      --stages_of="a person with a red mohawk and glasses, in green"
"""

from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.figures.contact_sheet import save_picture
from dmgan_tf.figures.gallery import gallery_figure
from dmgan_tf.models.text_to_image import DMGANTextToImage


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("model", None, "Shipped model name, model directory or run directory.")
    flags.DEFINE_multi_string("caption", [], "What to draw; may be given several times.")
    flags.DEFINE_string("stages_of", None, "One more caption, whose stages are shown below.")
    flags.DEFINE_integer("seed", 0, "Of the noise.", 0, 2**32 - 1)
    flags.DEFINE_integer("columns", 6, "Pictures side by side.", 1, 16)
    flags.DEFINE_string("output", "gallery.jpg", "Output file, a .jpg or .png.")


def main():
    """Draws and writes."""
    options = flags.FLAGS
    if not options.model or not options.caption:
        raise InputError(
            'Expected --model=MODEL and a caption: --caption="..." (repeatable). Received: not '
            "both. See --help."
        )
    model = DMGANTextToImage.from_preset(options.model)
    captions = [*options.caption, *filter(None, [options.stages_of])]
    drawn = model.generate(captions, seed=options.seed, return_stages=True)
    figure = gallery_figure(
        drawn["images"][: len(options.caption)],
        options.caption,
        columns=options.columns,
        stages=[stage[-1] for stage in drawn["stages"]] if options.stages_of else (),
        stages_caption=options.stages_of or "",
    )
    metadata = {"caption": "\n".join(captions), "seed": str(options.seed), "model": options.model}
    save_picture(options.output, figure, metadata)
    print(options.output)


if __name__ == "__main__":
    define_flags()
    command.run(main)
