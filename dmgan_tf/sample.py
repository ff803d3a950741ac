r"""Draws pictures from captions: one PNG per sample, and a contact sheet of them all.

python -m dmgan_tf.sample --model=runs/quickstart/dmgan \
    --caption="a person with red pigtails, smiling" --caption="a bald person with glasses"

python -m dmgan_tf.sample --model=runs/birds --captions_file=captions.txt \
    --num_samples=8 --seed=1 --stages --output=samples/birds

A model is a shipped name, a model directory, or a run directory. A captions file is UTF-8 text with
one caption a line; a line ends at \n or \r\n. Of a very long caption the first 256 known words
within the first 4,000 characters are read. The same model, captions and seed give the same
pictures; with another batch size or --fast they differ by at most one level of 255. --fast is
somewhat faster. --precision=bfloat16 is much faster on a processor that supports it, and a little
less exact. Each PNG stores its caption, seed and model as text.
"""

import pathlib
import re
from typing import Any

from absl import flags
from PIL import Image

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.figures.contact_sheet import contact_sheet, save_png
from dmgan_tf.files.text_lines import read_lines
from dmgan_tf.models.precision import PRECISIONS
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.process.progress import progress_bar
from dmgan_tf.text.tokenizer import shortened

COMMON_FLAGS = (
    *("model", "caption", "captions_file", "output", "num_samples"),
    *("seed", "stages", "fast", "precision", "batch_size"),
)
_LARGEST_SHEET = 400  # samples; a larger sheet is slow to open
_LONGEST_SLUG = 60  # bytes; file systems allow 255 for the whole name
_MOST_PICTURES = 10**6  # more is probably a typing error
_WORDS_AT_ONCE = 64  # for longer captions smaller batches: each pixel attends to each word


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_model()
    flags.DEFINE_multi_string("caption", [], "What to draw; may be given several times.")
    command.define_path("captions_file", None, "UTF-8 text file, one caption per line.")
    command.define_path("output", "samples", "Directory for the pictures; created if missing.")
    flags.DEFINE_integer("num_samples", 4, "Pictures per caption, at least 1.")
    flags.DEFINE_integer("seed", 0, "From 0 to 4294967295; another seed draws other pictures.")
    flags.DEFINE_bool("stages", False, "Also write and show the smaller stages.")
    flags.DEFINE_integer("batch_size", 16, "Pictures drawn at once; affects speed and memory only.")
    flags.DEFINE_enum("precision", "float32", list(PRECISIONS), "Precision of the generator.")
    flags.DEFINE_bool(
        "fast", False, "Rewrite the generator for inference first: the same pictures, faster."
    )


def main() -> None:
    """Reads the flags, draws, and prints the path of the contact sheet."""
    options = flags.FLAGS
    if not options.model:
        raise InputError(
            "Expected --model=MODEL: a shipped name, a model directory or a run directory."
        )
    for name in ("num_samples", "batch_size"):
        if options[name].value < 1:
            raise InputError(f"Expected --{name} of at least 1. Received: {options[name].value}.")
    captions = gather_captions(options.caption, options.captions_file)
    if options.fast:
        check_tensorflow("--fast")

    from dmgan_tf.models.text_to_image import DMGANTextToImage  # slow to import; flags come first

    model = DMGANTextToImage.from_preset(options.model, dtype=PRECISIONS[options.precision])
    if options.fast:
        from dmgan_tf.serving.fast import fast_model

        model = fast_model(model)
    sheet_path = write_samples(
        model,
        captions,
        options.output,
        model_name=options.model,
        num_samples=options.num_samples,
        seed=options.seed,
        stages=options.stages,
        batch_size=options.batch_size,
    )
    print(sheet_path)


def gather_captions(captions: list[str], captions_file: str | None = None) -> list[str]:
    """Puts the captions of the flags and of the file into one list, in that order.

    Args:
        captions: Captions as given, none of them blank.
        captions_file: UTF-8 text, one caption per line; blank lines are skipped.

    Returns:
        At least one caption.

    Raises:
        InputError: If there is no caption, or the file cannot be read as text.
    """
    for caption in captions:
        if not caption.strip():
            raise InputError(f"Expected words in each --caption. Received: {shortened(caption)!r}.")
    if captions_file is None:
        if not captions:
            raise InputError(
                'Expected a caption: --caption="..." (repeatable) or --captions_file=FILE.'
            )
        return list(captions)
    path = pathlib.Path(captions_file)
    if not path.is_file():
        raise InputError(f"No captions file at {path}; expected a text file, one caption a line.")
    try:
        lines = read_lines(path)
    except UnicodeDecodeError as error:
        raise InputError(
            f"Expected UTF-8 text in {path}. Received byte {error.object[error.start]:#04x} at "
            f"offset {error.start}; convert the file to UTF-8."
        ) from error
    from_file = [line.strip() for line in lines if line.strip()]
    if not from_file:
        raise InputError(f"No caption in {path}; expected one per line.")
    return [*captions, *from_file]


