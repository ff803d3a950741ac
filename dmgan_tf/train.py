"""Trains a DM-GAN on a prepared data set, with a DAMSM trained on the same vocabulary.

Example:

    python -m dmgan_tf.prepare_data --dataset=image_folder --source=my_images --output=data/mine
    python -m dmgan_tf.pretrain_damsm --data=data/mine --run=runs/damsm --epochs=60
    python -m dmgan_tf.train --data=data/mine --damsm=runs/damsm --run=runs/dmgan --epochs=600

    python -m dmgan_tf.train --flagfile=runs/dmgan/flags.txt --resume

With --during_training, FID and R-precision on captions of the validation split are written to
TensorBoard, the epoch's line and RUN/evaluations.jsonl every --evaluate_every epochs, and the model
with the lowest FID is kept in RUN/best. The data set needs a validation split, prepare_data
--validation_fraction=0.1; the test split is never used. With so few images and the DAMSM of
training, these scores compare the epochs of a run, not papers; for those see dmgan_tf.evaluate.

    python -m dmgan_tf.train --data=data/mine --damsm=runs/damsm --run=runs/dmgan \\
        --during_training --evaluate_every=5 --protocol=lite0

--batch_size is that of all devices together, and the model does not depend on their number.
--strategy=multi_worker trains on several machines, which share the data and the run directory: run
the same command on each, with its own index. Only the first one, the chief, writes. If one is lost
the others end with status 4; start all again with --resume.

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}' \\
        python -m dmgan_tf.train --data=data/mine --damsm=runs/damsm --run=runs/dmgan \\
        --strategy=multi_worker --resume

A step whose loss or gradient is not finite is skipped; --on_nan sets what follows many in a row.
TensorBoard, `tensorboard --logdir=RUN/logs`, shows the balance of the two networks for each SIZE of
image. A discriminator that is too strong keeps discriminator_SIZE_real_probability at 1 and
generated_probability at 0: its gradient_norm falls to 0, the loss generator_SIZE_loss increases,
and the generator learns from the DAMSM alone. One that is too weak, or learns nothing, gives 0.5
for both. One that diverges has a layer whose discriminator_SIZE_sigma_LAYER, the largest singular
value of its weights, keeps increasing. Lower the learning rate of the stronger network.
"""

from absl import flags

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.training.config import DMGANConfig, EvaluationSettings, RunSettings

COMMON_FLAGS = (
    *("data", "damsm", "run", "epochs", "batch_size"),
    *("damsm_weight", "precision", "strategy", "during_training", "resume"),
)


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_path("data", None, "Data directory that prepare_data wrote.")
    command.define_model("damsm", None, "Run or model directory of pretrain_damsm.")
    command.define_run_flags("checkpoints, logs, samples and model/, always up to date")
    command.define_model(
        "init", None, "Run or model directory whose generator and discriminators to start from."
    )
    flags.DEFINE_multi_string(
        "sample_captions", [], "A caption of the sample sheets; repeatable. Default: held-out ones."
    )
    flags.DEFINE_integer(
        "sample_every", None, "Steps between sheets, in addition to one per epoch.", lower_bound=1
    )
    flags.DEFINE_bool(
        "during_training",
        False,
        "Evaluate on the validation split every few epochs, and keep the best model in RUN/best.",
    )
    for settings in (EvaluationSettings, RunSettings, DMGANConfig):
        command.define_settings(settings)


def main() -> None:
    """Reads the flags, trains, and says where the model and the samples are."""
    options = flags.FLAGS
    if not options.damsm:
        raise InputError(
            "Expected --damsm=DIR, a DAMSM trained on the same data. Received: nothing. Train one "
            "with `python -m dmgan_tf.pretrain_damsm --data=DIR --run=runs/damsm`."
        )
    command.check_given("data", "run")
    _check_evaluation_flags(options)
    config, settings = command.read_settings(DMGANConfig), command.read_settings(RunSettings)
    evaluation, kept = None, ["data", "damsm", "run", "init", "sample_captions", "sample_every"]
    kept += ["allow_module"]
    if options.during_training:
        evaluation = command.read_settings(EvaluationSettings)
        kept += ["during_training", *command.names_of_flags(EvaluationSettings)]
    kept += [*command.names_of_flags(RunSettings), *command.names_of_flags(DMGANConfig)]
    check_tensorflow("training")
    from dmgan_tf.training.dmgan_run import train_dmgan  # slow to import; flags first

    result = train_dmgan(
        config,
        options.data,
        options.damsm,
        options.run,
        init=options.init,
        resume=options.resume,
        flags_text=command.flags_text(kept),
        sample_captions=options.sample_captions,
        sample_every=options.sample_every,
        evaluation=evaluation,
        settings=settings,
    )
    print(f"model: {result.model}")
    print(f"samples: {result.samples}")
    if result.best_evaluation is not None:
        best = result.best_evaluation
        print(f"best: {result.best} (epoch {best['epoch']}, FID {best['fid']:.4g})")


def _check_evaluation_flags(options):
    """Raises an error for evaluation flags without --during_training."""
    names = command.names_of_flags(EvaluationSettings)
    given = [f"--{name}" for name in names if options[name].present]
    if given and not options["during_training"].present:
        raise InputError(
            f"Expected --during_training with {', '.join(given)}. Received: none. Add it, or leave "
            f"{'them' if len(given) > 1 else 'it'} out."
        )


if __name__ == "__main__":
    define_flags()
    command.run(main, sigterm_status=75)
