"""Trains a DM-GAN on a prepared data set, against a DAMSM trained on the same vocabulary.

Example:

    python -m dmgan_tf.prepare_data --dataset=image_folder --source=my_images --output=data/mine
    python -m dmgan_tf.pretrain_damsm --data=data/mine --run=runs/damsm --epochs=60
    python -m dmgan_tf.train --data=data/mine --damsm=runs/damsm --run=runs/dmgan --epochs=600

    python -m dmgan_tf.train --flagfile=runs/dmgan/flags.txt --resume

With --during_training, FID and R-precision on captions of the validation split go to TensorBoard,
the epoch's line and RUN/evaluations.jsonl every --evaluate_every epochs, and the model of the
lowest FID stays in RUN/best. The data set needs a validation split, prepare_data
--validation_fraction=0.1; the test split is never used. So few images, and the DAMSM of training as
the judge, serve to compare the epochs of a run, not papers; for those see dmgan_tf.evaluate.

    python -m dmgan_tf.train --data=data/mine --damsm=runs/damsm --run=runs/dmgan \
        --during_training --evaluate_every=5 --protocol=lite0

--batch_size is that of all devices together, and the model does not depend on how many they are.
--strategy=multi_worker trains on several machines, which see the same data and run directory: the
same command on each, with its own index. The first one, the chief, alone writes. If one is lost the
others end with status 4; start all again with --resume.

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}' \
        python -m dmgan_tf.train --data=data/mine --damsm=runs/damsm --run=runs/dmgan \
        --strategy=multi_worker --resume

A step whose loss or gradient is not finite is left out; --on_nan says what many in a row lead to.
How the two sides stand shows in TensorBoard, `tensorboard --logdir=RUN/logs`, for each SIZE of
image. A discriminator that has won gives real images a discriminator_SIZE_real_probability of 1 and
generated ones a generated_probability of 0 for good: its gradient_norm falls to 0, the loss
generator_SIZE_loss climbs, and the generator learns from the DAMSM alone. One that has lost, or
learns nothing, gives both 0.5. One that runs away has a layer whose discriminator_SIZE_sigma_LAYER,
the largest singular value of its weights, climbs without end. Lower the learning rate of the side
that is ahead.
"""

import dataclasses

from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError

_SAMPLES = ("sample_captions", "sample_every")
_EVALUATION = {  # flags, and what they are in `EvaluationSettings`
    "evaluate_every": "every",
    "num_evaluation_images": "num_images",
    "protocol": "protocol",
    "inception": "inceptions",
    "features": "features",
}


