"""Trains the DAMSM, the text and image encoders that `train` builds on.

Example:

    python -m dmgan_tf.pretrain_damsm --data=data/emoji --run=runs/damsm \\
        --image_backbone=small_cnn --epochs=30
"""

import dataclasses

from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError


def define_flags():
    """Declares the flags of this command; all but those of the run are `PretrainingConfig`'s."""
    flags.DEFINE_string("data", None, "Data directory that prepare_data made.")
    command.define_run_flags("checkpoints, logs and model/, always current")
    flags.DEFINE_integer("epochs", 600, "Passes over the training images.")
    flags.DEFINE_integer("batch_size", 48, "Images a step, over all devices.")
    flags.DEFINE_enum(
        "image_backbone",
        "small_cnn",
        ["inception_v3", "small_cnn"],
        "Network under the image encoder; small_cnn trains from nothing on a CPU.",
    )
    flags.DEFINE_string(
        "image_weights",
        None,
        "Model directory with the weights of inception_v3, made by `convert --inception=SOURCE`, "
        "or with an image encoder on it, whose backbone is taken.",
    )
    flags.DEFINE_integer("backbone_channels", 32, "Width of small_cnn's first convolution.")
    flags.DEFINE_integer(
        "encoder_input_size", None, "Pixels that images are resized to; default: the backbone's."
    )
    flags.DEFINE_integer("image_size", None, "Pixels of a crop; default: the data set's.")
    flags.DEFINE_bool("flip", True, 'Mirror images at random; not if captions say "left".')
    flags.DEFINE_bool("crop", True, "Crop images at random, to 64/76 of their side.")
    flags.DEFINE_integer("word_dim", 256, "Size of the space that both encoders share.")
    flags.DEFINE_integer("embedding_dim", 300, "Size of the learned embedding of a word.")
    flags.DEFINE_float("dropout", 0.5, "Share of the embedding dropped in training.")
    flags.DEFINE_integer("max_words", 18, "Words of a caption that training reads.")
    flags.DEFINE_float("gamma1", 4.0, "Sharpness of the attention over regions.")
    flags.DEFINE_float("gamma2", 5.0, "Sharpness of the soft maximum over words.")
    flags.DEFINE_float("gamma3", 10.0, "Sharpness of the softmax over the batch.")
    flags.DEFINE_enum(
        "negatives",
        "gathered",
        ["gathered", "local"],
        "What a pair is told apart from with several devices: the whole batch, or its device's.",
    )
    flags.DEFINE_float("learning_rate", 0.002, "Adam's, in the first epoch.")
    flags.DEFINE_float("learning_rate_decay", 0.98, "Factor an epoch, down to a tenth.")
    flags.DEFINE_enum(
        "precision", "float32", ["float32", "bfloat16", "float16"], "Of the computation."
    )
    flags.DEFINE_enum(
        "strategy",
        "default",
        ["default", "mirrored", "multi_worker", "tpu"],
        "One device; all GPUs; all machines that TF_CONFIG names, one process each; or a TPU.",
    )
    flags.DEFINE_integer("seed", 0, "Of weights, data order, augmentation and dropout.")


def main():
    """Reads the flags, trains, and says what came of it."""
    options = flags.FLAGS
    for name in ("data", "run"):
        if not options[name].value:
            raise InputError(f"Expected --{name}=DIR. Received: nothing. See --help.")
    from dmgan_tf.training.config import PretrainingConfig, RunSettings  # slow; flags first
    from dmgan_tf.training.damsm_run import pretrain_damsm

    settings = [field.name for field in dataclasses.fields(PretrainingConfig)]
    run_settings = [field.name for field in dataclasses.fields(RunSettings)]
    result = pretrain_damsm(
        PretrainingConfig(**{name: options[name].value for name in settings}),
        options.data,
        options.run,
        resume=options.resume,
        flags_text=command.flags_text(["data", "run", *run_settings, *settings]),
        settings=RunSettings(**{name: options[name].value for name in run_settings}),
    )
    if result.retrieval_accuracy is not None:
        print(
            f"retrieval on the {result.retrieval_split} split: {result.retrieval_accuracy:.1%} "
            f"(chance {result.retrieval_chance:.1%})"
        )
    print(f"model: {result.model}")


if __name__ == "__main__":
    define_flags()
    command.run(main, sigterm_status=75)
