r"""Writes a trained model into `dmgan_tf/presets`, where it ships with the package.

  python benchmarks/ship_preset.py --model=runs/avatars_128 --name=avatars_128 \
      --scores="this model=runs/test.json" --scores="real pictures=runs/real.json" \
      --training="Six hours on two processor cores."

The preset has text encoder, generator and image encoder, in float16, without discriminators; a
model card from the training's settings, scores of `python -m dmgan_tf.evaluate --output=F.json`,
and the texts below on data, licences and limits; and the licences of the drawings. A preset larger
than 12 MB is an error: it is in every clone and every wheel.
"""

import json
import pathlib
import re

from absl import flags

import dmgan_tf
from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import replacing_directory, write_text

MOST_BYTES = 12_000_000
# The card's texts, of models of drawings of people.
EXAMPLE = "a flat portrait of a person with long black hair and glasses, wearing a green shirt"
DATA = """\
14,400 drawings of people in one flat style, made by `prepare_data --dataset=avatars
--styles=personas`, with ten captions each that name some of the attributes: hair and its colour,
eyes, mouth, beard, clothes and their colour, skin. One pair of values in six, such as a hair style
with a colour, occurs in no training drawing; 1,600 drawings with such pairs were held out.

The drawings are remixes of "Personas by Draftbit" (Draftbit, CC BY 4.0), made with DiceBear. The
licence asks for this attribution; `ATTRIBUTION.md` beside this card has it. Distribute it with the
weights and with what you draw."""
LIMITS = """\
- It draws one person on a white background, from the front, in one flat style; nothing else, no
  photographs, no text, no left and right.
- Of the clothes in held-out drawings, most of them in combinations that training never saw, one in
  six is drawn in another kind: a yellow checkered shirt plain, for example. Pictures of one caption
  differ in mouth, clothes and skin at most. What a caption leaves open is sometimes drawn half one
  way and half another: a shirt of two colours, half a pair of glasses. The mouth inside a goatee is
  often missing, or a smudge.
- It is a small demonstration of a method. Pictures may resemble its training drawings."""
LICENCES = """\
# Attribution

The weights beside this file were trained on drawings of one style of DiceBear, rendered on white
and scaled; none of them is among the files here:

"""  # then the style's line of the data's own attributions
ATTRIBUTIONS = pathlib.Path(dmgan_tf.__file__).parent / "data/sources/avatars/ATTRIBUTION.md"
STYLE = r"- `personas`.*\n"


def define_flags():
    """Declares the flags of this script."""
    flags.DEFINE_string("model", None, "Run directory or model directory.")
    flags.DEFINE_string("name", None, "Name of the preset, such as avatars_128.")
    flags.DEFINE_multi_string(
        "scores", [], "LABEL=FILE.json, a report of `evaluate`; may be given several times."
    )
    flags.DEFINE_string("training", None, "A sentence on the training, for the card.")
    flags.DEFINE_string("presets", None, "Where presets are; default: those of the package.")


def main():
    """Writes the preset and prints the size of its files."""
    options = flags.FLAGS
    if not options.model:
        raise InputError("Expected --model=MODEL, a run or model directory. Received: none.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", options.name or ""):
        raise InputError(
            "Expected --name=NAME of small letters, digits and underscores. Received: "
            f"{options.name}."
        )
    scores = scores_table(options.scores)

    from dmgan_tf.models.model_card import About
    from dmgan_tf.models.presets import SHIPPED

    about = About(
        handle=options.name,
        example=EXAMPLE,
        license="apache-2.0",
        language="en",
        tags=["avatars"],
        data=DATA,
        training=options.training,
        scores=scores,
        limits=LIMITS,
    )
    directory = pathlib.Path(options.presets or SHIPPED) / options.name
    ship(options.model, directory, about)
    for path in sorted(directory.iterdir()):
        print(f"{path.stat().st_size:>11,}  {path.name}")
    print(directory)


def ship(source, directory, about):
    """Writes a preset, completely or not at all."""
    from dmgan_tf.models.model_directory import check_replaceable
    from dmgan_tf.models.text_to_image import DMGANTextToImage

    check_replaceable(directory)
    model = DMGANTextToImage.from_preset(source)
    for part in ("vocabulary", "text_encoder", "image_encoder"):
        if getattr(model, part) is None:
            raise InputError(
                f"Expected a model that draws captions and scores them. Received: {source}, "
                f"without {part.replace('_', ' ')}."
            )
    # Other entries, such as where training started, may contain paths of one machine.
    model.extra = {name: model.extra[name] for name in ("damsm", "training") if name in model.extra}
    attribution = LICENCES + re.search(STYLE, ATTRIBUTIONS.read_text("utf-8"))[0]
    with replacing_directory(directory) as temporary:
        model.save_to_preset(
            temporary, about=about, weights_dtype="float16", keep_discriminators=False
        )
        write_text(temporary / "ATTRIBUTION.md", attribution)
        size = sum(path.stat().st_size for path in temporary.iterdir())
        if size > MOST_BYTES:
            raise InputError(
                f"Expected a preset of at most {MOST_BYTES / 1e6:g} MB. Received: "
                f"{size / 1e6:.1f} MB. Train a narrower generator (--channels)."
            )


def scores_table(reports):
    """The scores of reports as a Markdown table; None if there are none."""
    from dmgan_tf.evaluate.report import METRIC_NAMES, value_text
    from dmgan_tf.evaluate.scoring import Score

    rows, notes = [], {}
    for given in reports:
        label, _, path = given.partition("=")
        try:
            report = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
            for score in (Score(**score) for score in report["scores"]):
                marks = "".join(f" [{notes.setdefault(n, len(notes) + 1)}]" for n in score.warnings)
                chance = "" if score.chance is None else f"{score.chance:g} %"
                rows.append(
                    f"| {label} | {METRIC_NAMES[score.metric]}{marks} | {score.protocol} | "
                    f"{value_text(score)} | {score.num_images:,} | {chance} |"
                )
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(
                "Expected --scores=LABEL=FILE.json, a report that `evaluate` wrote. Received: "
                f"{given} ({type(error).__name__})."
            ) from error
    if not rows:
        return None
    head = ["| pictures | metric | by | value | images | chance |", "|---|---|---|---|---|---|"]
    text = "\n".join(head + rows)
    return "\n\n".join([text, *(f"[{number}] {note}." for note, number in notes.items())])


if __name__ == "__main__":
    define_flags()
    command.run(main)