def define_flags():
    """Declares the flags of this command; all but those of the run itself are `DMGANConfig`'s."""
    flags.DEFINE_string("data", None, "Data directory that prepare_data made.")
    flags.DEFINE_string("damsm", None, "Run or model directory of pretrain_damsm.")
    command.define_run_flags("checkpoints, logs, samples and model/, always current")
    flags.DEFINE_string(
        "init", None, "Run or model directory whose generator and discriminators to start from."
    )
    flags.DEFINE_multi_string(
        "sample_captions", [], "A caption of the sample sheets; repeatable. Default: held-out ones."
    )
    flags.DEFINE_integer(
        "sample_every", None, "Steps between sheets, besides one an epoch.", lower_bound=1
    )
    flags.DEFINE_bool(
        "during_training",
        False,
        "Evaluate on the validation split every few epochs, and keep the best model in RUN/best.",
    )
    flags.DEFINE_integer("evaluate_every", 5, "Epochs between two evaluations.", 1)
    flags.DEFINE_integer("num_evaluation_images", 1000, "Images drawn for one evaluation.", 2)
    flags.DEFINE_string(
        "protocol",
        None,
        "The protocol of FID, one: ttur (the default), pytorch_fid, release, clean, lite0, as in "
        "evaluate. lite0 needs a package only, the others --inception.",
    )
    flags.DEFINE_multi_string(
        "inception", [], "Weights of Inception-v3, as convert --inception takes them; repeatable."
    )
    flags.DEFINE_string(
        "features", None, "A .keras model or a .py file with features(images), not a --protocol."
    )
    flags.DEFINE_integer("epochs", 600, "Passes over the training images.")
    flags.DEFINE_integer("batch_size", 10, "Images a step, over all devices.")
    flags.DEFINE_enum(
        "objective",
        "paper",
        ["paper", "release"],
        "Eq. 11 and 12, or the authors' code with its mismatched pairs.",
    )
    flags.DEFINE_float("damsm_weight", 5.0, "Lambda 2: 5 (CUB), 50 (COCO); less for short runs.")
    flags.DEFINE_float("kl_weight", 1.0, "Lambda 1, of the conditioning divergence.")
    flags.DEFINE_float("generator_learning_rate", 2e-4, "Adam's.")
    flags.DEFINE_float("discriminator_learning_rate", 2e-4, "Adam's.")
    flags.DEFINE_float("ema_decay", 0.999, "Decay of the generator's moving average.")
    flags.DEFINE_bool("ema_warmup", False, "Let the average forget its first steps faster.")
    flags.DEFINE_bool(
        "discriminator_augmentation",
        False,
        "Show discriminators shifted images with a square blanked; for small data sets.",
    )
    flags.DEFINE_integer("channels", 64, "Channels of the generator's image features.")
    flags.DEFINE_integer("discriminator_channels", 32, "Channels of its first block.")
    flags.DEFINE_integer("memory_dim", None, "Size of a memory slot; default: twice --channels.")
    flags.DEFINE_integer("noise_dim", 100, "Size of the noise.")
    flags.DEFINE_integer("condition_dim", 100, "Size of the augmented condition.")
    flags.DEFINE_integer("num_residual_blocks", 2, "A refinement stage: 2 (CUB), 3 (COCO).")
    flags.DEFINE_integer("base_size", 64, "Pixels of the first image; a power of two, 16 or more.")
    flags.DEFINE_integer("num_stages", 3, "Images, each twice the size of the one before.")
    flags.DEFINE_enum(
        "refinement",
        "memory",
        ["memory", "attention"],
        "The paper's dynamic memory, or its baseline, AttnGAN's attention.",
    )
    flags.DEFINE_bool("writing_gate", True, "Give the memory its writing gate (Table 3).")
    flags.DEFINE_bool("response_gate", True, "Give the memory its response gate (Table 3).")
    flags.DEFINE_integer(
        "max_words", None, "Words of a caption that training reads; default: the DAMSM's."
    )
    flags.DEFINE_bool("flip", True, 'Mirror images at random; not if captions say "left".')
    flags.DEFINE_bool("crop", True, "Crop images at random, to 64/76 of their side.")
    flags.DEFINE_enum(
        "precision", "float32", ["float32", "bfloat16", "float16"], "Of the computation."
    )
    flags.DEFINE_enum(
        "strategy",
        "default",
        ["default", "mirrored", "multi_worker", "tpu"],
        "One device; all GPUs; all machines that TF_CONFIG names, one process each; or a TPU.",
    )
    flags.DEFINE_integer("seed", 0, "Of weights, data order, augmentation and noise.")


def main():
    """Reads the flags, trains, and says where the model and the samples are."""
    options = flags.FLAGS
    if not options.damsm:
        raise InputError(
            "Expected --damsm=DIR, a DAMSM trained on the same data. Received: nothing. Train one "
            "with `python -m dmgan_tf.pretrain_damsm --data=DIR --run=runs/damsm`."
        )
    for name in ("data", "run"):
        if not options[name].value:
            raise InputError(f"Expected --{name}=DIR. Received: nothing. See --help.")
    _check_evaluation_flags(options)
    from dmgan_tf.training.config import DMGANConfig, RunSettings  # slow to import; flags first
    from dmgan_tf.training.dmgan_run import train_dmgan
    from dmgan_tf.training.periodic_evaluation import EvaluationSettings

    evaluation, evaluation_flags = None, []
    if options.during_training:
        evaluation = EvaluationSettings(
            **{setting: options[name].value for name, setting in _EVALUATION.items()}
        )
        evaluation_flags = ["during_training", *_EVALUATION]
    settings = [field.name for field in dataclasses.fields(DMGANConfig)]
    run_settings = [field.name for field in dataclasses.fields(RunSettings)]
    result = train_dmgan(
        DMGANConfig(**{name: options[name].value for name in settings}),
        options.data,
        options.damsm,
        options.run,
        init=options.init,
        resume=options.resume,
        flags_text=command.flags_text(
            ["data", "damsm", "run", "init"]
            + [*_SAMPLES, *evaluation_flags, *run_settings, *settings]
        ),
        **{name: options[name].value for name in _SAMPLES},
        evaluation=evaluation,
        settings=RunSettings(**{name: options[name].value for name in run_settings}),
    )
    print(f"model: {result.model}")
    print(f"samples: {result.samples}")
    if result.best_evaluation is not None:
        best = result.best_evaluation
        print(f"best: {result.best} (epoch {best['epoch']}, FID {best['fid']:.4g})")


def _check_evaluation_flags(options):
    """Raises an error for flags of an evaluation that was not asked for."""
    given = [f"--{name}" for name in _EVALUATION if options[name].present]
    if given and not options["during_training"].present:
        raise InputError(
            f"Expected --during_training with {', '.join(given)}. Received: none. Add it, or leave "
            f"{'them' if len(given) > 1 else 'it'} out."
        )


if __name__ == "__main__":
    define_flags()
    command.run(main, sigterm_status=75)
