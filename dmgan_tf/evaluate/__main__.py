r"""Scores a model, or a folder of images, by named metrics and protocols.

The paper's numbers, for a model trained on birds (30,000 images; weights: docs/numbers.md):

  python -m dmgan_tf.evaluate --model=runs/birds --data=data/birds --metrics=fid,is,r_precision \
      --protocol=ttur,stackgan_birds --inception=pt_inception-2015-12-05-6726825d.pth \
      --inception=birds_valid299/model.ckpt --output=birds.json

Without Inception weights, by networks from packages (squeezenet and mobilenet_v2 are others):

  python -m dmgan_tf.evaluate --model=runs/emoji --data=data/emoji --protocol=lite0 \
      --metrics=fid,kid,r_precision --num_images=10000

Images that another program made, against a data set, a folder or a statistics file:

  python -m dmgan_tf.evaluate --images=samples --reference=real_images --metrics=fid,kid \
      --protocol=pytorch_fid --inception=models/inception
  python -m dmgan_tf.evaluate --images=samples --reference=birds.npz --metrics=fid ...

Real images against one another, as a baseline:

  python -m dmgan_tf.evaluate --images=data/emoji --images_split=train --data=data/emoji \
      --metrics=fid,r_precision --protocol=lite0 --damsm=runs/damsm

The distance from the pictures to those of training (with a sheet, scores.memorisation_lite0.png),
and between pictures of one caption:

  python -m dmgan_tf.evaluate --model=runs/emoji --data=data/emoji --protocol=lite0 \
      --metrics=memorisation,diversity --num_images=1000 --output=scores.json

Pictures of a folder are listed and decoded as in prepare_data, links followed; "left_out" in the
JSON counts and names its other files. A metadata.jsonl in it says which pictures are scored.

Only numbers of the same protocol are comparable, so each score is named with its protocol. An
interrupted evaluation continues when the same command is run again.
"""

import dataclasses
import pathlib
import time

from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError, did_you_mean
from dmgan_tf.evaluate.score import METRICS, Settings
from dmgan_tf.models.precision import PRECISIONS
from dmgan_tf.process.keras_backend import check_tensorflow

