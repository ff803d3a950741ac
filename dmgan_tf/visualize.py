r"""Visualizes a model: the figures of the paper as PNG files, and their numbers as CSV.

python -m dmgan_tf.visualize --model=runs/quickstart/dmgan \
    --caption="a person with red pigtails, smiling" --caption="a bald person with glasses"

python -m dmgan_tf.visualize --model=runs/birds --figure=memory --figure=attention \
    --caption="this bird is blue with white and has a very short beak" --compare_with=runs/attngan

python -m dmgan_tf.visualize --model=runs/birds --figure=interpolation --num_frames=12 \
    --caption="a small yellow bird" --to_caption="a large black bird" --output=figures/walk

python -m dmgan_tf.visualize --model=runs/birds --figure=architecture

The figures: stages, every stage of each caption's picture side by side (Figure 4 of the paper);
diversity, each caption with several noise vectors (Figure 5); attention, where in the picture each
word is attended to; memory, the most relevant words by memory writing and by key addressing, or by
word attention in a model without a memory, and the response gate (Figure 6); interpolation, from
one noise vector to the next, and from each caption to --to_caption; architecture, the model's
networks and their sizes (Figure 2), which needs no caption. Without --figure, all of them.

A model is a shipped name, a model directory, or a run directory. The same model, captions and seed
give the same files. To visualize a picture that `sample` drew, give its seed, and as --first_row
the `row` that its PNG stores.
"""

import dataclasses
import logging
import pathlib
from typing import Any

from absl import flags
from PIL import Image

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.figures.attention import attention_figure, check_refined
from dmgan_tf.figures.canvas import import_matplotlib
from dmgan_tf.figures.contact_sheet import save_png
from dmgan_tf.figures.diversity import diversity_figure, diversity_table
from dmgan_tf.figures.drawing import draw
from dmgan_tf.figures.interpolation import interpolation_figure, interpolation_table
from dmgan_tf.figures.memory import memory_figure
from dmgan_tf.figures.relevance import BY, relevance_table, response_table
from dmgan_tf.figures.stages import stages_figure, stages_table
from dmgan_tf.figures.tables import text_table, write_csv

COMMON_FLAGS = (
    *("model", "caption", "figure", "output"),
    *("num_samples", "seed", "to_caption", "compare_with"),
)
FIGURES = ("stages", "diversity", "attention", "memory", "interpolation", "architecture")


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_model()
    flags.DEFINE_multi_string("caption", [], "What to draw; may be given several times.")
    flags.DEFINE_multi_enum(
        "figure", [], FIGURES, "Figure to draw; may be given several times. Default: all."
    )
    command.define_path("output", "figures", "Directory for the files; created if missing.")
    for name, default, lowest, highest, text in (
        ("seed", 0, 0, 2**32 - 1, "Another seed draws other pictures."),
        ("first_row", 0, 0, 4_000_000_000, "Row of the first caption's noise."),
        ("num_samples", 8, 1, 256, "Pictures per caption in diversity."),
        ("num_frames", 8, 2, 32, "Pictures per interpolation."),
        ("num_words", 5, 1, 64, "Words per list in memory."),
        ("batch_size", 16, 1, 1024, "Pictures drawn at once; affects speed and memory only."),
    ):
        flags.DEFINE_integer(name, default, text, lowest, highest)
    flags.DEFINE_string("to_caption", None, "Caption to interpolate to.")
    command.define_model("compare_with", None, "Another model, shown below in memory.")
    flags.DEFINE_enum(
        "rank_by",
        "mean",
        BY,
        "How key addressing and word attention rank words: by their mean over the pixels, or as "
        "AttnGAN's release, by the sum of what is above 4 / words.",
    )


def main() -> None:
    """Reads the flags, draws, writes, and prints the tables and the paths of the figures."""
    options = flags.FLAGS
    _check(options)
    import_matplotlib()  # before the model is loaded: without it nothing can be drawn

    from dmgan_tf.models.text_to_image import DMGANTextToImage  # slow to import; flags come first

    # Hides TensorFlow's warnings of a graph for each number of words, not those of unknown words.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    models = {options.model: DMGANTextToImage.from_preset(options.model)}
    if options.compare_with is not None:
        models[options.compare_with] = DMGANTextToImage.from_preset(options.compare_with)
    for output in list(_outputs(models, options)):  # all are drawn before the first is written
        _write(output, options)


def _outputs(models, options):
    """Yields one `Output` after another for the figures requested."""
    model = models[options.model]
    if set(options.figure) == {"architecture"}:
        yield architecture_output(model)
        return
    drawn_with = {name: options[name].value for name in ("seed", "first_row", "batch_size")}
    drawings = {name: draw(other, options.caption, **drawn_with) for name, other in models.items()}
    ours = drawings[options.model]
    title = f"{options.model}, seed {options.seed}"
    if {"attention", "memory"} & set(options.figure):
        check_refined(ours[0])
    unread = () if ours[0].attention_scores else ("attention", "memory")
    chosen = options.figure or [figure for figure in FIGURES if figure not in unread]
    if "stages" in chosen:
        yield Output("stages", stages_figure(ours, title), stages_table(ours))
    if "diversity" in chosen:
        yield _diversity(model, options, title, drawn_with)
    if "attention" in chosen:
        for number, drawing in enumerate(ours):
            yield _attention(drawing, number, options, title)
    if "memory" in chosen:
        for number in range(len(ours)):
            shown = {name: of_model[number] for name, of_model in drawings.items()}
            yield _memory(shown, number, options)
    if "interpolation" in chosen:
        yield _interpolation(model, options, title)
    if "architecture" in chosen:
        yield architecture_output(model)


