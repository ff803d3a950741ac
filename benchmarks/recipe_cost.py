r"""Measures one training step of each published recipe at its full size and batch.

Each recipe runs in a separate process, on random images and captions, so that its peak memory can
be measured. Floating-point operations are counted in the step's graph (a multiplication and an
addition are two); from them the time of a complete run is calculated for a device with a sustained
speed of --teraflops, which was not measured.

  python benchmarks/recipe_cost.py
  python benchmarks/recipe_cost.py --recipes=cub_dmgan --steps=5
"""

import json
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf
from absl import flags
from made_up_batch import made_up_batch

from dmgan_tf import command, pretrain_damsm, train
from dmgan_tf.data.sources.coco import COCO
from dmgan_tf.data.sources.cub import CUB
from dmgan_tf.errors import InputError
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import ModelComponents
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.training.config import DMGANConfig, PretrainingConfig
from dmgan_tf.training.damsm_run import build_damsm
from dmgan_tf.training.dmgan_run import build_dmgan
from dmgan_tf.training.optimizer import adam

CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
PUBLISHED = {"cub": CUB.published_counts, "coco": COCO.published_counts}
VOCABULARY_SIZES = {"cub": 5_450, "coco": 27_297}
RECIPES = (
    *("cub_damsm", "cub_dmgan", "cub_dmgan_release"),
    *("coco_damsm", "coco_dmgan", "coco_dmgan_release"),
)


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_list("recipes", list(RECIPES), "Which to measure.")
    flags.DEFINE_integer("steps", 2, "Steps to time, after a first one.", lower_bound=1)
    flags.DEFINE_float("teraflops", 20.0, "Assumed sustained speed of a GPU, for the hours.")
    flags.DEFINE_string("measure", None, "Measure this one recipe here and print it as JSON.")


def main():
    """Measures the recipes one after the other, and prints a table."""
    options = flags.FLAGS
    unknown = {*options.recipes, *filter(None, [options.measure])} - set(RECIPES)
    if unknown:
        raise InputError(f"Expected recipes among {RECIPES}. Received: {sorted(unknown)}.")
    if options.measure:
        print(json.dumps(measure(options.measure, options.steps)))
        return
    print("| recipe | batch | s per step | images/s | peak memory | TFLOP per step | steps | GPU |")
    print("|---|---|---|---|---|---|---|---|")
    for recipe in options.recipes:
        program = [sys.executable, __file__, f"--measure={recipe}", f"--steps={options.steps}"]
        output = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout
        cost = json.loads(output.splitlines()[-1])
        hours = cost["total_steps"] * cost["flop"] / (options.teraflops * 1e12) / 3600
        print(
            f"| {recipe} | {cost['batch_size']} | {cost['seconds']:.1f} s | "
            f"{cost['batch_size'] / cost['seconds']:.2f} | {cost['peak_gib']:.1f} GiB | "
            f"{cost['flop'] / 1e12:.2f} | {cost['total_steps']:,} | {hours:.0f} h |",
            flush=True,
        )


def measure(recipe, steps):
    """Seconds, peak memory and floating-point operations of one step of a recipe."""
    data = recipe.partition("_")[0]
    if recipe.endswith("damsm"):
        config = read_recipe(recipe, pretrain_damsm, PretrainingConfig)
        step, sizes = damsm_step(config, VOCABULARY_SIZES[data])
    else:
        config = read_recipe(recipe, train, DMGANConfig)
        step, sizes = dmgan_step(config, VOCABULARY_SIZES[data])
    batch = made_up_batch(config.batch_size, sizes, config.max_words, VOCABULARY_SIZES[data])
    function = tf.function(step, autograph=False)
    graph = function.get_concrete_function(batch).graph
    tf.nest.map_structure(np.asarray, function(batch))
    start = time.perf_counter()
    for _ in range(steps):
        tf.nest.map_structure(np.asarray, function(batch))
    return {
        "batch_size": config.batch_size,
        "seconds": (time.perf_counter() - start) / steps,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "flop": operations(graph),
        "total_steps": config.epochs * (PUBLISHED[data]["train"][0] // config.batch_size),
    }


def read_recipe(recipe, command_module, config_class):
    """The settings of a recipe, as its command reads them."""
    command_module.define_flags()
    flags.FLAGS(["", f"--flagfile={CONFIGS / recipe}.flags"])
    return command.read_settings(config_class)


def dmgan_step(config, vocabulary_size):
    """A step of DM-GAN with the release's DAMSM, with untrained weights."""
    text_encoder, image_encoder = TextEncoder(vocabulary_size), ImageEncoder()
    for network in (text_encoder, image_encoder):
        network.build()
    encoders = ModelComponents(None, text_encoder, image_encoder=image_encoder)
    return build_dmgan(config, encoders).train_step, config.image_sizes


def damsm_step(config, vocabulary_size):
    """A step of the DAMSM; its Inception is frozen, like one with weights."""
    damsm = build_damsm(config, vocabulary_size, config.image_size)
    damsm.image_encoder.backbone.trainable = False
    damsm.image_encoder.freeze_backbone = True
    damsm.compile(adam(config.learning_rate, config.precision))
    return damsm.train_step, (config.image_size,)


def operations(graph):
    """Floating-point operations of a step, by TensorFlow's own count of each node.

    Nodes without an output are not run, mainly the frozen networks' gradients.
    """
    needed = [tensor.op.name for tensor in graph.outputs]
    needed += [operation.name for operation in graph.control_outputs]
    run = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), needed)
    kept = {node.name for node in run.node}
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    counted = profiler.profile(graph, cmd="scope", options=options.with_empty_output().build())

    def total(node):
        own = node.float_ops if node.name in kept else 0
        return own + sum(total(child) for child in node.children)

    return total(counted)


if __name__ == "__main__":
    define_flags()
    command.run(main)