COMMON_FLAGS = (
    *("model", "images", "data", "reference", "metrics"),
    *("protocol", "inception", "damsm", "num_images", "output"),
)
_MOST = 10**7  # images or draws; more is probably a typing error, and runs out of memory
_FLAGS = (
    *("model", "images", "images_split", "data", "split", "reference", "metrics", "protocol"),
    *("inception", "features", "damsm", "clip", "num_images", "seed", "num_splits"),
    *("kid_subsets", "kid_subset_size", "crop", "precision", "fast", "strategy", "batch_size"),
    *("save_images", "save_statistics", "output"),
)


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_model()
    command.define_path(
        "images", None, "A folder of images, or a prepared data set, to score instead of a model."
    )
    flags.DEFINE_string("images_split", "test", "The split to score of a prepared data set.")
    command.define_path("data", None, "Data directory of prepare_data: captions and real images.")
    flags.DEFINE_string("split", "test", "The split of --data.")
    command.define_path(
        "reference",
        None,
        "Real images to compare with instead of the split: a folder, a prepared data set, or "
        "statistics (.npz with mu and sigma, as pytorch-fid and TTUR write them).",
    )
    flags.DEFINE_list(
        "metrics", ["fid", "is", "r_precision"], f"Comma-separated, of {', '.join(METRICS)}."
    )
    flags.DEFINE_list(
        "protocol",
        None,
        "Comma-separated: ttur (the default), pytorch_fid, release, clean, stackgan_birds, lite0, "
        "squeezenet, mobilenet_v2.",
    )
    command.define_multi_path(
        "inception", [], "Weights of Inception-v3, as convert --inception takes them; repeatable."
    )
    command.define_path(
        "features", None, "A .keras model or a .py file with features(images), as a protocol."
    )
    command.define_model(
        "damsm", None, "Run or model directory of the DAMSM for R-precision; default: the model's."
    )
    command.define_model("clip", "clip_vit_base_patch32", "Preset of keras-hub, or its directory.")
    flags.DEFINE_integer(
        "num_images",
        None,
        "Images to score; default: 30000 of a model, all of a folder. For diversity a model also "
        "draws eight images for each of up to 250 captions, in total at most as many as these.",
        1,
        _MOST,
    )
    flags.DEFINE_integer("seed", 0, "Seed of captions, noise and wrong captions.", 0, 2**32 - 1)
    flags.DEFINE_integer("num_splits", 10, "Splits of the Inception Score.", 1)
    flags.DEFINE_integer("kid_subsets", 100, "Subsets of the kernel distance.", 1, _MOST)
    flags.DEFINE_integer("kid_subset_size", 1000, "Images of such a subset.", 2)
    flags.DEFINE_bool(
        "crop",
        None,
        "Compare with the middle 64/76 of a data set's images, the scale of training's crops; "
        "default: as the model was trained, else yes. Saved images of a model trained without "
        "crops need --nocrop. Images of a folder are never cropped.",
    )
    flags.DEFINE_enum("precision", "float32", list(PRECISIONS), "Precision of the generator.")
    flags.DEFINE_bool(
        "fast", False, "Rewrite the generator for inference first: the same images, faster."
    )
    flags.DEFINE_enum("strategy", "default", ["default", "mirrored"], "One device or all GPUs.")
    flags.DEFINE_integer("batch_size", 32, "Batch size; affects speed and memory only.", 1)
    command.define_path("save_images", None, "A folder to save the images in, with their captions.")
    command.define_path(
        "save_statistics", None, "A .npz to save the real images' mean and covariance in."
    )
    command.define_path("output", "evaluation.json", "The report: scores and settings.")


def main() -> None:
    """Reads the flags, scores, prints the table and writes the JSON."""
    options = flags.FLAGS
    _check_flags(options)
    check_tensorflow("an evaluation")
    started = time.monotonic()

    from dmgan_tf.evaluate import reference, report, setup  # slow to import; flags come first
    from dmgan_tf.evaluate.networks import choose_networks
    from dmgan_tf.evaluate.saving import ImageSaver
    from dmgan_tf.training.distribution.replicas import get_strategy

    output = pathlib.Path(options.output)
    strategy = get_strategy(options.strategy)
    networks = choose_networks(
        options.metrics, options.protocol, options.inception, options.features
    )
    images = _images_of(options, strategy)
    saver = ImageSaver(options.save_images, images) if options.save_images else None
    report.check_output(output)  # before the long computation
    settings = Settings(
        num_splits=options.num_splits,
        num_subsets=options.kid_subsets,
        subset_size=options.kid_subset_size,
        batch_size=options.batch_size,
    )
    where = _values(options, "data", "split", "reference", "crop")
    judges = setup.choose_judges(
        *(options.metrics, images),
        **_values(options, "model", "damsm", "clip", "seed"),
        **where,
        networks=networks,
    )
    partials = _PartialPaths(output)
    common = {"settings": settings, "strategy": strategy}
    compared_with, references = reference.find_reference(
        *(networks, options.metrics, images),
        **where,
        **common,
        partial_path=partials.path("reference."),
        statistics=options.save_statistics,
    )
    common["show_progress"] = True
    for number, judge in enumerate(judges):
        judge.prepare(references, **common, partial_path=partials.path(f"judge{number}."))
    scores = _scores(images, networks, references, judges, saver, partials, common)
    details = {
        "images": images.counted(),
        "captions": images.plan and images.plan.source,
        "reference": compared_with,
        "networks": {
            network.name: {"description": network.description, "weights_sha256": network.sha256}
            for network in networks
        },
        "judges": {judge.name: judge.description for judge in judges},
        "sheets": _save_sheets(judges, output),
        "settings": dataclasses.asdict(settings),
        "flags": command.flag_lines(_FLAGS),
        "seconds": round(time.monotonic() - started, 1),
    }
    report.write_report(output, scores, details)
    partials.remove()
    print("\n".join([report.table(scores), *details["sheets"], str(output)]))