def _check(options):
    """Raises an `InputError` for flags that cannot be used, before anything slow happens."""
    if not options.model:
        raise InputError(
            "Expected --model=MODEL: a shipped name, a model directory or a run directory."
        )
    if not options.caption and set(options.figure) != {"architecture"}:
        raise InputError('Expected a caption: --caption="..." (repeatable).')
    for caption in [*options.caption, *([options.to_caption] * (options.to_caption is not None))]:
        if not caption.strip():
            raise InputError(f"Expected words in each caption. Received: {caption!r}.")
    if options.compare_with == options.model:
        raise InputError(
            f"Expected another model than --model in --compare_with. Received: {options.model}."
        )
    for name, figure in (("to_caption", "interpolation"), ("compare_with", "memory")):
        if options[name].value is not None and options.figure and figure not in options.figure:
            raise InputError(
                f"Expected --figure={figure} with --{name}. Received: --figure="
                f"{','.join(options.figure)}."
            )


@dataclasses.dataclass(frozen=True)
class Output:
    """A figure and its tables.

    Attributes:
        name: Of the files, without a suffix.
        figure: A `PIL.Image.Image`.
        rows: Of its table.
        printed: Which columns of the table to print; all if empty.
        caption: What the figure shows, if it is one caption's.
        more_tables: Rows of further tables by the suffix of their files' names.
    """

    name: str
    figure: Image.Image
    rows: list[dict]
    printed: tuple[str, ...] = ()
    caption: str | None = None
    more_tables: dict[str, list[dict]] = dataclasses.field(default_factory=dict)


def _write(output, options):
    """Writes a figure and its tables, and prints the figure's path and its table."""
    directory = pathlib.Path(options.output)
    metadata = {"seed": str(options.seed), "row": str(options.first_row)}
    if output.name == "architecture":  # it shows no picture
        metadata = {}
    else:
        metadata["caption"] = output.caption or "\n".join(options.caption)
    path = directory / f"{output.name}.png"
    save_png(path, output.figure, {**metadata, "model": options.model})
    write_csv(directory / f"{output.name}.csv", output.rows)
    for addition, rows in output.more_tables.items():
        write_csv(directory / f"{output.name}_{addition}.csv", rows)
    print(f"{path}\n{text_table(output.rows, output.printed)}\n")


def architecture_output(model: Any) -> Output:
    """Returns a picture and a table of a `DMGANTextToImage`'s networks, with the losses' names."""
    from dmgan_tf import losses
    from dmgan_tf.figures.architecture import architecture_figure
    from dmgan_tf.figures.network_parts import architecture_table, read_architecture

    architecture = read_architecture(model)
    functions = (
        losses.Objective.discriminator_loss,
        losses.Objective.generator_loss,
        losses.conditioning_divergence,
        losses.matching_losses,
    )
    return Output(
        "architecture",
        architecture_figure(architecture, functions),
        architecture_table(architecture),
        ("class", "parameters", "outputs"),
    )


def _diversity(model, options, title, drawn_with):
    """Each caption with `--num_samples` noise vectors, in the rows that `sample` uses."""
    repeated = [caption for caption in options.caption for _ in range(options.num_samples)]
    images = model.generate(repeated, **drawn_with)
    row = options.first_row
    return Output(
        "diversity",
        diversity_figure(images, options.caption, first_row=row, title=title),
        diversity_table(images, options.caption, first_row=row),
    )


def _attention(drawing, number, options, title):
    """A caption's maps; the table is that of `relevance`."""
    return Output(
        f"attention_{number:03d}",
        attention_figure(drawing, title),
        relevance_table([drawing], options.rank_by),
        ("refinement", "input_size", "word", "attention_mean", "attention_max", "attention_rank"),
        drawing.caption,
    )


def _memory(shown, number, options):
    """A caption's most relevant words in one model or two; the tables are those of `relevance`."""
    compared = len(shown) > 1
    responses = {name: response_table([drawing]) for name, drawing in shown.items()}
    words = {name: relevance_table([drawing], options.rank_by) for name, drawing in shown.items()}
    return Output(
        f"memory_{number:03d}",
        memory_figure(
            list(shown.values()),
            list(shown) if compared else None,
            num_words=options.num_words,
            by=options.rank_by,
            title=f"seed {options.seed}" if compared else f"{options.model}, seed {options.seed}",
        ),
        _by_model(words),
        (
            *(["model"] * compared),
            *("refinement", "input_size", "word", "writing_gate", "writing_rank"),
            *("attention_mean", "attention_rank"),
        ),
        shown[options.model].caption,
        {"response": _by_model(responses)} if any(responses.values()) else {},
    )


def _by_model(tables):
    """The rows of several tables, each with its model's name."""
    return [{"model": name, **row} for name, rows in tables.items() for row in rows]


def _interpolation(model, options, title):
    """Interpolations from each caption's noise to the next, and from each to `--to_caption`."""
    from dmgan_tf.models.interpolation import interpolate_captions, interpolate_noise

    walks = []
    for row, caption in enumerate(options.caption, options.first_row):
        settings = {"seed": options.seed, "first_row": row, "num_frames": options.num_frames}
        walk = interpolate_noise(model, caption, **settings)
        walks.append((f"{caption}: noise {row} to noise {row + 1}", walk))
        if options.to_caption is not None:
            walk = interpolate_captions(model, caption, options.to_caption, **settings)
            walks.append((f"{caption} → {options.to_caption}", walk))
    return Output("interpolation", interpolation_figure(walks, title), interpolation_table(walks))


if __name__ == "__main__":
    define_flags()
    command.run(main)
