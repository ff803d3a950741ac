r"""Estimates the cost of exchanging gradients when a recipe is trained on many GPUs.

Nothing is exchanged here. Counted in the networks: the bytes of the gradients of one step, the
exchanges of batch norm, the features that the DAMSM gathers, and the floating-point operations of a
step. Assumed, and set by flags: the sustained speed of a GPU, the bandwidth between GPUs and
machines, and the latency of one exchange. A ring of n sends 2 (n - 1) / n times the bytes; with
several machines each first sums over its own GPUs. Nothing overlaps: the generator's step waits for
the discriminators' weights, so it is an upper bound.

  python benchmarks/all_reduce.py
  python benchmarks/all_reduce.py --recipes=cub_dmgan --teraflops=60 --between_machines=50
"""

import dataclasses
import json
import subprocess
import sys

import tensorflow as tf
from absl import flags
from made_up_batch import made_up_batch
from recipe_cost import (
    VOCABULARY_SIZES,
    DMGANConfig,
    PretrainingConfig,
    damsm_step,
    dmgan_step,
    operations,
    pretrain_damsm,
    read_recipe,
    train,
)

from dmgan_tf import command
from dmgan_tf.layers import BatchNorm

GPUS_A_MACHINE = 8
_FLOAT_BYTES = 4  # gradients are float32 under every precision


@dataclasses.dataclass(frozen=True)
class Exchanges:
    """The exchanges between replicas and the computation of one step.

    Args:
        batch_size: Images a GPU.
        gradient_bytes: Of all gradients that are summed.
        gathered_bytes: Of the features that one replica sends to the others, and their gradients.
        exchanges: The number of successive exchanges.
        flop: Floating-point operations of a GPU.
    """

    batch_size: int
    gradient_bytes: int
    gathered_bytes: int
    exchanges: int
    flop: int


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_list("recipes", ["cub_dmgan", "coco_dmgan", "coco_damsm"], "Recipes to calculate.")
    flags.DEFINE_float("teraflops", 20.0, "Assumed sustained speed of a GPU.")
    flags.DEFINE_float("between_gpus", 200.0, "GB/s that a GPU sends within a machine.")
    flags.DEFINE_float("between_machines", 12.5, "GB/s that a machine sends: 100 Gbit/s.")
    flags.DEFINE_float("start", 30.0, "Microseconds of latency within a machine.")
    flags.DEFINE_float("start_between_machines", 100.0, "Microseconds of latency between machines.")
    flags.DEFINE_string("count", None, "Count for this one recipe here and print it as JSON.")


def main():
    """Counts for each recipe in a separate process, and prints a table."""
    options = flags.FLAGS
    if options.count:
        print(json.dumps(dataclasses.asdict(count(options.count))))
        return
    print(
        "| recipe | batch a GPU | MB of gradients | MB gathered | exchanges | s a step, one GPU | "
        "8 GPUs | 64 GPUs |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for recipe in options.recipes:
        program = [sys.executable, __file__, f"--count={recipe}"]
        output = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout
        counted = Exchanges(**json.loads(output.splitlines()[-1]))
        alone = counted.flop / (options.teraflops * 1e12)
        shares = [exchange_seconds(counted, gpus, options) for gpus in (8, 64)]
        texts = [f"+{s * 1e3:.0f} ms, {alone / (alone + s):.0%} efficient" for s in shares]
        print(
            f"| {recipe} | {counted.batch_size} | {counted.gradient_bytes / 1e6:.0f} | "
            f"{counted.gathered_bytes / 1e6:.1f} | {counted.exchanges} | {alone:.3f} | "
            f"{' | '.join(texts)} |",
            flush=True,
        )


def exchange_seconds(counted, gpus, options):
    """Seconds of one step's exchanges between this number of GPUs."""
    inside, machines = min(gpus, GPUS_A_MACHINE), -(-gpus // GPUS_A_MACHINE)
    start = options.start if machines == 1 else options.start_between_machines
    summed = counted.gradient_bytes
    gathered = counted.gathered_bytes * (gpus - 1)  # what every GPU receives
    seconds = counted.exchanges * start * 1e-6
    seconds += (2 * (inside - 1) / inside * summed + gathered) / (options.between_gpus * 1e9)
    if machines > 1:
        over = 2 * (machines - 1) / machines * summed
        over += counted.gathered_bytes * (gpus - inside)
        seconds += over / (options.between_machines * 1e9)
    return seconds


def count(recipe):
    """The computation and the exchanges of a recipe's step, at its batch size on one GPU."""
    vocabulary_size = VOCABULARY_SIZES[recipe.partition("_")[0]]
    if recipe.endswith("damsm"):
        config = read_recipe(recipe, pretrain_damsm, PretrainingConfig)
        step, sizes = damsm_step(config, vocabulary_size)
        networks = [step.__self__.text_encoder, step.__self__.image_encoder]
        trained = [*networks]
    else:
        config = read_recipe(recipe, train, DMGANConfig)
        step, sizes = dmgan_step(config, vocabulary_size)
        networks = [step.__self__.generator]
        trained = [*networks, *step.__self__.discriminators]
    batch = made_up_batch(config.batch_size, sizes, config.max_words, vocabulary_size)
    graph = tf.function(step).get_concrete_function(batch).graph
    return Exchanges(
        batch_size=config.batch_size,
        gradient_bytes=_FLOAT_BYTES * sum(_size(network) for network in trained),
        gathered_bytes=2 * _FLOAT_BYTES * config.batch_size * _gathered(step.__self__, config),
        exchanges=2 * _batch_norms(networks) + len(trained) + 1,
        flop=operations(graph),
    )


def _size(network):
    return sum(int(tf.size(variable.value)) for variable in network.trainable_variables)


def _batch_norms(networks):
    """Batch norms that learn: each exchanges its sums forwards and their gradients backwards."""
    return sum(
        isinstance(layer, BatchNorm) and layer.trainable
        for network in networks
        for layer in network._flatten_layers()
    )


def _gathered(model, config):
    """Numbers of one example that all replicas see: regions, codes and words."""
    image_encoder, word_dim = model.image_encoder, model.text_encoder.word_dim
    side = 17 if image_encoder.input_size == 299 else image_encoder.input_size // 8
    return word_dim * (side * side + 1 + config.max_words + 1)


if __name__ == "__main__":
    define_flags()
    command.run(main)