class _PartialPaths:
    """The files beside the report from which an interrupted evaluation continues."""

    def __init__(self, output):
        self._output = output
        self._given = []

    def path(self, of):
        self._given.append(self._output.with_suffix(f".{of}partial.npz"))
        return self._given[-1]

    def remove(self):
        for path in self._given:
            path.unlink(missing_ok=True)


def _scores(images, networks, references, judges, saver, partials, common):
    """Scores of the images, then of judges that need others, in one pass for each source."""
    from dmgan_tf.evaluate.scoring import score_images

    of_source = {id(images): (images, [])}
    for judge in judges:
        source = judge.images or images
        of_source.setdefault(id(source), (source, []))[1].append(judge)
    (_, with_images), *others = of_source.values()
    scores = score_images(
        *(images, networks, flags.FLAGS.metrics),
        references=references,
        judges=with_images,
        partial_path=partials.path(""),
        on_images=saver,
        **common,
    )
    for number, (source, with_source) in enumerate(others):
        path = partials.path(f"others{number}.")
        scores += score_images(source, [], (), judges=with_source, partial_path=path, **common)
    return scores


def _save_sheets(judges, output):
    """Writes the judges' pictures beside the report, and returns their paths."""
    from dmgan_tf.figures.contact_sheet import save_png

    paths = []
    for judge in judges:
        sheet = judge.sheet()
        if sheet is not None:
            paths.append(str(output.with_suffix(f".{judge.name}.png")))
            save_png(paths[-1], sheet)
    return paths


def _values(options, *names):
    return {name: options[name].value for name in names}


def _images_of(options, strategy):
    from dmgan_tf.evaluate import setup

    images = setup.find_images(
        **_values(options, "model", "images", "images_split", "data", "split"),
        **_values(options, "num_images", "seed", "crop"),
        dtype=PRECISIONS[options.precision],
        strategy=strategy,
    )
    if options.fast:
        from dmgan_tf.serving.fast import fast_model

        with strategy.scope():
            images.draw_with(fast_model(images.model), fast=True)
    return images


def _check_flags(options) -> None:
    if bool(options.model) == bool(options.images):
        received = "both" if options.model else "neither"
        raise InputError(
            f"Expected --model=MODEL or --images=DIR, what to score. Received: {received}."
        )
    if options.fast and not options.model:
        raise InputError(
            "Expected --model=MODEL with --fast, which affects drawing. Received: --images. "
            "Leave --fast out."
        )
    if options.model and not options.data:
        raise InputError(
            "Expected --data=DIR, the prepared data set whose captions the model draws. "
            "Received: nothing."
        )
    unknown = [name for name in options.metrics if name not in METRICS]
    if unknown or not options.metrics:
        raise InputError(
            f"Expected --metrics among {', '.join(METRICS)}. Received: "
            f"{', '.join(unknown) or 'none'}.{did_you_mean(''.join(unknown[:1]), METRICS)}"
        )
    if pathlib.Path(options.output).suffix != ".json":
        raise InputError(f"Expected --output=FILE.json. Received: {options.output or 'nothing'}.")
    if options.images and options.save_images and _is_same(options.images, options.save_images):
        raise InputError(
            f"Expected --save_images in another folder than --images. Received: {options.images}."
        )
    statistics = options.save_statistics
    if statistics is not None and pathlib.Path(statistics).suffix != ".npz":
        raise InputError(
            f"Expected --save_statistics=FILE.npz. Received: {statistics or 'nothing'}."
        )


def _is_same(path, other):
    return pathlib.Path(path).resolve() == pathlib.Path(other).resolve()


if __name__ == "__main__":
    define_flags()
    command.run(main)
