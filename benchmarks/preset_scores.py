r"""Scores a model on captions of held-out classes, and real images for comparison.

R-precision, the fraction of images whose own caption is nearest among 100, by the model's own
DAMSM, which is biased in its favour, and by another that it was not trained with; and FID against
the test images. The rows:

  the model                the model's images of captions of the test split
  real test images         with their own captions; FID: of one half, at random, against the other
  training images          as many random ones as there are test images, with unrelated test
                           captions: the score of pictures that only look real

  python benchmarks/preset_scores.py --model=emoji_128 --damsm=runs/another_damsm \
      --data=data/emoji --output=emoji_128_scores.json
"""

import dataclasses
import json

import numpy as np
import tensorflow as tf
from absl import flags
from chosen_images import ChosenImages

from dmgan_tf import command
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate import report
from dmgan_tf.evaluate.captions import first_captions
from dmgan_tf.evaluate.images import StoredImages
from dmgan_tf.evaluate.networks import choose_networks
from dmgan_tf.evaluate.scoring import Settings, measure_reference, score_images
from dmgan_tf.evaluate.setup import choose_judges, find_images
from dmgan_tf.files.atomic import write_text

FLAGS = ("model", "damsm", "data", "protocol", "inception", "features", "num_images", "seed")
OWN, ANOTHER = "its own DAMSM", "another DAMSM"
REAL = "real test images (FID: one half against the other)"
UNRELATED = "training images under shuffled captions"


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("model", None, "Shipped model name, model directory or run directory.")
    flags.DEFINE_string("damsm", None, "Run or model directory of another DAMSM than the model's.")
    flags.DEFINE_string("data", None, "Data directory that prepare_data made.")
    flags.DEFINE_list("protocol", None, "That of FID; lite0 if neither this nor --features is set.")
    flags.DEFINE_multi_string("inception", [], "Weights of Inception-v3, if the protocol needs it.")
    flags.DEFINE_string("features", None, "A network of your own for FID, as evaluate takes it.")
    flags.DEFINE_integer(
        "num_images", None, "Images that the model draws; default: as many as test images.", 1
    )
    flags.DEFINE_integer(
        "seed", 0, "Random seed of captions, noise, and random images.", 0, 2**32 - 1
    )
    flags.DEFINE_string("output", "preset_scores.json", "The report: scores and settings.")


def main():
    """Scores, prints the table as Markdown, and writes the JSON."""
    options = flags.FLAGS
    if not (options.model and options.damsm and options.data):
        raise InputError(
            "Expected --model=MODEL, --damsm=DIR and --data=DIR. Received: not all of them. See "
            "--help."
        )
    report.check_output(options.output)
    protocols = options.protocol or (None if options.features else ["lite0"])
    networks = choose_networks(["fid"], protocols, options.inception, options.features)
    held_out = list_captions(options.data, "test")
    drawn = find_images(
        **{"model": options.model, "data": options.data, "split": "test", "seed": options.seed},
        **{"images": None, "images_split": None, "crop": None, "dtype": None},
        num_images=options.num_images or len(held_out.captions),
        strategy=tf.distribute.get_strategy(),
    )
    judges = both_judges(drawn, options)
    rows = score_rows(drawn, held_out, networks, judges, options)
    for line in table(rows, networks, judges):
        print(line)
    details = {
        "images": drawn.description(),
        "captions": drawn.plan.source,
        "networks": {network.name: network.description for network in networks},
        "judges": {judge.name: judge.description for judge in judges},
        "flags": command.flags_text(FLAGS).splitlines(),
        "versions": report.versions(),
    }
    scores = {name: [dataclasses.asdict(score) for score in row] for name, row in rows.items()}
    text = json.dumps({"scores": scores, **details}, indent=2, ensure_ascii=False)
    write_text(options.output, f"{text}\n")
    print(options.output)


def both_judges(drawn, options):
    """The model's own DAMSM, if it has an image encoder, and the other one, by different names."""
    judges = []
    for name, damsm in ((OWN, None), (ANOTHER, options.damsm)):
        if damsm or drawn.model.image_encoder is not None:
            chosen = {"model": options.model, "damsm": damsm, "clip": None, "seed": options.seed}
            (judge,) = choose_judges(["r_precision"], drawn, **chosen)
            judges.append(dataclasses.replace(judge, name=name))
    if judges[-1].description["is_the_generators_own"]:
        raise InputError(
            "Expected another DAMSM than the one that the model was trained with in --damsm. "
            f"Received: {options.damsm}, which has the model's text encoder."
        )
    return judges


def score_rows(drawn, held_out, networks, judges, options):
    """The `Score`s of the model's images, of real ones, and of ones without their captions."""
    random = np.random.default_rng(options.seed)
    plan = first_captions(held_out, drawn.plan.source)
    stored = {
        "size": drawn.model.generator.image_sizes[-1],
        "crop": drawn.model.extra.get("training", {}).get("crop", True),
    }
    test = StoredImages(options.data, "test", plan=plan, **stored)
    train = StoredImages(options.data, "train", **stored)
    halves = np.array_split(random.permutation(test.num_images), 2)
    half, other_half = (ChosenImages(test, places) for places in halves)
    count = min(test.num_images, train.num_images)
    places = random.permutation(train.num_images)[:count]
    shuffled = dataclasses.replace(plan, rows=random.permutation(plan.rows)[:count])
    unrelated = ChosenImages(train, places, shuffled)

    settings = {"settings": Settings(batch_size=64), "show_progress": True}
    by_half = measure_reference(half, networks, ("fid",), **settings)
    by_all = {"references": measure_reference(test, networks, ("fid",), **settings)}
    of_half = score_images(other_half, networks, ("fid",), references=by_half, **settings)
    by_all |= {"judges": judges, **settings}
    return {
        options.model: score_images(drawn, networks, ("fid",), **by_all),
        REAL: of_half + score_images(test, [], (), judges=judges, **settings),
        UNRELATED: score_images(unrelated, networks, ("fid",), **by_all),
    }


def table(rows, networks, judges):
    """The rows as lines of Markdown."""
    names = [network.name for network in networks] + [judge.name for judge in judges]
    heads = [f"FID, {network.name}" for network in networks]
    heads += [f"R-precision, {judge.name}" for judge in judges]
    yield " | ".join(["| images", *heads]) + " |"
    yield "|---" * (1 + len(heads)) + "|"
    for name, scores in rows.items():
        by_network = {score.protocol: score for score in scores}
        yield " | ".join([f"| {name}", *(cell(by_network[network]) for network in names)]) + " |"
    counts = ", ".join(f"{scores[-1].num_images:,}" for scores in rows.values())
    chance = judges[-1].retrieval.chance
    yield f"\nR-precision of {counts} images by row, ± over ten folds; chance {chance:.2%}."


def cell(score):
    """A score, and for FID, whose bias depends on it, the number of images."""
    text = report.value_text(score)
    if score.num_reference is None:
        return text
    return f"{text} ({score.num_images:,} against {score.num_reference:,})"


if __name__ == "__main__":
    define_flags()
    command.run(main)
