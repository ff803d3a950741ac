"""Trains the DAMSM, the text and image encoders that `train` uses.

Example:

    python -m dmgan_tf.pretrain_damsm --data=data/emoji --run=runs/damsm \\
        --image_backbone=small_cnn --epochs=30

With few pictures, start from the encoders of a model, whose words come first in the vocabulary:

    python -m dmgan_tf.prepare_data --source=my_images --output=data/mine --image_size=128 \\
        --vocabulary=runs/emoji/model/vocabulary.txt --extend_vocabulary
    python -m dmgan_tf.pretrain_damsm --data=data/mine --run=runs/mine_damsm --init=runs/emoji \\
        --word_dim=128 --embedding_dim=128
"""

from absl import flags

from dmgan_tf import command
from dmgan_tf.process.keras_backend import check_tensorflow
from dmgan_tf.training.config import PretrainingConfig, RunSettings

COMMON_FLAGS = (
    *("data", "run", "epochs", "batch_size", "image_backbone"),
    *("image_weights", "word_embedding", "precision", "strategy", "resume"),
)


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_path("data", None, "Data directory that prepare_data wrote.")
    command.define_run_flags("checkpoints, logs and model/, always up to date")
    command.define_model(
        "init", None, "Run or model directory whose text and image encoder to start from."
    )
    command.define_settings(RunSettings)
    command.define_settings(PretrainingConfig)


def main() -> None:
    """Reads the flags, trains, and prints the result."""
    options = flags.FLAGS
    command.check_given("data", "run")
    config, settings = command.read_settings(PretrainingConfig), command.read_settings(RunSettings)
    kept = [*command.names_of_flags(RunSettings), *command.names_of_flags(PretrainingConfig)]
    check_tensorflow("training")
    from dmgan_tf.training.damsm_run import pretrain_damsm  # slow to import; flags first

    result = pretrain_damsm(
        config,
        options.data,
        options.run,
        resume=options.resume,
        flags_text=command.flags_text(["data", "run", "init", "allow_module", *kept]),
        init=options.init,
        settings=settings,
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