def write_samples(
    model: Any,
    captions: list[str],
    output: str | pathlib.Path,
    *,
    model_name: str = "",
    num_samples: int = 4,
    seed: int = 0,
    stages: bool = False,
    batch_size: int = 16,
) -> pathlib.Path:
    """Draws `num_samples` pictures of each caption and writes them with a contact sheet.

    Args:
        model: A `DMGANTextToImage`.
        captions: What to draw.
        output: Directory for `000_the-caption_0.png`, ... and `sheet.png`.
        model_name: Written into the pictures and on the sheet.
        num_samples: Pictures per caption.
        seed: Random seed of the noise.
        stages: Whether to write every stage (`000_the-caption_0_64px.png`) and show it.
        batch_size: Pictures drawn at once.

    Returns:
        The path of the contact sheet.

    Raises:
        InputError: If a caption has no known word; nothing is written then.
    """
    output = pathlib.Path(output)
    if len(captions) * num_samples > _MOST_PICTURES:
        raise InputError(
            f"Expected at most {_MOST_PICTURES} pictures. Received: {len(captions)} captions with "
            f"--num_samples={num_samples}. Draw them in several runs."
        )
    batch_size = _batch_size(model.tokenizer, captions, batch_size)
    repeated = [caption for caption in captions for _ in range(num_samples)]
    shown = max(1, min(len(captions), _LARGEST_SHEET // num_samples))
    on_sheet = []  # only these stay in memory: a captions file may have tens of thousands of lines
    with progress_bar(len(repeated), "image", "drawing") as progress:
        for start in range(0, len(repeated), batch_size):
            drawn = model.generate(
                repeated[start : start + batch_size],
                seed=seed,
                return_stages=True,
                batch_size=batch_size,
                first_row=start,
            )["stages"]
            pictures = list(zip(*(drawn if stages else drawn[-1:]), strict=True))
            for row, picture in enumerate(pictures, start):
                name = f"{row // num_samples:03d}_{slug(repeated[row])}_{row % num_samples}"
                metadata = {"caption": repeated[row], "seed": str(seed), "row": str(row)}
                _save_stages(output / name, picture, {**metadata, "model": model_name})
            on_sheet += pictures[: max(0, shown * num_samples - start)]
            progress.update(len(pictures))

    title = f"{model_name}, seed {seed}" if model_name else f"seed {seed}"
    if shown < len(captions):
        title += f", the first {shown} of {len(captions)} captions"
    sheet_stages = list(zip(*on_sheet, strict=True))
    sheet = contact_sheet(
        sheet_stages[-1],
        captions[:shown],
        samples_per_caption=num_samples,
        stages=sheet_stages if stages else None,
        title=title,
    )
    save_png(output / "sheet.png", sheet)
    return output / "sheet.png"


def _batch_size(tokenizer, captions, batch_size) -> int:
    """How many pictures fit into memory at once; all captions are checked before the first PNG."""
    longest = max(len(tokenizer.encode(caption)) for caption in captions)
    return max(1, min(batch_size, batch_size * _WORDS_AT_ONCE // longest))


def _save_stages(path: pathlib.Path, stages, metadata: dict[str, str]) -> None:
    """Writes the last of one picture's stages as `path`.png, the others with their size added."""
    *smaller, final = (Image.fromarray(stage) for stage in stages)
    save_png(path.with_name(f"{path.name}.png"), final, metadata)
    for picture in smaller:
        save_png(path.with_name(f"{path.name}_{picture.width}px.png"), picture, metadata)


def slug(caption: str) -> str:
    """A short readable part of a file name: letters and digits of any script, and hyphens."""
    text = re.sub(r"[\W_]+", "-", caption.lower()).strip("-")
    # Cut by bytes, because file systems limit bytes, and never within a character.
    text = text.encode("utf-8")[:_LONGEST_SLUG].decode("utf-8", "ignore").rstrip("-")
    return text or "caption"


if __name__ == "__main__":
    define_flags()
    command.run(main)
